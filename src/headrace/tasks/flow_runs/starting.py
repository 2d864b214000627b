"""Tasks that start flow runs."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from headrace.core.attribute_defaults import defaults_from_attrs
from headrace.core.context import context
from headrace.core.errors import ArgumentError, TaskTypeError
from headrace.core.now import now
from headrace.core.signals import FAIL, StateSignal, signal_from_state
from headrace.core.states import Cancelled
from headrace.core.task import Task
from headrace.run_configs.base import RunConfig
from headrace.tasks.flow_runs.asking import task_at_home, the_client
from headrace.tasks.flow_runs.views import FlowRunView, FlowView


@task_at_home
def create_flow_run(
    flow_id: str | None = None,
    flow_name: str | None = None,
    project_name: str = "",
    parameters: dict[str, Any] | None = None,
    context: dict[str, Any] | None = None,
    labels: Iterable[str] | None = None,
    run_name: str | None = None,
    run_config: RunConfig | None = None,
    scheduled_start_time: datetime.datetime | datetime.timedelta | None = None,
    idempotency_key: str | None = None,
) -> str:
    """Start a flow run of a registered flow.

    Args:
        flow_id: The id of a version of the flow, or of its version group.
        flow_name: The flow's name, instead of an id.
        project_name: The project's name, where several have a flow of this name.
        parameters: Values of parameters.
        context: More context keys for the run.
        labels: Labels instead of the flow's.
        run_name: What the run is called; by default after the run that starts it.
        run_config: A run config instead of the flow's.
        scheduled_start_time: When to start, or in how long; at once by default.
        idempotency_key: A second request with the same key makes no second run; by default the id
            of this task run, so that a retry starts nothing twice.

    Returns:
        The flow run's id.

    Raises:
        ArgumentError: If the flow is named twice, or not at all.
        ClientError: If the server cannot start it.
    """
    if bool(flow_id) == bool(flow_name):
        raise ArgumentError("Name the flow by flow_id or by flow_name: one of them.")
    if flow_id:
        flow = FlowView.from_id(flow_id)
    else:
        flow = FlowView.from_flow_name(str(flow_name), project_name)
    return _start(
        flow,
        parameters=parameters,
        context_keys=context,
        labels=labels,
        run_name=run_name,
        run_config=run_config,
        start_time=scheduled_start_time,
        idempotency_key=idempotency_key,
    )


class StartFlowRun(Task[Any]):
    """Starts a flow run of a registered flow; its result is the flow run's id.

    What is given here may be given when the task is called, instead.

    Args:
        flow_name: The flow's name.
        project_name: The project's name.
        parameters: Values of parameters.
        run_config: A run config instead of the flow's.
        wait: Whether to wait until the run is over; this task then ends in its state.
        new_flow_context: More context keys for the run.
        run_name: What the run is called; by default after the run that starts it.
        scheduled_start_time: When to start; at once by default.
        poll_interval: Accepted; waiting needs no polls.
        create_link_artifact: Accepted; the run's id is in the log.
        **kwargs: As for `Task`.

    Raises:
        TaskTypeError: If a task is among the parameters: give it when the task is called.
    """

    runs_at_home = True

    def __init__(
        self,
        flow_name: str | None = None,
        project_name: str | None = None,
        parameters: dict[str, Any] | None = None,
        run_config: RunConfig | None = None,
        wait: bool = False,
        new_flow_context: dict[str, Any] | None = None,
        run_name: str | None = None,
        scheduled_start_time: datetime.datetime | None = None,
        poll_interval: datetime.timedelta = datetime.timedelta(seconds=10),
        create_link_artifact: bool = True,
        **kwargs: Any,
    ) -> None:
        for name, value in (parameters or {}).items():
            if isinstance(value, Task):
                raise TaskTypeError(
                    f"The parameter {name!r} of StartFlowRun is a task, whose result is not known "
                    "yet. Give it when the task is called: "
                    f"StartFlowRun(...)(parameters={{{name!r}: ...}})."
                )
        self.flow_name = flow_name
        self.project_name = project_name
        self.parameters = parameters
        self.run_config = run_config
        self.wait = wait
        self.new_flow_context = new_flow_context
        self.run_name = run_name
        self.scheduled_start_time = scheduled_start_time
        self.poll_interval = poll_interval
        self.create_link_artifact = create_link_artifact
        if flow_name:
            kwargs.setdefault("name", f"Flow {flow_name}")
        super().__init__(**kwargs)

    @defaults_from_attrs(
        "flow_name",
        "project_name",
        "parameters",
        "run_config",
        "new_flow_context",
        "run_name",
        "scheduled_start_time",
    )
    def run(
        self,
        flow_name: str | None = None,
        project_name: str | None = None,
        parameters: dict[str, Any] | None = None,
        run_config: RunConfig | None = None,
        new_flow_context: dict[str, Any] | None = None,
        run_name: str | None = None,
        idempotency_key: str | None = None,
        scheduled_start_time: datetime.datetime | None = None,
    ) -> str:
        """Start the flow run, and wait for its end if that is wanted.

        Args:
            flow_name: As for the task.
            project_name: As for the task.
            parameters: As for the task.
            run_config: As for the task.
            new_flow_context: As for the task.
            run_name: As for the task.
            idempotency_key: A second request with the same key makes no second run; by default the
                id of this task run.
            scheduled_start_time: As for the task.

        Returns:
            The flow run's id.

        Raises:
            StateSignal: With `wait`, once the run is over: what its state becomes here.
            ArgumentError: If no flow or no project is named.
            ClientError: If the server cannot start it.
        """
        if flow_name is None:
            raise ArgumentError(f"The task {self.name!r} has no flow_name: say which flow to run.")
        if project_name is None:
            raise ArgumentError(
                f"The task {self.name!r} has no project_name: say whose flow {flow_name!r} to run."
            )
        run_id = _start(
            FlowView.from_flow_name(flow_name, project_name),
            parameters=parameters,
            context_keys=new_flow_context,
            labels=None,
            run_name=run_name,
            run_config=run_config,
            start_time=scheduled_start_time,
            idempotency_key=idempotency_key,
        )
        if not self.wait:
            return run_id
        view = FlowRunView(the_client().wait_for_flow_run(run_id))
        raise ended_like(view)


def ended_like(run: FlowRunView) -> StateSignal:
    """Return the signal that ends a task in the state of a flow run that is over."""
    message = f"The flow run {run.name!r} ({run.flow_run_id}) is {run.state}"
    if isinstance(run.state, Cancelled):
        # A task cannot cancel itself; what needs it must not run, though.
        return FAIL(message=message, result=run)
    return signal_from_state(run.state)(message=message, result=run)


def _start(
    flow: FlowView,
    *,
    parameters: Mapping[str, Any] | None,
    context_keys: Mapping[str, Any] | None,
    labels: Iterable[str] | None,
    run_name: str | None,
    run_config: RunConfig | None,
    start_time: datetime.datetime | datetime.timedelta | None,
    idempotency_key: str | None,
) -> str:
    # A run that is not tracked has no name that anybody has heard of, and no lasting id.
    if context.get("running_with_backend"):
        run_name = run_name or f"{context.flow_run_name}-{flow.name}"
        # A retry, and another attempt of the whole run, come with the same key.
        idempotency_key = idempotency_key or context.task_run_id
    if isinstance(start_time, datetime.timedelta):
        start_time = now() + start_time
    made = the_client().create_flow_run(
        flow_id=flow.flow_id,
        parameters=dict(parameters or {}),
        context=dict(context_keys or {}),
        labels=None if labels is None else list(labels),
        name=run_name,
        run_config=run_config,
        start_time=start_time,
        idempotency_key=idempotency_key,
    )
    context.logger.info(
        "%s flow run %r of flow %r: %s",
        "Created" if made.is_new else "Found",
        made.name,
        flow.name,
        made.id,
    )
    return made.id

"""`flow.run()`: here and now, on the flow's schedule if it has one, waiting for retries."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.config import config
from headrace.config.logging import get_logger
from headrace.core.context import context
from headrace.core.errors import FlowError, NoMoreEventsError, ParameterError
from headrace.core.now import now
from headrace.core.states import (
    Cached,
    Cancelled,
    Mapped,
    Paused,
    Pending,
    Resume,
    Scheduled,
    State,
)
from headrace.core.wording import repr_of
from headrace.engine.flow_runner import FlowRunner, check_parameters

if TYPE_CHECKING:
    from headrace.core.task import Task
    from headrace.flow import Flow


def run_flow(
    flow: Flow,
    parameters: Mapping[str, Any] | None = None,
    run_on_schedule: bool | None = None,
    runner_cls: type[FlowRunner] | None = None,
    **kwargs: Any,
) -> State | None:
    """Run a flow here, and return the state of its (last) run.

    Args:
        flow: The flow.
        parameters: Values of the flow's parameters, by name.
        run_on_schedule: Whether to wait for each event of the flow's schedule and run then, until
            it has no more; by default what the setting `flows.run_on_schedule` says.
        runner_cls: Runs the flow; `FlowRunner` by default.
        **kwargs: Values of parameters by name, and arguments of the runner's `run`.

    Returns:
        The state; its result is a dict from each task to that task's state. None while the flow's
        file is being loaded: a stray call then only warns.

    Raises:
        ParameterError: If a parameter is unknown or missing, before anything runs.
        FlowError: If the call cannot be made as it is written.
    """
    if context.get("loading_flow"):
        warnings.warn(
            f"flow.run() of {flow.name!r} is ignored while its file is loaded; guard it with "
            "`if __name__ == '__main__':`.",
            stacklevel=3,
        )
        return None
    if "return_tasks" in kwargs:
        raise FlowError(
            "flow.run() returns the states of all tasks; for some of them, use "
            "FlowRunner(flow).run(return_tasks=...)."
        )
    if not isinstance(parameters or {}, Mapping):
        raise ParameterError(
            f"The parameters of flow {flow.name!r} are {parameters!r:.60}; give a dict of values by "
            "name."
        )
    given = dict(parameters or {})
    for parameter in flow.parameters():
        if parameter.name in kwargs:
            given[parameter.name] = kwargs.pop(parameter.name)
    _check_arguments(flow, runner_cls or FlowRunner, kwargs)
    runner = (runner_cls or FlowRunner)(flow=flow)
    if run_on_schedule is None:
        run_on_schedule = config.flows.run_on_schedule
    if flow.schedule is not None and run_on_schedule:
        return _run_on_schedule(flow, runner, given, kwargs)
    check_parameters(flow, given)
    return _run_once(flow, runner, given, kwargs)


def _check_arguments(
    flow: Flow, runner_cls: type[FlowRunner], arguments: Mapping[str, Any]
) -> None:
    """Make sure that the runner takes these arguments, as far as it says what it takes.

    Raises:
        ParameterError: If it does not take one, and the flow has no such parameter either.
    """
    code = getattr(runner_cls.run, "__code__", None)
    if code is None or code.co_flags & 8:  # it takes any keywords
        return
    known = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    for name in arguments:
        if name not in known:
            has = ", ".join(sorted(p.name for p in flow.parameters())) or "none"
            raise ParameterError(
                f"flow.run() takes no argument {name!r}, and flow {flow.name!r} has no such "
                f"parameter; it has: {has}."
            )


def _run_on_schedule(
    flow: Flow, runner: FlowRunner, parameters: dict[str, Any], kwargs: dict[str, Any]
) -> State:
    assert flow.schedule is not None
    logger = get_logger("FlowRunner")
    try:
        event = flow.schedule.next_event()
    except NoMoreEventsError as error:
        raise FlowError(
            f"Flow {flow.name!r}: {error} To run it once, now, say flow.run(run_on_schedule=False)."
        ) from error
    while True:
        given = {**parameters, **event.parameter_defaults}
        check_parameters(flow, given)  # before the wait: what is wrong now will be wrong then
        seconds = (event.start_time - now()).total_seconds()
        if seconds > 0:
            logger.info("Waiting for next scheduled run at %s", event.start_time)
            time.sleep(seconds)
        state = _run_once(
            flow,
            runner,
            given,
            {
                **kwargs,
                "context": {
                    **kwargs.get("context", {}),
                    "scheduled_start_time": event.start_time,
                },
            },
        )
        if not state.is_finished() or isinstance(state, Cancelled):
            return state
        # What came and went during a run that took long is past.
        following = flow.schedule.next(1, after=max(event.instant, now()), return_events=True)
        if not following:
            return state
        event = following[0]


def _run_once(
    flow: Flow, runner: FlowRunner, parameters: dict[str, Any], kwargs: dict[str, Any]
) -> State:
    kwargs = {"patience": None, "state": Scheduled("Flow run scheduled."), **kwargs}
    task_states = dict(kwargs.pop("task_states", None) or {})
    state = runner.run(
        parameters=parameters, return_tasks=flow.tasks, task_states=task_states, **kwargs
    )
    while isinstance(state.result, dict) and _ask_to_resume(state.result):
        state = runner.run(
            parameters=parameters, return_tasks=flow.tasks, task_states=state.result, **kwargs
        )
    if not isinstance(state.result, dict):
        # It ended before any task did; who asks for a task's state still gets one.
        reason = "The flow run ended before this task's turn."
        state.context["error"] = repr_of(state.result)
        state.result = {task: Pending(reason) for task in flow.tasks}
    _keep_caches(state.result)
    return state


def _ask_to_resume(states: dict[Task[Any], State]) -> bool:
    """Ask the person at the terminal, if there is one, about each paused task."""
    paused = [task for task, state in states.items() if isinstance(state, Paused)]
    if not paused or sys.stdin is None or not sys.stdin.isatty():
        return False
    resumed = False
    for task in paused:
        answer = input(f"{task} is currently Paused; enter 'y' to resume:\n")
        if answer.strip().lower() == "y":
            states[task] = Resume("Approval given to resume.")
            resumed = True
    return resumed


def _keep_caches(states: Mapping[Task[Any], State]) -> None:
    """Keep results that are to be cached, for later runs in this process."""
    for task, state in states.items():
        if task.cache_for is None:
            continue
        fresh = [
            child
            for child in (state.map_states if isinstance(state, Mapped) else [state])
            if isinstance(child, Cached)
        ]
        key = task.cache_key or task.name
        caches = context.caches
        caches[key] = [
            cached
            for cached in {id(c): c for c in [*caches.get(key, []), *fresh]}.values()
            if cached.cached_result_expiration and cached.cached_result_expiration > now()
        ]

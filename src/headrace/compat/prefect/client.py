"""`prefect.Client`, with Headrace's client behind it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from headrace.client import Client as OwnClient
from headrace.compat.prefect.remedies import not_in_rest
from headrace.config.logging import get_logger
from headrace.core.context import context
from headrace.core.states import Cancelled, Paused, Resume, Scheduled, State
from headrace.tasks.flow_runs.states import state_of
from headrace.tasks.flow_runs.views import TaskRunView

if TYPE_CHECKING:
    from headrace.run_configs.base import RunConfig
    from headrace.wire.task_runs import TaskRun


class ProjectInfo(NamedTuple):
    """A project."""

    id: str
    name: str


class TaskRunInfoResult(NamedTuple):
    """A task run. Its id is `FLOW_RUN_ID/SLUG` or `FLOW_RUN_ID/SLUG[INDEX]`."""

    id: str
    task_id: str
    task_slug: str
    version: int
    state: State


class FlowRunInfoResult(NamedTuple):
    """A flow run, with its task runs."""

    id: str
    name: str
    flow_id: str
    project: ProjectInfo
    parameters: dict[str, Any]
    context: dict[str, Any]
    version: int
    scheduled_start_time: datetime.datetime | None
    state: State
    task_runs: list[TaskRunInfoResult]


class Client:
    """What flow files of Prefect 1 ask the server by.

    Args:
        api_server: The server's address; by default as configured.
        headers: Accepted, and not sent.
        api_key: The key to identify with; by default as configured.
        tenant_id: Accepted; there are no tenants.
    """

    def __init__(
        self,
        api_server: str | None = None,
        headers: Mapping[str, str] | None = None,
        api_key: str | None = None,
        tenant_id: str | None = None,
    ) -> None:
        self._client = OwnClient(api_server, api_key)
        self.api_server = self._client.api_url
        self.tenant_id = tenant_id

    def create_project(self, project_name: str, project_description: str | None = None) -> str:
        """Make a project, unless there is one; return its id."""
        project = self._client.create_project(
            project_name, project_description or "", exists_ok=True
        )
        return project.id

    def delete_project(self, project_name: str) -> bool:
        """Delete a project.

        Raises:
            NotFound: If there is none of this name.
        """
        self._client.delete_project(project_name)
        return True

    def register(
        self,
        flow: Any,
        project_name: str | None = None,
        build: bool = True,
        set_schedule_active: bool = True,
        version_group_id: str | None = None,
        compressed: bool = True,
        no_url: bool = False,
        idempotency_key: str | None = None,
    ) -> str:
        """Register a flow, as `flow.register` does; return the version's id."""
        registered: str = flow.register(
            project_name,
            build=build,
            set_schedule_active=set_schedule_active,
            version_group_id=version_group_id,
            no_url=no_url,
            idempotency_key=idempotency_key,
            client=self._client,
        )
        return registered

    def create_flow_run(
        self,
        flow_id: str | None = None,
        context: dict[str, Any] | None = None,
        parameters: dict[str, Any] | None = None,
        run_config: RunConfig | None = None,
        labels: list[str] | None = None,
        scheduled_start_time: datetime.datetime | None = None,
        idempotency_key: str | None = None,
        run_name: str | None = None,
        version_group_id: str | None = None,
    ) -> str:
        """Start a flow run of a version, or of the current version of a group; return its id.

        Raises:
            NotFound: If there is no such flow.
            Refused: If the parameters do not fit.
        """
        made = self._client.create_flow_run(
            flow_id=flow_id,
            version_group_id=version_group_id,
            parameters=parameters,
            context=context,
            run_config=run_config,
            labels=labels,
            start_time=scheduled_start_time,
            idempotency_key=idempotency_key,
            name=run_name,
        )
        return made.id

    def get_flow_run_info(self, flow_run_id: str) -> FlowRunInfoResult:
        """Return a flow run, with its task runs."""
        run = self._client.get_flow_run(flow_run_id)
        projects = (each for each in self._client.projects() if each.name == run.project_name)
        project = next(projects, None)
        return FlowRunInfoResult(
            id=run.id,
            name=run.name,
            flow_id=run.flow_id,
            project=ProjectInfo(project.id if project else "", run.project_name),
            parameters=run.parameters,
            context={},
            version=run.attempt,
            scheduled_start_time=run.scheduled_start_time,
            state=state_of(run.state, run.message, run.scheduled_start_time),
            task_runs=[_info(each) for each in self._client.task_runs(flow_run_id)],
        )

    def get_flow_run_state(self, flow_run_id: str) -> State:
        """Return the state of a flow run."""
        run = self._client.get_flow_run(flow_run_id)
        return state_of(run.state, run.message, run.scheduled_start_time)

    def set_flow_run_state(
        self, flow_run_id: str, state: State, version: int | None = None
    ) -> State:
        """Bring a flow run into a state, where a person may: cancel, pause, resume or restart it.

        Args:
            flow_run_id: The flow run's id.
            state: `Cancelled` cancels it, `Paused` pauses it, `Resume` or `Scheduled` lets it go
                on, or runs it once more if it is over.
            version: Accepted, and not looked at.

        Returns:
            The state that it has now.

        Raises:
            CallNotOfferedError: For all other states: only the run itself says those.
        """
        client, why = self._client, state.message
        if isinstance(state, Cancelled):
            run = client.cancel_flow_run(flow_run_id, why)
        elif isinstance(state, Paused):
            run = client.pause_flow_run(flow_run_id, why)
        elif isinstance(state, Resume | Scheduled):
            run = client.get_flow_run(flow_run_id)
            if run.is_finished:
                run = client.restart_flow_run(flow_run_id, why)
            elif run.state == "Paused":
                run = client.resume_flow_run(flow_run_id, why)
        else:
            raise not_in_rest(
                f"Client.set_flow_run_state(..., {type(state).__name__}(...))",
                "Only the run's own process says how it goes. From outside it can be cancelled "
                "(Cancelled), paused (Paused), resumed (Resume) or restarted (Scheduled).",
            )
        return state_of(run.state, run.message, run.scheduled_start_time)

    def set_flow_run_name(self, flow_run_id: str, name: str) -> bool:
        """Give a flow run another name."""
        self._client.rename_flow_run(flow_run_id, name)
        return True

    def cancel_flow_run(self, flow_run_id: str) -> bool:
        """Cancel a flow run."""
        self._client.cancel_flow_run(flow_run_id)
        return True

    def get_task_run_info(
        self, flow_run_id: str, task_id: str, map_index: int | None = None
    ) -> TaskRunInfoResult:
        """Return a task run.

        Args:
            flow_run_id: The flow run's id.
            task_id: The task's slug, which is its id.
            map_index: The child of a mapped task; None or -1 for the task itself.
        """
        index = -1 if map_index is None else map_index
        return _info(self._client.get_task_run(flow_run_id, task_id, index))

    def get_task_run_state(self, task_run_id: str) -> State:
        """Return the state of the task run with this id."""
        return TaskRunView.from_task_run_id(task_run_id).state

    def write_run_logs(self, logs: Iterable[Mapping[str, Any]]) -> None:
        """Write log lines of the flow run that this is called in.

        Raises:
            CallNotOfferedError: If a line is of another flow run: each writes its own.
        """
        mine = context.get("flow_run_id")
        for line in logs:
            whose = line.get("flow_run_id") or line.get("flowRunId") or mine
            if whose is None or whose != mine:
                raise not_in_rest(
                    "Client.write_run_logs for another flow run",
                    "A flow run writes its own log lines only: use context.logger inside it.",
                )
            level = str(line.get("level", "INFO"))
            logger = get_logger(str(line.get("name") or "Client"))
            logger.log(_LEVELS.get(level.upper(), 20), "%s", line.get("message", ""))

    def graphql(self, query: Any, *_arguments: Any, **_more: Any) -> NoReturn:
        """Refuse a query, and say what to ask instead.

        Raises:
            CallNotOfferedError: Always.
        """
        text = str(query)
        names = [name for name in _CALLS if re.search(rf"\b{name}\b", text)]
        ways = " ".join(f"Instead of {name!r}: {_CALLS[name]}." for name in names[:3])
        raise not_in_rest(
            "Client.graphql",
            f"The server has a REST API and no GraphQL. {ways or _ANY_CALL} What there is stands at "
            f"{self.api_server}/api/openapi.json.",
        )

    def get_cloud_url(self, subdirectory: str, id: str) -> str:
        """Return where a flow run, or a flow, is to be found."""
        return f"{self.api_server}/{subdirectory}/{id}"

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise not_in_rest(
            f"Client.{name}",
            "What Headrace's client can do is in headrace.client.Client; what its server is asked "
            "over HTTP stands at /api/openapi.json.",
            attribute=True,
        )


_LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
_ANY_CALL = "Use headrace.client.Client."
#: What replaces each query, most particular first.
_CALLS = {
    "flow_run_by_pk": "headrace.client.Client().get_flow_run(id), GET /api/flow-runs/{id}",
    "flow_run": "headrace.client.Client().flow_runs(...), GET /api/flow-runs",
    "task_run_by_pk": "Client().get_task_run(flow_run_id, slug, map_index), "
    "GET /api/flow-runs/{id}/task-runs/{slug}/{map_index}",
    "task_run": "headrace.client.Client().task_runs(flow_run_id), GET /api/flow-runs/{id}/task-runs",
    "flow_by_pk": "headrace.client.Client().get_flow(id), GET /api/flows/{id}",
    "flow": "headrace.client.Client().flows(project_name, name), GET /api/flows",
    "project": "headrace.client.Client().projects(), GET /api/projects",
    "agent": "headrace.client.Client().agents(), GET /api/agents",
    "log": "headrace.client.Client().logs(flow_run_id), GET /api/flow-runs/{id}/logs",
    "create_flow_run": "headrace.client.Client().create_flow_run(...), POST /api/flow-runs",
    "cancel_flow_run": "headrace.client.Client().cancel_flow_run(id), "
    "POST /api/flow-runs/{id}/cancel",
    "set_schedule_active": "headrace.client.Client().set_schedule(version_group_id, True), "
    "POST /api/version-groups/{id}/schedule",
    "set_schedule_inactive": "headrace.client.Client().set_schedule(version_group_id, False), "
    "POST /api/version-groups/{id}/schedule",
    "delete_flow_run": "headrace.client.Client().delete_flow_run(id), DELETE /api/flow-runs/{id}",
}


def _info(run: TaskRun) -> TaskRunInfoResult:
    view = TaskRunView(run)
    return TaskRunInfoResult(view.task_run_id, run.slug, run.slug, run.run_count, view.state)

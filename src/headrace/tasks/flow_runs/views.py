"""Flows, flow runs and task runs of a server, as flows look at them."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from headrace.core.errors import NotFound, Refused
from headrace.tasks.flow_runs.asking import the_client
from headrace.tasks.flow_runs.states import state_of

if TYPE_CHECKING:
    from headrace.core.states import State
    from headrace.wire.flow_runs import FlowRun
    from headrace.wire.flows import Flow
    from headrace.wire.task_runs import TaskRun


class FlowView:
    """One version of a registered flow, as it was when it was asked for.

    Attributes:
        flow_id: The id of the version.
        name: The flow's name.
        project_name: The project's name.
        flow_group_id: The version group.
        archived: Whether the version is archived.
        run_config: The run config, described.
        storage: The storage, described.
        serialized_flow: The flow's tasks and edges, described.
        flow_group_labels: Labels that all versions take instead of their own.
        labels: What an agent needs to have.
    """

    def __init__(self, flow: Flow) -> None:
        self.flow_id = flow.id
        self.name = flow.name
        self.project_name = flow.project_name
        self.flow_group_id = flow.version_group_id
        self.version = flow.version
        self.archived = flow.is_archived
        self.run_config = flow.run_config
        self.storage = flow.storage
        self.serialized_flow = flow.graph
        self.labels = set(flow.labels)
        self.flow_group_labels = set(flow.overrides.get("labels") or ())

    @classmethod
    def from_id(cls, flow_id: str) -> FlowView:
        """Return the view of a version, or of the current version of a version group.

        Raises:
            NotFound: If there is none of this id.
        """
        client = the_client()
        try:
            return cls(client.get_flow(flow_id))
        except NotFound:
            for flow in client.flows():
                if flow.version_group_id == flow_id:
                    return cls(client.get_flow(flow.id))
            raise

    @classmethod
    def from_flow_id(cls, flow_id: str) -> FlowView:
        """Return the view of a version.

        Raises:
            NotFound: If there is none of this id.
        """
        return cls(the_client().get_flow(flow_id))

    @classmethod
    def from_flow_group_id(cls, flow_group_id: str) -> FlowView:
        """Return the view of the current version of a version group.

        Raises:
            NotFound: If there is none of this id.
        """
        return cls.from_id(flow_group_id)

    @classmethod
    def from_flow_name(
        cls, flow_name: str, project_name: str = "", last_updated: bool = False
    ) -> FlowView:
        """Return the view of the current version of the flow of a name.

        Args:
            flow_name: The flow's name.
            project_name: The project's name; needed where several have a flow of this name.
            last_updated: Whether the latest is taken where several projects have one.

        Raises:
            NotFound: If there is none.
            Refused: If there are several.
        """
        client = the_client()
        found = client.flows(project_name or None, flow_name)
        if not found:
            if project_name:
                client.get_project(project_name)  # which says so if that is what is not there
            where = f" in the project {project_name!r}" if project_name else ""
            raise NotFound(f"There is no flow {flow_name!r}{where}. Register it first.")
        if len(found) > 1 and not last_updated:
            projects = ", ".join(repr(flow.project_name) for flow in found)
            raise Refused(
                f"There are {len(found)} flows {flow_name!r}, in the projects {projects}. Say which "
                "is meant by project_name."
            )
        latest = max(found, key=lambda flow: flow.created)
        return cls(client.get_flow(latest.id))

    def __repr__(self) -> str:
        return f"FlowView(flow_id={self.flow_id!r}, name={self.name!r}, project_name={self.project_name!r})"


class FlowRunView:
    """A flow run, as it was when it was asked for.

    Attributes:
        flow_run_id: Its id.
        name: Its name.
        flow_id: The id of the flow's version.
        state: Its state.
        states: Its states so far, oldest first.
        parameters: Values of parameters.
        labels: Its labels.
        run_config: Its run config, described.
        updated_at: Since when it has its state.
    """

    def __init__(self, run: FlowRun) -> None:
        self.flow_run_id = run.id
        self.name = run.name
        self.flow_id = run.flow_id
        self.state: State = state_of(run.state, run.message, run.scheduled_start_time)
        self.parameters = run.parameters
        self.labels = set(run.labels)
        self.run_config = run.run_config
        self.updated_at: datetime.datetime = run.state_since
        self.waiting = run.waiting
        self._states: list[State] | None = None

    @classmethod
    def from_flow_run_id(
        cls, flow_run_id: str, load_static_tasks: bool = False, _cached_task_runs: Any = None
    ) -> FlowRunView:
        """Return the view of a flow run.

        Args:
            flow_run_id: Its id.
            load_static_tasks: Accepted, and without effect: task runs are asked for one by one.

        Raises:
            NotFound: If there is none of this id.
        """
        return cls(the_client().get_flow_run(flow_run_id))

    @property
    def states(self) -> list[State]:
        """Its states so far, oldest first."""
        if self._states is None:
            history = the_client().flow_run_states(self.flow_run_id)
            self._states = [
                state_of(each.state, each.message) for each in history if not each.is_stale
            ]
        return self._states

    def get_latest(self, load_static_tasks: bool = False) -> FlowRunView:
        """Return the view of the flow run as it is now."""
        return type(self)(the_client().get_flow_run(self.flow_run_id))

    def get_logs(self, **_range: Any) -> list[Any]:
        """Return the log lines so far, oldest first."""
        from headrace.tasks.flow_runs.watching import FlowRunLog

        return [FlowRunLog.of(line) for line in the_client().logs(self.flow_run_id)]

    def get_flow_metadata(self, no_cache: bool = False) -> FlowView:
        """Return the view of the version that it runs."""
        return FlowView.from_flow_id(self.flow_id)

    def get_task_run(
        self,
        task_slug: str | None = None,
        task_run_id: str | None = None,
        map_index: int | None = None,
    ) -> TaskRunView:
        """Return the view of a task run.

        Args:
            task_slug: The task's slug.
            task_run_id: The task run's id, instead of the slug.
            map_index: The child of a mapped task; None or -1 for the task itself.

        Raises:
            NotFound: If there is no such task run.
            Refused: If neither slug nor id is given, or both.
        """
        if (task_slug is None) == (task_run_id is None):
            raise Refused("Name the task run by task_slug or by task_run_id: one of them.")
        if task_run_id is not None:
            return TaskRunView.from_task_run_id(task_run_id)
        return TaskRunView.from_task_slug(
            str(task_slug), self.flow_run_id, -1 if map_index is None else map_index
        )

    def get_all_task_runs(self) -> list[TaskRunView]:
        """Return views of all task runs, mapped children included."""
        return [TaskRunView(run) for run in the_client().task_runs(self.flow_run_id)]

    def get_task_runs(self, task_slugs: Iterable[str]) -> list[TaskRunView]:
        """Return views of the runs of these tasks."""
        client = the_client()
        return [
            TaskRunView(run)
            for slug in task_slugs
            for run in client.task_runs(self.flow_run_id, slug=slug)
        ]

    def __repr__(self) -> str:
        return (
            f"FlowRunView(flow_run_id={self.flow_run_id!r}, name={self.name!r}, "
            f"state={self.state!r})"
        )


class TaskRunView:
    """A task run, as it was when it was asked for.

    Attributes:
        task_run_id: Its id: `FLOW_RUN_ID/SLUG` or `FLOW_RUN_ID/SLUG[INDEX]`.
        name: Its name.
        task_slug: The task's slug.
        map_index: The child of a mapped task; -1 for the task itself.
        flow_run_id: The flow run's id.
        state: Its state.
        location: Where its result is stored; None if it is not.
    """

    def __init__(self, run: TaskRun) -> None:
        index = "" if run.map_index < 0 else f"[{run.map_index}]"
        self.task_run_id = f"{run.flow_run_id}/{run.slug}{index}"
        self.name = run.name
        self.task_slug = run.slug
        self.map_index = run.map_index
        self.flow_run_id = run.flow_run_id
        self.state: State = state_of(run.state, run.message, run.due)
        self.location = run.location
        self._run = run

    @classmethod
    def from_task_slug(cls, task_slug: str, flow_run_id: str, map_index: int = -1) -> TaskRunView:
        """Return the view of the run of a task, or of one child of a mapped task.

        Raises:
            NotFound: If there is none.
        """
        return cls(the_client().get_task_run(flow_run_id, task_slug, map_index))

    @classmethod
    def from_task_run_id(cls, task_run_id: str) -> TaskRunView:
        """Return the view of the task run of an id, as a view or the context has it.

        Raises:
            Refused: If it is no id of a task run.
            NotFound: If there is none of this id.
        """
        flow_run_id, slash, rest = task_run_id.partition("/")
        slug, bracket, index = rest.rstrip("]").partition("[")
        if not slash or not slug or (bracket and not index.isdecimal()):
            raise Refused(
                f"{task_run_id!r} is no id of a task run. It is FLOW_RUN_ID/SLUG, with [INDEX] for "
                "a child of a mapped task."
            )
        return cls.from_task_slug(slug, flow_run_id, int(index) if index else -1)

    def get_result(self) -> Any:
        """Return the value that the task run has given, from where it is stored.

        Raises:
            ResultNotFound: If it is not stored, or not where this process can read it.
            Refused: If the task run did not succeed.
        """
        from headrace.tasks.flow_runs.values import value_of

        return value_of(self._run)

    def __repr__(self) -> str:
        return f"TaskRunView(task_run_id={self.task_run_id!r}, state={self.state!r})"

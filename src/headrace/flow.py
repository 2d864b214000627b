"""The flow: a graph of tasks, and all that is said about running it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from headrace.core.context import context
from headrace.core.errors import FlowError, TaskTypeError
from headrace.core.graph import Graph, listed
from headrace.core.handlers import on_failure_handler
from headrace.core.recovery import normal_recovery
from headrace.core.states import Pending
from headrace.core.task_options import normal_handlers
from headrace.engine.flow_run import run_flow

if TYPE_CHECKING:
    import datetime
    import os
    from logging import Logger

    from headrace.client import Client
    from headrace.core.edge import Edge
    from headrace.core.result import Result
    from headrace.core.schedules.schedule import Schedule
    from headrace.core.states import State
    from headrace.core.task import Task
    from headrace.engine.flow_runner import FlowRunner
    from headrace.executors.base import Executor


class Flow(Graph):
    """Tasks that depend on each other, and how to run them.

    Tasks that are called inside a `with Flow(...)` block are added to it.

    Args:
        name: The flow's name.
        schedule: When the flow runs.
        executor: Where its tasks execute; in this thread by default.
        run_config: How a flow run is deployed. `run` does not look at it.
        storage: Where the flow's code is. `run` does not look at it.
        tasks: Tasks to begin with.
        edges: Edges to begin with.
        reference_tasks: The tasks that decide the final state; by default those that no other
            task waits for.
        state_handlers: Called as `handler(flow, old_state, new_state)` on every change of the flow
            run's state; a state they return takes the place of the new one.
        on_failure: Called as `on_failure(flow, state)` when a flow run fails.
        validate: Whether the edges are checked at once; by default as configured.
        result: Where and how results of tasks are stored that do not say it themselves.
        terminal_state_handler: Called as `handler(flow, state, reference_task_states)` at the end
            of a flow run; a state it returns is the final one.
        max_recoveries: Of a tracked run: how often an attempt that was lost, with its process or
            its machine, is followed by another one.
        on_disconnect: What a tracked run does that cannot reach its server for so long that another
            attempt may be started: `"continue"`, or `"hold"` to start no new task, for flows that
            cannot bear two of themselves.
        lost_after: After how many seconds of silence, or which `timedelta`, a tracked run's process
            counts as lost if there is no other evidence.

    Raises:
        FlowError: If there is no name, or what is said about lost attempts is out of range.
        TaskTypeError: If an argument has the wrong type.

    Example:
        ```python
        with Flow("sum") as flow:
            total = add(1, Parameter("x", default=2))
        state = flow.run(x=5)
        assert state.result[total].result == 6
        ```
    """

    def __init__(
        self,
        name: str,
        schedule: Schedule | None = None,
        executor: Executor | None = None,
        run_config: Any = None,
        storage: Any = None,
        tasks: Iterable[Task[Any]] | None = None,
        edges: Iterable[Edge] | None = None,
        reference_tasks: Iterable[Task[Any]] | None = None,
        state_handlers: Sequence[Callable[..., State | None]] | None = None,
        on_failure: Callable[[Any, State], Any] | None = None,
        validate: bool | None = None,
        result: Result | None = None,
        terminal_state_handler: (Callable[[Any, State, set[State]], State | None] | None) = None,
        *,
        max_recoveries: int = 3,
        on_disconnect: str = "continue",
        lost_after: float | datetime.timedelta = 300.0,
    ) -> None:
        if not name:
            raise FlowError("A flow needs a name: Flow('nightly-load').")
        if isinstance(executor, type):
            raise TaskTypeError(
                f"The executor of flow {name!r} is the class {executor.__name__}; make one: "
                f"{executor.__name__}()."
            )
        if schedule is not None and not hasattr(schedule, "next"):
            raise TaskTypeError(
                f"The schedule of flow {name!r} is {schedule!r:.60}; give one of "
                "headrace.schedules, such as CronSchedule('0 6 * * *')."
            )
        super().__init__(name)
        self.max_recoveries, self.on_disconnect, self.lost_after = normal_recovery(
            name, max_recoveries, on_disconnect, lost_after
        )
        self.schedule = schedule
        self.executor = executor
        self.run_config = run_config
        self.storage = storage
        self.result = result
        self.terminal_state_handler = terminal_state_handler
        self.state_handlers: list[Callable[..., State | None]] = normal_handlers(state_handlers)
        if on_failure is not None:
            self.state_handlers.append(on_failure_handler(on_failure))
        for task in listed(tasks, "tasks of a flow"):
            self.add_task(task)
        for edge in edges or ():
            self.add_edge(
                edge.upstream_task,
                edge.downstream_task,
                edge.key,
                edge.mapped,
                edge.flattened,
                validate=False,
            )
        if edges and validate:
            self.validate()
        self.set_reference_tasks(reference_tasks or ())

    def copy(self) -> Self:
        """Return a flow of the same tasks and edges, free to be changed apart."""
        new = super().copy()
        new.state_handlers = list(self.state_handlers)
        return new

    @property
    def logger(self) -> Logger:
        """The flow's logger."""
        import logging

        return logging.getLogger(f"headrace.{self.name}")

    # --------------------------------------------------------------------------------- running

    def run(
        self,
        parameters: Mapping[str, Any] | None = None,
        run_on_schedule: bool | None = None,
        runner_cls: type[FlowRunner] | None = None,
        **kwargs: Any,
    ) -> State:
        """Run the flow in this process, with its executor.

        A failed task is no error of this call; it shows in the state.

        Args:
            parameters: Values of the flow's parameters, by name; they can be given as keywords,
                too.
            run_on_schedule: Whether to run at each time of the flow's schedule, if it has one,
                until there is none left, instead of once and now; by default as configured.
            runner_cls: The class of what runs it.
            **kwargs: Parameters, and arguments of the runner's `run`.

        Returns:
            The flow run's final state; its `result` is a dict from task to the task's state. While
            a file of flows is being loaded nothing is run, and the state is `Pending`.

        Raises:
            FlowError: If the flow's `with` block is still open, or the flow has a cycle.
            ParameterError: If a parameter is unknown, or a required one is missing.
        """
        self._check_closed("run")
        state = run_flow(self, parameters, run_on_schedule, runner_cls, **kwargs)
        if state is None:
            return Pending("Not run, because the file of the flow is only being loaded.", result={})
        return state

    def _check_closed(self, method: str) -> None:
        if self.is_open:
            raise FlowError(
                f"flow.{method}() was called inside the `with` block of {self!r}, where the flow "
                "is not complete. Call it after the block, without the indentation."
            )

    def register(
        self,
        project_name: str | None = None,
        build: bool = True,
        labels: Iterable[str] | None = None,
        set_schedule_active: bool = True,
        version_group_id: str | None = None,
        no_url: bool = False,
        idempotency_key: str | None = None,
        *,
        client: Client | None = None,
        force: bool = False,
        preflight: bool = True,
        **kwargs: Any,
    ) -> str | None:
        """Register the flow with a server: its graph, its schedule, and where its code is.

        Neither its code nor its executor is sent. An unchanged flow gets no new version.

        Args:
            project_name: The project that the flow is registered in; it must exist.
            build: Whether the flow is put into its storage first.
            labels: Labels that an agent has to have to run it, besides those of its run config and
                its storage.
            set_schedule_active: Whether the schedule of a new flow is on; that of one that was
                registered before stays as it is. False switches it off in any case.
            version_group_id: The group of versions that it belongs to; by default that of the flow
                of this name in the project.
            no_url: Whether to leave out the address of the flow when saying that it is registered.
            idempotency_key: If it is that of the last registration, no new version is made.
            client: What speaks to the server; by default one for the server that is configured.
            force: Whether a new version is made though nothing has changed.
            preflight: Whether it is looked for what would fail in deployment. Errors stop the
                registration, warnings are noted with the flow.
            **kwargs: Arguments of the default storage, if the flow has none.

        Returns:
            The flow's id; None while a file of flows is being loaded.

        Raises:
            FlowError: If the flow's `with` block is still open, or the flow has a cycle.
            RegistrationError: If it cannot be registered as it is.
            StorageError: If its storage cannot take it.
            ClientError: If the server cannot be reached, or refuses.
        """
        self._check_closed("register")
        if context.get("loading_flow"):
            warnings.warn(
                f"flow.register() of {self!r} was called while its file is being loaded, and does "
                "nothing. Put it below `if __name__ == '__main__':`.",
                stacklevel=2,
            )
            return None
        from headrace.registration import register

        return register(
            self,
            project_name,
            client=client,
            build=build,
            labels=labels,
            set_schedule_active=None if set_schedule_active else False,
            version_group_id=version_group_id,
            no_url=no_url,
            idempotency_key=idempotency_key,
            force=force,
            preflight=preflight,
            **kwargs,
        ).id

    # ------------------------------------------------------------------------ description, files

    def serialize(self, build: bool = False) -> dict[str, Any]:
        """Describe the flow in plain data, without its code and without its executor.

        Args:
            build: Whether the flow is put into its storage first.

        Returns:
            What is JSON-able of it; the same flow gives the same description.

        Raises:
            FlowError: If it has a cycle, or is to be built but has no storage.
        """
        from headrace.core.description import describe_graph, describe_part

        self.validate()
        if build:
            if self.storage is None:
                raise FlowError(
                    f"{self!r} has no storage to build; give it one, with Flow(..., storage=...)."
                )
            if self.name not in self.storage:
                self.storage.add_flow(self)
            storage = self.storage.build()
        else:
            storage = self.storage
        return {
            **describe_graph(self),
            "schedule": describe_part(self.schedule),
            "run_config": describe_part(self.run_config),
            "storage": describe_part(storage),
        }

    def serialized_hash(self, build: bool = False) -> str:
        """Return a hash of the flow's description, which changes whenever that does.

        Args:
            build: Whether the flow is put into its storage first.

        Returns:
            64 hexadecimal digits (SHA-256).

        Raises:
            FlowError: As for `serialize`.
        """
        import hashlib
        import json

        text = json.dumps(self.serialize(build), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def save(self, fpath: str | os.PathLike[str] | None = None) -> str:
        """Pickle the flow to a file.

        Args:
            fpath: The file; by default one named after the flow, in the folder `flows` of the
                home directory that is configured.

        Returns:
            The absolute path of the file.

        Raises:
            SerializationError: If something in the flow cannot be pickled.
        """
        from headrace.flow_files import save_flow

        return save_flow(self, fpath)

    @classmethod
    def load(cls, fpath: str | os.PathLike[str]) -> Flow:
        """Read a flow that `save` has written. Loading runs code: trust the file.

        Args:
            fpath: The path of the file, or the name of a flow that was saved without a path.

        Returns:
            The flow.

        Raises:
            FlowError: If there is no such file, or it holds no flow.
        """
        from headrace.flow_files import load_flow

        flow = load_flow(fpath)
        if not isinstance(flow, cls):
            raise FlowError(f"The file {fpath} holds {flow!r}, not a flow.")
        return flow

    def visualize(
        self,
        flow_state: State | None = None,
        filename: str | os.PathLike[str] | None = None,
        format: str | None = None,
        horizontal: bool = False,
    ) -> Any:
        """Draw the flow.

        Mapped tasks are boxes, the others are ellipses; mapped edges are dashed.

        Args:
            flow_state: The state of a flow run: tasks get the colours of their states, and each
                mapped task has a box for each of its children.
            filename: Where to draw to. Without it, a notebook shows what is returned, and
                elsewhere a viewer opens.
            format: The format of the file, such as "png"; by default the filename's suffix, or
                else "pdf".
            horizontal: Whether the flow goes from left to right.

        Returns:
            The `graphviz.Digraph`.

        Raises:
            MissingExtraError: If the package `graphviz` is not installed.
            MissingProgramError: If the program `dot` is not installed.
        """
        from headrace.visualize import draw, show

        graph = draw(self, flow_state, horizontal=horizontal)
        show(graph, filename, format)
        return graph

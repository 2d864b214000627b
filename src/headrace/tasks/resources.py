"""Resource managers: what is set up before a block of tasks, and cleaned up after it in any case."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, overload

from headrace.core.building import current_graph
from headrace.core.errors import FlowError, NotInFlowError, TaskDefinitionError, TaskTypeError
from headrace.core.signals import SKIP, TRIGGERFAIL
from headrace.core.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Token
    from types import TracebackType

    from headrace.core.edge import Edge
    from headrace.core.graph import Graph
    from headrace.core.states import State


class Resource(Protocol):
    """What a resource class's instances do. They may also have `setup(self)`.

    `setup` takes nothing, and returns what the tasks of the block work with.
    """

    def cleanup(self, resource: Any) -> None:
        """Undo what `setup` did, given what it returned; None if there is no `setup`."""


class ResourceInitTask(Task[Any]):
    """Makes the instance of the resource class.

    Args:
        resource_class: The class.
        **kwargs: As for `Task`.
    """

    is_resource_init: ClassVar[bool] = True
    always_runs: ClassVar[bool] = True

    def __init__(self, resource_class: Callable[..., Any], **kwargs: Any) -> None:
        self.run = resource_class  # type: ignore[method-assign]
        super().__init__(**kwargs)


class ResourceSetupTask(Task[Any]):
    """Sets the resource up."""

    always_runs: ClassVar[bool] = True

    def run(self, mgr: Any) -> Any:
        """Return what the block works with."""
        return mgr.setup()


class ResourceCleanupTask(Task[None]):
    """Cleans the resource up."""

    is_resource_cleanup: ClassVar[bool] = True
    always_runs: ClassVar[bool] = True

    def run(self, mgr: Any, resource: Any = None) -> None:
        """Undo what the set-up did."""
        mgr.cleanup(resource)


def resource_cleanup_trigger(upstream_states: Mapping[Edge, State]) -> bool:
    """Run if the resource was set up, however the tasks of its block ended.

    Args:
        upstream_states: The upstream states, by edge. The keys of two of them are `mgr` (the
            resource's instance) and `resource` (its set-up, if it has one).

    Raises:
        SKIP: If there is no resource: one of the two was skipped, or failed.
        TRIGGERFAIL: If a task of the block is not finished.
    """
    for edge, state in upstream_states.items():
        if not state.is_finished():
            raise TRIGGERFAIL(
                f"The resource may still be in use: {edge.upstream_task.name!r} is not finished."
            )
        if edge.key in ("mgr", "resource") and (state.is_skipped() or not state.is_successful()):
            how = "was skipped" if state.is_skipped() else "did not succeed"
            raise SKIP(f"There is nothing to clean up: {edge.upstream_task.name!r} {how}.")
    return True


class ResourceContext:
    """One resource in one flow; entered, it puts the tasks of the block between set-up and clean-up.

    Calling a `ResourceManager` makes it. `as` gives the set-up task, whose result is what `setup`
    returned; None if the resource class has no `setup`.

    Args:
        init_task: Makes the resource's instance.
        setup_task: Sets the resource up; None if there is nothing to set up.
        cleanup_task: Cleans it up.
        flow: The flow that they are part of.
    """

    def __init__(
        self,
        init_task: Task[Any],
        setup_task: Task[Any] | None,
        cleanup_task: Task[Any],
        flow: Graph,
    ) -> None:
        self.init_task = init_task
        self.setup_task = setup_task
        self.cleanup_task = cleanup_task
        self._flow = flow
        self._tasks: dict[Task[Any], None] = {}
        self._around: ResourceContext | None = None
        self._token: Token[ResourceContext | None] | None = None

    def __repr__(self) -> str:
        return f"<ResourceContext: {self.init_task.name}>"

    def add_task(self, task: Task[Any], graph: Graph) -> None:
        """Hear of a task that was added to the flow while the block is open."""
        block = _innermost.get()
        while block is not None and block is not self:
            if block._lives_within(self):
                return  # it comes after that one's set-up and before its clean-up, which suffices
            block = block._around
        if block is self:
            self._tasks[task] = None

    def _lives_within(self, outer: ResourceContext) -> bool:
        """Tell whether whatever waits for this set-up waits for the outer one's, too."""
        return self.setup_task is not None and self.setup_task in outer._tasks

    def __enter__(self) -> Any:
        building = current_graph()
        if building is not None and building is not self._flow:
            raise FlowError(
                f"The resource {self.init_task.name!r} is part of {self._flow!r}, but its block is "
                f"entered while {building!r} is open. Make and enter it in the same flow."
            )
        if self._token is not None:
            raise FlowError(f"The block of {self.init_task.name!r} is open already.")
        self._flow.open_scope(self)
        self._around = _innermost.get()
        self._token = _innermost.set(self)
        return self.setup_task

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # After an error, too: whoever catches it must not be left with tasks without a resource.
        flow, tasks = self._flow, self._tasks
        assert self._token is not None
        _innermost.reset(self._token)
        self._token = None
        flow.close_scope(self)
        for task in tasks:
            if task not in flow.slugs:
                continue  # it was replaced meanwhile
            if self.setup_task is not None:
                upstream = {edge.upstream_task for edge in flow.incoming(task)}
                if self.setup_task not in upstream and upstream.isdisjoint(tasks):
                    flow.add_edge(self.setup_task, task)
            downstream = {edge.downstream_task for edge in flow.outgoing(task)}
            if self.cleanup_task not in downstream and downstream.isdisjoint(tasks):
                flow.add_edge(task, self.cleanup_task)


_innermost: ContextVar[ResourceContext | None] = ContextVar("headrace_resource", default=None)


class ResourceManager:
    """Puts a resource's set-up before a block of tasks, and its clean-up after it.

    Calling it in a flow adds its tasks and returns what is entered for the block. Most are made by
    the decorator `resource_manager`.

    The clean-up runs whenever the set-up succeeded: also if tasks of the block fail, are skipped or
    are cancelled. It does not decide the flow's final state, unless it is made a reference task.

    Args:
        resource_class: The class of the resource, see `resource_manager`; or a function that makes
            an instance, which then has no `setup`.
        name: The resource's name; by default the class's.
        init_task_kwargs: Arguments of `Task` for the task that makes the instance.
        setup_task_kwargs: Arguments of `Task` for the task that sets up.
        cleanup_task_kwargs: Arguments of `Task` for the task that cleans up.

    Raises:
        TaskTypeError: If it is no class and no function.
        TaskDefinitionError: If the class has no `cleanup`.
    """

    def __init__(
        self,
        resource_class: Callable[..., Any],
        name: str | None = None,
        init_task_kwargs: Mapping[str, Any] | None = None,
        setup_task_kwargs: Mapping[str, Any] | None = None,
        cleanup_task_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        _check_class(resource_class)
        self.resource_class = resource_class
        self.name = name or str(getattr(resource_class, "__name__", "resource"))
        self.init_task_kwargs = {"name": self.name, **(init_task_kwargs or {})}
        # What is set up lives in one process, or in the world outside: there is nothing to store.
        self.setup_task_kwargs = {
            "name": f"{self.name}.setup",
            "checkpoint": False,
            **(setup_task_kwargs or {}),
        }
        self.cleanup_task_kwargs = {
            "name": f"{self.name}.cleanup",
            "checkpoint": False,
            "trigger": resource_cleanup_trigger,
            "skip_on_upstream_skip": False,
            **(cleanup_task_kwargs or {}),
        }

    def __repr__(self) -> str:
        return f"<ResourceManager: {self.name}>"

    def __call__(self, *args: Any, flow: Graph | None = None, **kwargs: Any) -> ResourceContext:
        """Add the resource's tasks to a flow.

        Args:
            *args: Arguments of the resource class: tasks or values.
            flow: The flow; the open one by default.
            **kwargs: More arguments, by name.

        Returns:
            What is entered for the block: `with manager(...) as resource:`.

        Raises:
            NotInFlowError: If there is no flow.
            ArgumentError: If the arguments do not fit the resource class.
        """
        graph = flow or current_graph()
        if graph is None:
            raise NotInFlowError(
                f"The resource {self.name!r} was called outside a flow. Call it inside a "
                "`with Flow(...)` block, or pass flow=... to it."
            )
        init = ResourceInitTask(self.resource_class, **self.init_task_kwargs)
        init.bind(*args, flow=graph, **kwargs)
        setup: Task[Any] | None = None
        inputs: list[Task[Any]] = [init]
        if hasattr(self.resource_class, "setup"):
            setup = ResourceSetupTask(**self.setup_task_kwargs).bind(init, flow=graph)
            inputs.append(setup)
        cleanup = ResourceCleanupTask(**self.cleanup_task_kwargs).bind(*inputs, flow=graph)
        return ResourceContext(init, setup, cleanup, graph)


def _check_class(resource_class: Any) -> None:
    if isinstance(resource_class, Task) or not callable(resource_class):
        raise TaskTypeError(
            f"A resource manager is made from a class, but {resource_class!r:.60} is a "
            f"{type(resource_class).__name__}. Decorate a class that has `cleanup(self, resource)` "
            "and, as a rule, `setup(self)`."
        )
    if isinstance(resource_class, type) and not callable(getattr(resource_class, "cleanup", None)):
        raise TaskDefinitionError(
            f"The resource class {resource_class.__name__!r} has no method `cleanup(self, "
            "resource)`, so it could never be cleaned up. Give it one."
        )


@overload
def resource_manager(
    resource_class: Callable[..., Any],
    *,
    name: str | None = None,
    init_task_kwargs: Mapping[str, Any] | None = None,
    setup_task_kwargs: Mapping[str, Any] | None = None,
    cleanup_task_kwargs: Mapping[str, Any] | None = None,
) -> ResourceManager: ...


@overload
def resource_manager(
    *,
    name: str | None = None,
    init_task_kwargs: Mapping[str, Any] | None = None,
    setup_task_kwargs: Mapping[str, Any] | None = None,
    cleanup_task_kwargs: Mapping[str, Any] | None = None,
) -> Callable[[Callable[..., Any]], ResourceManager]: ...


def resource_manager(
    resource_class: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    init_task_kwargs: Mapping[str, Any] | None = None,
    setup_task_kwargs: Mapping[str, Any] | None = None,
    cleanup_task_kwargs: Mapping[str, Any] | None = None,
) -> Any:
    """Make a resource manager from a class; used as a decorator, with arguments or without.

    The class has two methods: `setup(self)`, which may be left out and returns what the tasks of
    the block work with, and `cleanup(self, resource)`, which is given what `setup` returned.

    Args:
        resource_class: The class.
        name: As for `ResourceManager`.
        init_task_kwargs: As for `ResourceManager`.
        setup_task_kwargs: As for `ResourceManager`.
        cleanup_task_kwargs: As for `ResourceManager`.

    Returns:
        The resource manager; without a class, a decorator that makes it.

    Raises:
        TaskTypeError: If it is no class and no function.
        TaskDefinitionError: If the class has no `cleanup`.

    Example:
        ```python
        @resource_manager
        class Database:
            def __init__(self, size):
                self.size = size

            def setup(self):
                return start_database(self.size)

            def cleanup(self, connection):
                connection.shut_down()

        with Flow("load") as flow:
            with Database(size="small") as connection:
                load(connection, extract())
        ```
    """

    def decorate(resource_class: Callable[..., Any]) -> ResourceManager:
        return ResourceManager(
            resource_class, name, init_task_kwargs, setup_task_kwargs, cleanup_task_kwargs
        )

    return decorate if resource_class is None else decorate(resource_class)

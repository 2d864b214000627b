"""The flow: a graph of tasks, and all that is said about running it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from headrace.core.errors import FlowError, TaskTypeError
from headrace.core.graph import Graph
from headrace.core.handlers import on_failure_handler
from headrace.core.task_options import normal_handlers

if TYPE_CHECKING:
    import os

    from headrace.core.edge import Edge
    from headrace.core.result import Result
    from headrace.core.states import State
    from headrace.core.task import Task


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

    Raises:
        FlowError: If there is no name.
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
        schedule: Any = None,
        executor: Any = None,
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
    ) -> None:
        if not name:
            raise FlowError("A flow needs a name: Flow('nightly-load').")
        if isinstance(executor, type):
            raise TaskTypeError(
                f"The executor of flow {name!r} is the class {executor.__name__}; make one: "
                f"{executor.__name__}()."
            )
        super().__init__(name)
        self.schedule = schedule
        self.executor = executor
        self.run_config = run_config
        self.storage = storage
        self.result = result
        self.terminal_state_handler = terminal_state_handler
        self.state_handlers: list[Callable[..., State | None]] = normal_handlers(state_handlers)
        if on_failure is not None:
            self.state_handlers.append(on_failure_handler(on_failure))
        for task in tasks or ():
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

    @property
    def logger(self) -> Any:
        """The flow's logger."""
        import logging

        return logging.getLogger(f"headrace.{self.name}")

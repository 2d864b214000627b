"""`case`: a block of tasks that only run if a condition has a certain value."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from headrace.core.building import current_graph
from headrace.core.errors import NotInFlowError
from headrace.tasks.control_flow.compare import CompareValue, check_condition, check_match

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType

    from headrace.core.graph import Graph
    from headrace.core.task import Task


class case:  # noqa: N801 - reads as a word at the call site
    """Makes the tasks added in a `with` block run only if the condition's result is a value.

    If it is another value, the block's tasks are skipped, and so is what hangs on them and does
    not say `skip_on_upstream_skip=False`, as `merge` does. Blocks nest. What runs inside a block
    and needs nothing from it waits for the condition all the same.

    Args:
        task: The condition: a task.
        value: What its result is compared with; not a task.

    Raises:
        TaskTypeError: If the value is a task.
        NotInFlowError: On entering the block, if no flow is open.

    Example:
        ```python
        with Flow("greet") as flow:
            language = detect(Parameter("text"))
            with case(language, "fr"):
                french = greet_in_french()
            with case(language, "en"):
                english = greet_in_english()
            send(merge(french, english))
        ```
    """

    def __init__(self, task: Any, value: Any) -> None:
        check_match(value)
        check_condition(task, f"case(..., {value!r})")
        self.task = task
        self.value = value
        self._blocks: list[_Block] = []

    def __repr__(self) -> str:
        return f"<case: {getattr(self.task, 'name', self.task)!r} is {self.value!r}>"

    def __enter__(self) -> None:
        graph = current_graph()
        if graph is None:
            raise NotInFlowError(
                f"case(..., {self.value!r}) was entered outside a flow. Use it inside a "
                "`with Flow(...)` block."
            )
        self._blocks.append(_Block(graph))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # After an error, too: whoever catches it must not be left with tasks without a condition.
        block = self._blocks.pop()
        block.close()
        if block.tasks:
            condition = CompareValue(self.value, name=f"case({self.value})")
            condition.bind(value=self.task, flow=block.graph)
            block.hang_on(condition)


class _Block:
    """One open `with case(...)` block."""

    __slots__ = ("_token", "graph", "tasks")

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        #: The tasks added in the block, in order.
        self.tasks: dict[Task[Any], None] = {}
        graph.open_scope(self)
        self._token: Token[_Block | None] = _innermost.set(self)

    def close(self) -> None:
        _innermost.reset(self._token)
        self.graph.close_scope(self)

    def add_task(self, task: Task[Any], graph: Graph) -> None:
        # What is added in a block inside this one hangs on that one's condition, which is added
        # here. So a merge after an inner block finds none of its inputs in this block, and hangs
        # on this block's condition itself.
        if _innermost.get() is self:
            self.tasks[task] = None

    def hang_on(self, condition: Task[Any]) -> None:
        """Make each task of the block that waits for no other one of it wait for the condition."""
        graph, tasks = self.graph, self.tasks
        for task in tasks:
            if task not in graph.slugs:
                continue  # it was replaced meanwhile
            if not any(edge.upstream_task in tasks for edge in graph.incoming(task)):
                graph.add_edge(condition, task)


_innermost: ContextVar[_Block | None] = ContextVar("headrace_case", default=None)

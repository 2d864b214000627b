"""What Python's operators do between tasks: each makes a task that does the same to their results.

Two have other meanings, and one has none: `a | b` orders tasks (use `or_` for the operator), `==`
compares the tasks themselves (use `is_equal`), and `if task:` is always true, since a task is no
result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from headrace.core.building import current_graph
from headrace.core.errors import NotInFlowError, TaskTypeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.core.task import Task

T = TypeVar("T")


class Expression:
    """The operators of a task. All of them need an open flow, to which the new task is added."""

    name: str
    nout: int | None

    def _operation(self, operator: str, *operands: Any, **task_args: Any) -> Task[Any]:
        graph = current_graph()
        if graph is None:
            raise NotInFlowError(
                f"The operator {operator} was used on task {self.name!r} outside a flow. It makes "
                "a task, so use it inside a `with Flow(...)` block."
            )
        return graph.add_operation(operator, operands, task_args)

    # ------------------------------------------------------------------ operators with a name

    def is_equal(self, other: object) -> Task[bool]:
        """Make a task whose result is `self == other`."""
        return self._operation("Equal", self, other)

    def is_not_equal(self, other: object) -> Task[bool]:
        """Make a task whose result is `self != other`."""
        return self._operation("NotEqual", self, other)

    def not_(self) -> Task[bool]:
        """Make a task whose result is `not self`."""
        return self._operation("Not", self)

    def or_(self, other: object) -> Task[Any]:
        """Make a task whose result is `self or other`."""
        return self._operation("Or", self, other)

    # ---------------------------------------------------------------------------- subscription

    def __iter__(self) -> Iterator[Task[Any]]:
        if self.nout is None:
            raise TaskTypeError(
                f"Task {self.name!r} cannot be unpacked or iterated over, because the number of "
                "its outputs is not known. Give it `nout=...`, or annotate its run with a tuple of "
                "fixed length (`-> tuple[int, str]`)."
            )
        return (self[index] for index in range(self.nout))

    def __contains__(self, item: object) -> bool:
        raise TaskTypeError(
            f"Whether something is in the result of task {self.name!r} is known only when the flow "
            "runs. Ask it inside a task."
        )

    def __getitem__(self, key: Any) -> Task[Any]:
        """Make a task whose result is `self[key]`; the key may be a task, too."""
        shown = key.name if isinstance(key, Expression) else repr(key)
        return self._operation(
            "GetItem",
            self,
            key,
            name=f"{self.name}[{shown}]",
            checkpoint=getattr(self, "checkpoint", None),
            result=getattr(self, "result", None),
        )

    # -------------------------------------------------------------------------------- ordering

    def __or__(self, other: T) -> T:
        """Make `other` wait for this task; returns `other`, so that `a | b | c` is a chain."""
        self._graph_for_ordering(other).set_dependencies(self, downstream_tasks=[other])
        return other

    def __ror__(self, other: object) -> Any:
        """Make this task wait for `other`; returns this task."""
        self._graph_for_ordering(other).set_dependencies(self, upstream_tasks=[other])
        return self

    def _graph_for_ordering(self, other: object) -> Any:
        graph = current_graph()
        if graph is None:
            raise NotInFlowError(
                f"Task {self.name!r} was put in order with {other!r} by `|` outside a flow. Do it "
                "inside a `with Flow(...)` block, or use `flow.set_dependencies(...)`."
            )
        return graph

    # --------------------------------------------------------------------- symbolic operators

    def __add__(self, other: object) -> Task[Any]:
        return self._operation("Add", self, other)

    def __sub__(self, other: object) -> Task[Any]:
        return self._operation("Sub", self, other)

    def __mul__(self, other: object) -> Task[Any]:
        return self._operation("Mul", self, other)

    def __truediv__(self, other: object) -> Task[Any]:
        return self._operation("Div", self, other)

    def __floordiv__(self, other: object) -> Task[Any]:
        return self._operation("FloorDiv", self, other)

    def __mod__(self, other: object) -> Task[Any]:
        return self._operation("Mod", self, other)

    def __pow__(self, other: object) -> Task[Any]:
        return self._operation("Pow", self, other)

    def __and__(self, other: object) -> Task[Any]:
        return self._operation("And", self, other)

    def __radd__(self, other: object) -> Task[Any]:
        return self._operation("Add", other, self)

    def __rsub__(self, other: object) -> Task[Any]:
        return self._operation("Sub", other, self)

    def __rmul__(self, other: object) -> Task[Any]:
        return self._operation("Mul", other, self)

    def __rtruediv__(self, other: object) -> Task[Any]:
        return self._operation("Div", other, self)

    def __rfloordiv__(self, other: object) -> Task[Any]:
        return self._operation("FloorDiv", other, self)

    def __rmod__(self, other: object) -> Task[Any]:
        return self._operation("Mod", other, self)

    def __rpow__(self, other: object) -> Task[Any]:
        return self._operation("Pow", other, self)

    def __rand__(self, other: object) -> Task[Any]:
        return self._operation("And", other, self)

    def __gt__(self, other: object) -> Task[bool]:
        return self._operation("GreaterThan", self, other)

    def __ge__(self, other: object) -> Task[bool]:
        return self._operation("GreaterThanOrEqual", self, other)

    def __lt__(self, other: object) -> Task[bool]:
        return self._operation("LessThan", self, other)

    def __le__(self, other: object) -> Task[bool]:
        return self._operation("LessThanOrEqual", self, other)

"""An edge: one task waits for another, and may take its result as an input."""

from __future__ import annotations

from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from headrace.core.annotations import EdgeAnnotation
from headrace.core.collections import as_task
from headrace.core.errors import CycleError, EdgeError

if TYPE_CHECKING:
    from headrace.core.graph import Graph
    from headrace.core.task import Task


class Edge:
    """Connects an upstream task to a downstream task, which waits for it.

    Edges are values: two with the same tasks, key and flags are equal. They are usually made by
    calling tasks in a flow, and are not changed once made.

    Args:
        upstream_task: The task that runs first. What is no task is made one, as `as_task` does.
        downstream_task: The task that waits for it, likewise.
        key: The parameter of the downstream task that takes the upstream task's result; None if
            only the order matters.
        mapped: Whether the downstream task has a child for each element of the result.
        flattened: Whether one level of nesting is removed from the result on the way.
        flow: The flow to which tasks made from collections are added; the open one by default.

    Raises:
        CycleError: If both ends are one task.
        EdgeError: If the key cannot be the name of a parameter.
    """

    __slots__ = ("downstream_task", "flattened", "key", "mapped", "upstream_task")

    def __init__(
        self,
        upstream_task: Any,
        downstream_task: Any,
        key: str | None = None,
        mapped: bool | None = None,
        flattened: bool | None = None,
        flow: Graph | None = None,
    ) -> None:
        if key is not None:
            check_key(key)
        for end in (upstream_task, downstream_task):
            if isinstance(end, EdgeAnnotation):
                mapped = end.annotations.get("mapped", mapped)
                flattened = end.annotations.get("flattened", flattened)
        self.upstream_task: Task[Any] = as_task(upstream_task, flow=flow)
        self.downstream_task: Task[Any] = as_task(downstream_task, flow=flow)
        if self.upstream_task is self.downstream_task:
            raise CycleError(
                f"An edge cannot connect the task {self.upstream_task.name!r} to itself. If another "
                "run of the same task was meant, call the task twice: each call is a task."
            )
        self.key = key
        self.mapped = bool(mapped)
        self.flattened = bool(flattened)

    @classmethod
    def between(
        cls, upstream_task: Task[Any], downstream_task: Task[Any], key: str, mapped: bool
    ) -> Edge:
        """Make an edge from what needs no check: two tasks and a parameter that exists.

        Raises:
            CycleError: If both ends are one task.
        """
        if upstream_task is downstream_task:
            return cls(upstream_task, downstream_task)
        edge = object.__new__(cls)
        edge.upstream_task = upstream_task
        edge.downstream_task = downstream_task
        edge.key = key
        edge.mapped = mapped
        edge.flattened = False
        return edge

    @property
    def tasks(self) -> set[Task[Any]]:
        """Both ends."""
        return {self.upstream_task, self.downstream_task}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Edge):
            return NotImplemented
        return (
            self.upstream_task is other.upstream_task
            and self.downstream_task is other.downstream_task
            and self.key == other.key
            and self.mapped == other.mapped
            and self.flattened == other.flattened
        )

    def __hash__(self) -> int:
        return hash(
            (self.upstream_task, self.downstream_task, self.key, self.mapped, self.flattened)
        )

    def __repr__(self) -> str:
        return (
            f"<Edge(key={self.key}, mapped={self.mapped}, flattened={self.flattened}): "
            f"{self.upstream_task.name} to {self.downstream_task.name}>"
        )

    def serialize(self) -> dict[str, Any]:
        """Describe the edge in plain data; its tasks by the slugs they have themselves."""
        return {
            "type": "headrace.core.edge.Edge",
            "upstream_task": {"slug": self.upstream_task.slug},
            "downstream_task": {"slug": self.downstream_task.slug},
            "key": self.key,
            "mapped": self.mapped,
            "flattened": self.flattened,
        }


def check_key(key: object) -> None:
    """Make sure that a key can be the name of a parameter.

    Raises:
        EdgeError: If it cannot.
    """
    if not isinstance(key, str) or not key.isidentifier() or iskeyword(key):
        raise EdgeError(
            f"The key {key!r} of an edge cannot be the name of a parameter; it has to be a valid "
            "Python identifier."
        )


def check_accepts(task: Task[Any], key: str) -> None:
    """Make sure that a task takes an argument of this name.

    Raises:
        EdgeError: If it does not.
    """
    signature = task._run_signature()
    if not signature.accepts(key):
        raise EdgeError(f"{task!r} has no argument {key!r}; its run takes {signature}.")

"""Scopes: what hears of the tasks that are added in a `with` block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from headrace.core.graph import Graph
    from headrace.core.task import Task


class Scope(Protocol):
    """Something that hears of each task added to a graph while it is open, such as a `case`."""

    def add_task(self, task: Task[Any], graph: Graph) -> None:
        """Hear of a task that has just been added; called before the task has edges.

        Parameters and constants are not told of. A scope that asks for the task's edges does so
        when it is closed.
        """

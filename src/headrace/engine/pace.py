"""How long task runs take, as far as it was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.engine.plan import Node


class Pace:
    """Learns how long the runs of each task take, in seconds.

    Attributes:
        typical: How long any run takes; None before the first was measured.
    """

    __slots__ = ("_seconds", "typical")

    def __init__(self) -> None:
        #: By task, and by the kind of task: most run once, and the first of a kind tells of the others.
        self._seconds: dict[Any, float] = {}
        self.typical: float | None = None

    def learn(self, node: Node, seconds: float) -> None:
        """Take note of how long a run of a task took."""
        # The newest measurement weighs a quarter: quick to learn, slow to be fooled by one.
        known = self._seconds
        for key in (node, _kind(node)):
            before = known.get(key)
            known[key] = seconds if before is None else before + (seconds - before) / 4
        before = self.typical
        self.typical = seconds if before is None else before + (seconds - before) / 16

    def of(self, node: Node) -> float | None:
        """Return how long a run of a task is likely to take; None if there is no telling."""
        seconds = self._seconds.get(node)
        return self._seconds.get(_kind(node)) if seconds is None else seconds


def _kind(node: Node) -> Any:
    return type(node.task), node.task.name

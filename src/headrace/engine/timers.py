"""Runs that wait for a time, such as that of their next try."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.engine.plan import Node


class Timers:
    """The runs that wait for a time, soonest first; for the same time, in the order of their coming.

    A run may have several; whoever takes one looks whether the run still waits.
    """

    __slots__ = ("_count", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Node, int]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_due(self) -> float | None:
        """When the next one is due, in seconds since the epoch; None if there is none."""
        return self._heap[0][0] if self._heap else None

    def set(self, due: float, node: Node, child: int) -> None:
        """Let a run wait until then, in seconds since the epoch."""
        self._count += 1
        heappush(self._heap, (due, self._count, node, child))

    def take(self, limit: float) -> tuple[Node, int] | None:
        """Take out and return the next run that is due by then; None if there is none."""
        if not self._heap or self._heap[0][0] > limit:
            return None
        _, _, node, child = heappop(self._heap)
        return node, child

    def clear(self) -> None:
        """Forget them all."""
        self._heap.clear()

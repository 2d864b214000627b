"""Runs that were taken back after they had ended, since their values were lost, and who waits.

Whoever hangs on such a run has been told that it ended, and may be ready. Its turn comes when the
run has ended again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.engine.plan import Node

    Item = tuple[Node, int]


class _Waiters:
    """Who waits for the runs of one node that are made anew.

    Attributes:
        open: Which of its runs these are.
        for_child: Those who wait for one of them, by its map index.
        for_all: Those who wait for the node as a whole.
    """

    __slots__ = ("for_all", "for_child", "open")

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.for_child: dict[int, list[Item]] = {}
        self.for_all: list[Item] = []


class Reopened:
    """The books of a flow run's reopened runs. Falsy when there are none."""

    __slots__ = ("_waiters",)

    def __init__(self) -> None:
        self._waiters: dict[Node, _Waiters] = {}

    def __bool__(self) -> bool:
        return bool(self._waiters)

    def __contains__(self, item: Item) -> bool:
        node, child = item
        waiters = self._waiters.get(node)
        return waiters is not None and child in waiters.open

    def add(self, node: Node, child: int) -> None:
        """Enter a run that is made anew."""
        self._waiters.setdefault(node, _Waiters()).open.add(child)

    def blocks(self, node: Node, child: int) -> bool:
        """Tell whether a run, or the expansion of a mapped task, hangs on one that is made anew."""
        return self._queue(node, child) is not None

    def hold(self, node: Node, child: int) -> bool:
        """Let a run wait if it hangs on one that is made anew; tell whether it does."""
        queue = self._queue(node, child)
        if queue is None:
            return False
        queue.append((node, child))
        return True

    def _queue(self, node: Node, child: int) -> list[Item] | None:
        waiters = self._waiters
        if not waiters:
            return None
        for above in (*node.whole, *node.flat):
            if above in waiters:
                return waiters[above].for_all
        if child >= 0:
            for above in node.by_child:
                found = waiters.get(above)
                if found is None:
                    continue
                if child in found.open:
                    return found.for_child.setdefault(child, [])
                if above.children is None:
                    return found.for_all
        return None

    def end(self, node: Node, child: int) -> Iterable[Item]:
        """Strike off a run that has ended again, and return who need not wait for it any more."""
        waiters = self._waiters.get(node)
        if waiters is None or child not in waiters.open:
            return ()
        waiters.open.discard(child)
        freed = waiters.for_child.pop(child, [])
        if not waiters.open:
            del self._waiters[node]
            freed = [*freed, *waiters.for_all]
        return freed

    def clear(self) -> None:
        """Forget everything: nothing is waited for any more."""
        self._waiters.clear()

"""Things to be done at their time, by one thread for all of them."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger


class Timetable:
    """Calls functions when they are due, one after the other: they are to return at once.

    Args:
        log: Where it is said that one of them has failed.
    """

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._entries: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        """Have a function called, so many seconds from now."""
        with self._changed:
            due = time.monotonic() + seconds
            heapq.heappush(self._entries, (due, next(self._numbers), action))
            self._changed.notify()

    def run(self) -> None:
        """Call what is due until `close` is called."""
        while (action := self._next()) is not None:
            try:
                action()
            except Exception:  # noqa: BLE001 - the others are still to be called
                self._log.exception("Something that was to be done at this time went wrong.")

    def close(self) -> None:
        """Have `run` return. What is not due by now is not called."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _next(self) -> Callable[[], object] | None:
        with self._changed:
            while not self._closed:
                left = self._entries[0][0] - time.monotonic() if self._entries else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._entries)[2]
                self._changed.wait(left)
            return None

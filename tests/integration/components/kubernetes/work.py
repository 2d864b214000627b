"""Queues of what controllers have to look at again."""

import asyncio
import traceback
from collections.abc import Callable, Hashable

from tests.integration.components.kubernetes.answers import Refused


class WorkQueue:
    """Calls a function with each key that was added, once however often it was added."""

    def __init__(self, reconcile: Callable[[Hashable], None], crashes: list[str]) -> None:
        self._reconcile = reconcile
        self._crashes = crashes
        self._waiting: set[Hashable] = set()
        self._timers: dict[Hashable, asyncio.TimerHandle] = {}
        self.closed = False

    def add(self, key: Hashable, after: float = 0.0) -> None:
        """Have a key looked at, as soon as the present callback ends or in some seconds."""
        loop = asyncio.get_running_loop()
        if self.closed:
            return
        if after > 0:
            at = loop.time() + after
            timer = self._timers.get(key)
            if timer is not None and timer.when() <= at:
                return
            if timer is not None:
                timer.cancel()
            self._timers[key] = loop.call_at(at, self._due, key)
        elif key not in self._waiting:
            self._waiting.add(key)
            loop.call_soon(self._look, key)

    def close(self) -> None:
        self.closed = True
        for timer in self._timers.values():
            timer.cancel()

    def _due(self, key: Hashable) -> None:
        del self._timers[key]
        self.add(key)

    def _look(self, key: Hashable) -> None:
        self._waiting.discard(key)
        if self.closed:
            return
        try:
            self._reconcile(key)
        except Refused:
            # It has changed under its hands, or must wait for something: tried again.
            self.add(key, 0.1)
        except Exception:
            # A failure of the fake: told at the end of the test.
            self._crashes.append(traceback.format_exc())

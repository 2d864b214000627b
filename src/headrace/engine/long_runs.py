"""Which task runs last so long that they are shown as running while they do.

Most runs are over before it would be worth saying that they have begun, so a thread looks every now
and then. A run's end and its being shown are told in this order only: both are under one lock.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from headrace.engine.places import here

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.core.state import Place
    from headrace.engine.plan import Node
    from headrace.engine.run import Run

Item = tuple["Node", int]

SHOWN_AFTER_SECONDS: Final = 0.2  #: how long a run lasts before it is shown
LOOK_SECONDS: Final = 0.1  #: how often it is looked whether one does


class LongRuns:
    """Looks on at one flow run.

    Args:
        tell: Told, under the lock, of a run that is shown: since when it runs, and where.
        is_quiet: Whether nothing is to be shown any more.
    """

    def __init__(
        self, tell: Callable[[Item, float, Place | None], None], is_quiet: Callable[[], bool]
    ) -> None:
        self._tell = tell
        self._is_quiet = is_quiet
        #: The run that is called in the runner's thread, and since when.
        self._current: tuple[Item, float] | None = None
        self._shown: set[Item] = set()
        #: Since when those are seen that run elsewhere.
        self._seen: dict[Item, float] = {}
        #: Whose end is being told just now.
        self._ending: Item | None = None
        self._over = threading.Event()
        self._lock = threading.Lock()

    def start(self, run: Run) -> None:
        """Begin to look."""
        threading.Thread(
            target=self._watch, args=(run,), name="headrace-running", daemon=True
        ).start()

    def close(self) -> None:
        """Show nothing any more."""
        with self._lock:
            self._over.set()

    def begin(self, item: Item) -> None:
        """Take note that a run is called here and now."""
        self._ending = None
        self._current = (item, time.time())

    def end(self, item: Item, is_elsewhere: bool) -> tuple[float | None, bool]:
        """Take note that a run has ended, before it is told.

        Args:
            item: The run.
            is_elsewhere: Whether it was executed elsewhere.

        Returns:
            When it was called here, if it was; and whether it was shown.
        """
        current, was_shown = self._current, False
        if current is not None or is_elsewhere or self._shown:
            with self._lock:
                self._current = None
                self._ending = item
                if item in self._shown:
                    was_shown = True
                    self._shown.discard(item)
        begun = current[1] if current is not None and current[0] == item else None
        return begun, was_shown

    def show(self, item: Item, since: float, place: Place | None = None) -> None:
        """Show a run that is elsewhere, if it is not over, and was not shown."""
        with self._lock:
            state = item[0].state_of(item[1])
            if self._over.is_set() or item in self._shown or item == self._ending:
                return
            if state is not None and state.is_finished():
                return
            self._shown.add(item)
            self._tell(item, since, place)

    # -- the thread ---------------------------------------------------------------------------

    def _watch(self, run: Run) -> None:
        while not self._over.wait(LOOK_SECONDS):
            if not self._is_quiet():
                self._look_here()
                self._look_elsewhere(run)

    def _look_here(self) -> None:
        current = self._current
        if current is None or time.time() - current[1] < SHOWN_AFTER_SECONDS:
            return
        item, since = current
        with self._lock:
            if self._over.is_set() or self._current is not current or item in self._shown:
                return
            self._shown.add(item)
            self._tell(item, since, here())

    def _look_elsewhere(self, run: Run) -> None:
        now = time.time()
        seen: dict[Item, float] = {}
        for item in run.list_running():
            since = seen[item] = self._seen.get(item, now)
            if now - since >= SHOWN_AFTER_SECONDS:
                self.show(item, since)
        self._seen = seen

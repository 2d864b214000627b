"""How an agent listens to its launcher, for as long as there may be news."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from headrace.agents.pauses import FIRST_PAUSE, LONGEST_PAUSE

if TYPE_CHECKING:
    from logging import Logger
    from threading import Event

    from headrace.agents.launcher import Launcher, News

#: For how many seconds the launcher is listened to at a time.
WATCH_SECONDS = 0.5


class Watching:
    """Listens to the launcher; what it raises is said once, and it is listened to again.

    Args:
        launcher: What has news.
        hear: What is done with each.
        closed: Set when there is nothing left to hear.
        log: The agent's log.
    """

    def __init__(
        self, launcher: Launcher, hear: Callable[[News], None], closed: Event, log: Logger
    ) -> None:
        self._launcher = launcher
        self._hear = hear
        self._closed = closed
        self._log = log

    def run(self) -> None:
        """Listen until there is nothing left to hear."""
        pause = FIRST_PAUSE
        said = ""
        while not self._closed.is_set():
            try:
                news = self._launcher.watch(WATCH_SECONDS)
                pause, said = FIRST_PAUSE, ""
                for each in news:
                    self._hear(each)
            except Exception as error:  # noqa: BLE001 - watching goes on: the platform may come back
                if self._closed.is_set():
                    return  # there is nothing left to hear, and nobody to tell
                if repr(error) != said:
                    self._log.exception("Watching runs went wrong.")
                said = repr(error)
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

"""How long an agent's claims are held back, and how long it waits between two of them."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger

    from headrace.core.errors import ClientError
    from headrace.wire.claims import Claimed

#: For how many seconds a claim may be held back: while nothing is being deployed, and else.
HELD = 20.0
HELD_WHILE_DEPLOYING = 3.0
#: How many seconds pass between two questions that are not held back, at least and at most.
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 10.0
#: For how many seconds a claim is held back at least, however soon the next run is due.
_SHORTEST_WAIT = 1.0
#: How many held claims in a row have to fail until claims are not held for a while, in seconds.
_FAILURES = 3
_WITHOUT_HOLDING = 60.0


class Pauses:
    """How long a claim is held back, and how long to wait before the next one.

    Attributes:
        next_due: In how many seconds the server expects a scheduled run to be due; None if none is.
    """

    def __init__(self) -> None:
        self.next_due: float | None = None
        self._away_since: float | None = None
        self._pause = 0.0
        self._failures = 0
        self._unheld_until = 0.0

    def wait(self, deploying: bool) -> float:
        """Return for how many seconds the next claim may be held back."""
        if self._away_since is not None or time.monotonic() < self._unheld_until:
            return 0.0
        longest = HELD_WHILE_DEPLOYING if deploying else HELD
        if self.next_due is not None:
            longest = min(longest, max(self.next_due, _SHORTEST_WAIT))
        return longest

    def answered(self, wait: float, took: float, claimed: Claimed, log: Logger) -> float:
        """Take note of an answer; return for how many seconds to wait before the next claim."""
        if self._away_since is not None:
            log.warning("The server is back after %.1f s.", time.monotonic() - self._away_since)
            self._away_since = None
            self._pause = 0.0
            return 0.0
        if wait and took >= wait / 2:
            self._failures = 0
        if claimed.runs or claimed.cancelled or (wait and (took >= wait / 2 or took > 1.0)):
            self._pause = 0.0
        else:
            # Answers are not held back, by the server or by what stands before it.
            self._pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, self._pause * 2))
            if self.next_due is not None:
                return min(self._pause, max(self.next_due, FIRST_PAUSE))
        return self._pause

    def failed(self, wait: float, error: ClientError, log: Logger) -> float:
        """Take note of a failure; return for how many seconds to wait before the next claim."""
        if self._away_since is None:
            self._away_since = time.monotonic()
            log.warning("No runs can be claimed: %s", error)
        if wait:
            self._failures += 1
            if self._failures >= _FAILURES:
                self._failures = 0
                self._unheld_until = time.monotonic() + _WITHOUT_HOLDING
        self._pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, self._pause * 2))
        return self._pause * random.uniform(0.7, 1.0)

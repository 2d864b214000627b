"""Holds down how often somebody may fail to say who they are."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

#: How many addresses are remembered.
_MOST_ADDRESSES = 10_000


class FailureLimit:
    """A bucket of failures for each address, which empties slowly.

    Args:
        most: How many failures an address may have at once.
        every: After how many seconds it may have one more.
        clock: Counts seconds.
    """

    def __init__(
        self, most: int, every: float = 6.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._most = most
        self._every = every
        #: For each address, how full its bucket was, and when.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def fail(self, address: str) -> None:
        """Count a failure."""
        now = self._clock()
        self._buckets[address] = (min(self._level(address, now), self._most - 1.0) + 1, now)
        self._buckets.move_to_end(address)
        while len(self._buckets) > _MOST_ADDRESSES:
            self._buckets.popitem(last=False)

    def wait(self, address: str) -> int:
        """Return after how many seconds an address may fail again; 0 if it may now."""
        over = self._level(address, self._clock()) + 1 - self._most
        return max(1, math.ceil(over * self._every)) if over > 0 else 0

    def _level(self, address: str, now: float) -> float:
        level, at = self._buckets.get(address, (0.0, now))
        return max(0.0, level - (now - at) / self._every)

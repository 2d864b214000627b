"""A process's side of owning a flow run: may it start another task, and what has it still to send?

Pure, like the server's side (`server.rules.ownership`): times come in as seconds of a clock that
never goes back, and whoever calls does the sending.
"""

from __future__ import annotations

from collections import deque
from typing import Any


class Tenancy:
    """What a process knows about owning its flow run.

    Args:
        holds: Whether it starts nothing once its lease has passed.

    Attributes:
        ended: Why it must not start anything any more; None while it may.
    """

    def __init__(self, holds: bool = False) -> None:
        self._holds = holds
        self._lease_until: float | None = None
        self.ended: str | None = None

    def may_start(self, now: float) -> bool:
        """Tell whether a user's function may be called now."""
        if self.ended is not None or self._lease_until is None:
            return False
        return not self._holds or now < self._lease_until

    def granted(self, asked_at: float, term: float) -> None:
        """Take note of a lease.

        Args:
            asked_at: When the question was sent: the server's term began after that.
            term: How long the lease is, in seconds.
        """
        until = asked_at + term
        if self._lease_until is None or until > self._lease_until:
            self._lease_until = until

    def end(self, why: str) -> None:
        """Take note that the run is not this process's any more; for good."""
        if self.ended is None:
            self.ended = why


class Outbox:
    """Events that a process has to deliver, in order, each until it is known to be stored."""

    def __init__(self) -> None:
        self._events: deque[Any] = deque()
        self._first = 1

    def __len__(self) -> int:
        return len(self._events)

    @property
    def first(self) -> int:
        """The number of the oldest event that is not known to be stored."""
        return self._first

    def put(self, event: Any) -> int:
        """Add an event, and return its number."""
        self._events.append(event)
        return self._first + len(self._events) - 1

    def batch(self, most: int) -> tuple[int, list[Any]]:
        """Return the number of the oldest event, and up to `most` events from there."""
        return self._first, [self._events[index] for index in range(min(most, len(self._events)))]

    def stored(self, up_to: int) -> None:
        """Take note of up to which number everything is stored; older news changes nothing."""
        while self._events and self._first <= up_to:
            self._events.popleft()
            self._first += 1

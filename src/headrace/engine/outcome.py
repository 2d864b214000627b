"""What a chunk tells of its steps while it runs: which one has begun, and how each one ended."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.core.state import Place
    from headrace.core.states import State


class Outcome:
    """How one step of a chunk ended.

    Args:
        position: Which step.
        state: The state it ended in, or waits in; without its value if that was kept.
        length: How many items the value has, where asked for.
        lengths: How many items each of these has, where asked for.
        seconds: How long the step took.
        kept: Whether the value stayed where it was computed.
        location: Where the checkpoint of such a value is; None if it has none.
    """

    __slots__ = ("kept", "length", "lengths", "location", "position", "seconds", "state")

    def __init__(
        self,
        position: int,
        state: State,
        length: int | None = None,
        lengths: list[int | None] | None = None,
        seconds: float = 0.0,
        kept: bool = False,
        location: str | None = None,
    ) -> None:
        self.position = position
        self.state = state
        self.length = length
        self.lengths = lengths
        self.seconds = seconds
        self.kept = kept
        self.location = location

    def __reduce__(self) -> tuple[Any, ...]:
        return Outcome, (
            self.position,
            self.state,
            self.length,
            self.lengths,
            self.seconds,
            self.kept,
            self.location,
        )


class Started:
    """A step of a chunk has begun, and goes on.

    Args:
        position: Which step.
        since: When it began, in seconds since 1970.
        place: Where it runs.
    """

    __slots__ = ("place", "position", "since")

    def __init__(self, position: int, since: float, place: Place) -> None:
        self.position = position
        self.since = since
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return Started, (self.position, self.since, self.place)


def without_value(state: State) -> State:
    """Return a copy of a state that does not carry its value."""
    twin = copy(state)
    stored = state.stored
    twin.result = None
    if stored is not None:
        twin._stored = stored.from_value(None)
    return twin

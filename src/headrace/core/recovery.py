"""What a flow says about attempts that are lost: how often to begin again, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from headrace.core.errors import FlowError, TaskTypeError

if TYPE_CHECKING:
    import datetime

#: What a run may do that cannot reach its server.
ON_DISCONNECT: Final = ("continue", "hold")
#: The least length of silence, in seconds, that means anything: a runner says something every few.
_LEAST_SILENCE: Final = 10.0


def normal_recovery(
    flow: str, max_recoveries: int, on_disconnect: str, lost_after: float | datetime.timedelta
) -> tuple[int, str, float]:
    """Check the three, and turn a length of time into seconds.

    Args:
        flow: The flow's name, for messages.
        max_recoveries: How often a lost attempt is followed by another.
        on_disconnect: One of `ON_DISCONNECT`.
        lost_after: How long a silence makes an attempt lost.

    Raises:
        TaskTypeError: If one has the wrong type.
        FlowError: If one is out of range.
    """
    if type(max_recoveries) is not int:
        raise TaskTypeError(
            f"max_recoveries of flow {flow!r} is a whole number, not {max_recoveries!r}."
        )
    if max_recoveries < 0:
        raise FlowError(
            f"max_recoveries of flow {flow!r} is {max_recoveries}; 0 is the least, and means that a "
            "lost run has failed."
        )
    if on_disconnect not in ON_DISCONNECT:
        raise FlowError(
            f"on_disconnect of flow {flow!r} is {on_disconnect!r}; it is one of: "
            f"{', '.join(map(repr, ON_DISCONNECT))}."
        )
    # `datetime` is not imported for a flow that does not speak of it.
    given: Any = lost_after
    seconds = given.total_seconds() if hasattr(given, "total_seconds") else given
    if type(seconds) not in (int, float):
        raise TaskTypeError(
            f"lost_after of flow {flow!r} is a number of seconds or a timedelta, not {lost_after!r}."
        )
    if not _LEAST_SILENCE <= seconds < float("inf"):
        raise FlowError(
            f"lost_after of flow {flow!r} is {seconds:g} seconds; {_LEAST_SILENCE:.0f} is the least: "
            "a shorter silence is no sign of anything."
        )
    return max_recoveries, on_disconnect, float(seconds)

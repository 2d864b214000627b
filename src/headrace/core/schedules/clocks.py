"""All clocks in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from headrace.core.errors import ScheduleSerializationError
from headrace.core.schedules.base import Clock as Clock
from headrace.core.schedules.base import ClockEvent as ClockEvent
from headrace.core.schedules.base import TimesClock
from headrace.core.schedules.cron import CronClock as CronClock
from headrace.core.schedules.dates import DatesClock as DatesClock
from headrace.core.schedules.interval import IntervalClock as IntervalClock
from headrace.core.schedules.recurrence import RRuleClock as RRuleClock

if TYPE_CHECKING:
    from typing import Any

_KINDS: Final[dict[str, type[TimesClock]]] = {
    kind.__name__: kind for kind in (CronClock, DatesClock, IntervalClock, RRuleClock)
}


def deserialize_clock(blob: Any) -> Clock:
    """Make a clock from what its `serialize` returned.

    Raises:
        ScheduleSerializationError: If `blob` is no serialised clock.
        ScheduleError: If what it says makes no clock.
    """
    kind = _KINDS.get(str(blob.get("type"))) if isinstance(blob, Mapping) else None
    if kind is None:
        raise ScheduleSerializationError(
            f"This is no serialised clock: {blob!r}. Its type must be one of {', '.join(_KINDS)}."
        )
    return kind.deserialize(blob)

"""Adjustments: functions that move the times which a schedule's filters have let pass.

An adjustment takes an aware datetime and returns one. Any function of this kind will do, as long as
it moves a time by a week at most; those here can also be stored with the schedule.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Final

from headrace.core.errors import ScheduleTypeError
from headrace.core.schedules.filters import is_weekday
from headrace.core.schedules.named import Named
from headrace.core.schedules.wall import aware, resolve, utc, wall_of

Adjustment = Callable[[datetime.datetime], datetime.datetime]
Reach = tuple[datetime.timedelta, datetime.timedelta]

_DAY: Final = datetime.timedelta(days=1)
#: How far an adjustment may move a time, if nothing better is known of it.
WEEK: Final[Reach] = (-7 * _DAY, 7 * _DAY)


def add(interval: datetime.timedelta) -> Adjustment:
    """Move each time by an interval.

    As for `IntervalClock`, less than a day is elapsed time, a day or more follows the wall clock:
    nine o'clock plus a day is nine o'clock.

    Args:
        interval: How much to add; less than 0 moves back.

    Raises:
        ScheduleTypeError: If it is no timedelta.
    """
    if not isinstance(interval, datetime.timedelta):
        raise ScheduleTypeError(f"add takes a datetime.timedelta, not {interval!r}.")
    plain = datetime.timedelta(interval.days, interval.seconds, interval.microseconds)
    # No zone changes its clocks by more than a day.
    slack = _DAY * 2 if abs(plain) >= _DAY else _DAY * 0
    return Named("add", _add, {"interval": plain}, reach=(plain - slack, plain + slack))


def _add(dt: datetime.datetime, interval: datetime.timedelta) -> datetime.datetime:
    time = aware(dt, "the time")
    zone = time.tzinfo
    assert zone is not None
    if abs(interval) < _DAY:
        return (utc(time) + interval).astimezone(zone)
    return resolve(wall_of(time) + interval, zone).astimezone(zone)


def next_weekday(dt: datetime.datetime) -> datetime.datetime:
    """Move a time on Saturday or Sunday to the same wall-clock time of the Monday after."""
    time = aware(dt, "the time")
    return time if is_weekday(time) else _add(time, (7 - time.weekday()) * _DAY)


#: What a schedule can be stored with, by name: adjustments, and functions that make one.
ADJUSTMENTS: Final[dict[str, Callable[..., object]]] = {"next_weekday": next_weekday}
MAKERS: Final[dict[str, Callable[..., object]]] = {"add": add}


def reach_of(adjustment: Adjustment) -> Reach:
    """Return how far `adjustment` moves a time: the least and the most."""
    if adjustment is next_weekday:
        return (0 * _DAY, 4 * _DAY)
    return getattr(adjustment, "reach", None) or WEEK

"""Filters: functions that say of a time whether a schedule lets it pass.

A filter takes a datetime and returns a bool. It sees each event's time in the event's own zone, so
`at_time(time(9))` means nine o'clock on that zone's wall. Any function of this kind will do; those
here can also be stored with the schedule.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Final

from headrace.core.errors import ScheduleError, ScheduleTypeError
from headrace.core.schedules.named import Named
from headrace.core.schedules.wall import aware, utc

Filter = Callable[[datetime.datetime], bool]

_DAYS_IN_MONTH: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def on_datetime(dt: datetime.datetime) -> Filter:
    """Let one instant pass.

    Args:
        dt: The instant; naive means UTC.

    Raises:
        ScheduleTypeError: If `dt` is no datetime.
    """
    at = aware(dt, "on_datetime's dt")
    return Named("on_datetime", _on_datetime, {"dt": at}, window=(utc(at), utc(at)))


def _on_datetime(candidate: datetime.datetime, dt: datetime.datetime) -> bool:
    return utc(aware(candidate, "the time")) == utc(dt)


def on_date(month: int, day: int) -> Filter:
    """Let one date of each year pass.

    Args:
        month: The month, 1 to 12.
        day: The day of the month.

    Raises:
        ScheduleTypeError: If one of them is no int.
        ScheduleError: If no year has such a date.
    """
    _check_date(month, day, "on_date")
    if day > _DAYS_IN_MONTH[month - 1]:
        raise ScheduleError(f"on_date({month}, {day}) would never let anything pass: no such date.")
    return Named("on_date", _on_date, {"month": month, "day": day})


def _on_date(candidate: datetime.datetime, month: int, day: int) -> bool:
    return (candidate.month, candidate.day) == (month, day)


def at_time(t: datetime.time) -> Filter:
    """Let one time of the day pass, to the microsecond.

    Args:
        t: The time on the wall clock of the event's zone.

    Raises:
        ScheduleTypeError: If `t` is no time, or has a zone of its own.
    """
    return Named("at_time", _at_time, {"t": _wall_time(t, "at_time's t")})


def _at_time(candidate: datetime.datetime, t: datetime.time) -> bool:
    return candidate.time() == t


def between_datetimes(start: datetime.datetime, end: datetime.datetime) -> Filter:
    """Let the instants from `start` to `end` pass, both included.

    Args:
        start: The first; naive means UTC.
        end: The last; naive means UTC.

    Raises:
        ScheduleTypeError: If one of them is no datetime.
    """
    first, last = aware(start, "between_datetimes' start"), aware(end, "between_datetimes' end")
    return Named(
        "between_datetimes",
        _between_datetimes,
        {"start": first, "end": last},
        window=(utc(first), utc(last)),
    )


def _between_datetimes(
    candidate: datetime.datetime, start: datetime.datetime, end: datetime.datetime
) -> bool:
    return utc(start) <= utc(aware(candidate, "the time")) <= utc(end)


def between_dates(start_month: int, start_day: int, end_month: int, end_day: int) -> Filter:
    """Let a part of each year pass, both dates included.

    `between_dates(10, 15, 3, 31)` is the winter: where the start comes after the end, the part goes
    over the turn of the year.

    Args:
        start_month: The month of the first date, 1 to 12.
        start_day: Its day, 1 to 31.
        end_month: The month of the last date, 1 to 12.
        end_day: Its day, 1 to 31; 31 is the end of any month.

    Raises:
        ScheduleTypeError: If one of them is no int.
        ScheduleError: If one of them is out of its range.
    """
    _check_date(start_month, start_day, "between_dates")
    _check_date(end_month, end_day, "between_dates")
    return Named(
        "between_dates",
        _between_dates,
        {
            "start_month": start_month,
            "start_day": start_day,
            "end_month": end_month,
            "end_day": end_day,
        },
    )


def _between_dates(
    candidate: datetime.datetime, start_month: int, start_day: int, end_month: int, end_day: int
) -> bool:
    date = (candidate.month, candidate.day)
    start, end = (start_month, start_day), (end_month, end_day)
    if start <= end:
        return start <= date <= end
    return date >= start or date <= end


def between_times(start: datetime.time, end: datetime.time) -> Filter:
    """Let a part of each day pass, both times included.

    Where the start comes after the end, the part goes over midnight.

    Args:
        start: The first time, on the wall clock of the event's zone.
        end: The last time.

    Raises:
        ScheduleTypeError: If one of them is no time, or has a zone of its own.
    """
    first, last = _wall_time(start, "between_times' start"), _wall_time(end, "between_times' end")
    return Named("between_times", _between_times, {"start": first, "end": last})


def _between_times(candidate: datetime.datetime, start: datetime.time, end: datetime.time) -> bool:
    time = candidate.time()
    if start <= end:
        return start <= time <= end
    return time >= start or time <= end


def is_day_of_week(day_of_week: int) -> Filter:
    """Let one day of the week pass.

    Args:
        day_of_week: 0 is Monday and 6 is Sunday, as in `datetime.weekday` (and as Prefect 1.4
            does, though its documentation says otherwise).

    Raises:
        ScheduleTypeError: If it is no int.
        ScheduleError: If it is not from 0 to 6.
    """
    _check_int(day_of_week, "is_day_of_week's day_of_week")
    if not 0 <= day_of_week <= 6:
        raise ScheduleError(
            f"is_day_of_week takes 0 (Monday) to 6 (Sunday), and {day_of_week} is neither."
        )
    return Named("is_day_of_week", _is_day_of_week, {"day_of_week": day_of_week})


def _is_day_of_week(candidate: datetime.datetime, day_of_week: int) -> bool:
    return candidate.weekday() == day_of_week


def is_weekday(dt: datetime.datetime) -> bool:
    """Let Monday to Friday pass."""
    return dt.weekday() < 5


def is_weekend(dt: datetime.datetime) -> bool:
    """Let Saturday and Sunday pass."""
    return dt.weekday() >= 5


def is_month_start(dt: datetime.datetime) -> bool:
    """Let the first day of each month pass."""
    return dt.day == 1


def is_month_end(dt: datetime.datetime) -> bool:
    """Let the last day of each month pass."""
    tomorrow = datetime.date(dt.year, dt.month, dt.day).toordinal() + 1
    return datetime.date.fromordinal(tomorrow).day == 1


#: What a schedule can be stored with, by name: filters, and functions that make one.
FILTERS: Final[dict[str, Callable[..., object]]] = {
    function.__name__: function
    for function in (is_weekday, is_weekend, is_month_start, is_month_end)
}
MAKERS: Final[dict[str, Callable[..., object]]] = {
    function.__name__: function
    for function in (
        on_datetime,
        on_date,
        at_time,
        between_datetimes,
        between_dates,
        between_times,
        is_day_of_week,
    )
}


def _check_int(value: object, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ScheduleTypeError(f"{what} must be an int, not {value!r}.")


def _check_date(month: int, day: int, owner: str) -> None:
    _check_int(month, f"{owner}'s month")
    _check_int(day, f"{owner}'s day")
    if not (1 <= month <= 12 and 1 <= day <= 31):
        raise ScheduleError(f"{owner} takes months 1 to 12 and days 1 to 31, not {month}, {day}.")


def _wall_time(value: object, what: str) -> datetime.time:
    if not isinstance(value, datetime.time):
        raise ScheduleTypeError(f"{what} must be a datetime.time, not {value!r}.")
    if value.tzinfo is not None:
        raise ScheduleTypeError(
            f"{what} must have no zone, because it is read on the wall clock of each event: {value!r}."
        )
    return datetime.time(value.hour, value.minute, value.second, value.microsecond)

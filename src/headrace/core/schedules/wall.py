"""Wall-clock time: from what the clock on the wall says to the instant that is meant.

Schedules compare instants, in UTC. Two aware datetimes of one zone must never be compared or
subtracted directly, because Python then looks at their wall clocks alone.

The one rule of all clocks, filters and adjustments for wall-clock times that are no instant of
their own: a time that the zone skips (a *gap*: the clocks are set forward) is the first instant
after the gap; a time that comes twice (an *overlap*: they are set back) is the first of the two.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Final

from headrace.core.errors import (
    ScheduleError,
    ScheduleSerializationError,
    ScheduleTypeError,
    ZoneError,
)

if TYPE_CHECKING:
    from typing import Any

UTC: Final = datetime.UTC
#: A day after the first moment that a datetime can hold, so that each zone's clock can show it.
EARLIEST: Final = datetime.datetime(1, 1, 2, tzinfo=UTC)
_SECOND: Final = datetime.timedelta(seconds=1)


def aware(value: object, what: str) -> datetime.datetime:
    """Return `value` as a plain aware datetime; a naive one counts as UTC.

    Subclasses such as pendulum's become plain datetimes. Zones of pendulum, pytz and dateutil become
    the `zoneinfo` zone of the same name where there is one.

    Args:
        value: The datetime.
        what: What the value is, for the error message.

    Raises:
        ScheduleTypeError: If `value` is not a datetime.
        ScheduleError: If it is in the first or last day of all, and not in UTC.
    """
    if not isinstance(value, datetime.datetime):
        raise ScheduleTypeError(f"{what} must be a datetime, not {value!r}.")
    naive = wall_of(value)
    if value.tzinfo is None:
        return naive.replace(tzinfo=UTC)
    zone = _plain_zone(value.tzinfo)
    if type(value.tzinfo).__module__.partition(".")[0] == "pytz":
        # pytz says which of two equal wall-clock times is meant by its offset and not by `fold`.
        return (
            (naive - (value.utcoffset() or datetime.timedelta()))
            .replace(tzinfo=UTC)
            .astimezone(zone)
        )
    time = naive.replace(tzinfo=zone)
    try:
        time.astimezone(UTC)
    except OverflowError:
        raise ScheduleError(
            f"{what}, {value}, is beyond what a datetime in UTC can hold."
        ) from None
    # pendulum sets `fold` where it means nothing, too; it is kept where a time comes twice.
    return time.replace(fold=1) if value.fold and set_back(time) else time


def wall_of(value: datetime.datetime) -> datetime.datetime:
    """Return what the wall clock says at `value`: a plain naive datetime."""
    return datetime.datetime(  # noqa: DTZ001 - naive is the point
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
    )


def utc(value: datetime.datetime) -> datetime.datetime:
    """Return the instant that the aware or naive `value` means, in UTC; see the module's rule."""
    zone = value.tzinfo
    if zone is UTC:
        return value
    if zone is None:
        return value.replace(tzinfo=UTC)
    return resolve(value.replace(tzinfo=None), zone, value.fold)


def moved(instant: datetime.datetime, by: datetime.timedelta) -> datetime.datetime:
    """Return a UTC time moved by `by`, but no farther back than a datetime can hold."""
    try:
        return max(instant + by, EARLIEST)
    except OverflowError:
        if by > datetime.timedelta():
            raise
        return EARLIEST


def resolve(wall: datetime.datetime, zone: datetime.tzinfo, fold: int = 0) -> datetime.datetime:
    """Return the instant, in UTC, at which the clocks of `zone` say `wall`.

    Args:
        wall: A naive datetime.
        zone: Whose wall clock is meant.
        fold: Which of the two, where `wall` comes twice: 0 the first, 1 the second.
    """
    instant = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
    if type(zone) is datetime.timezone:
        return instant
    if instant.astimezone(zone).replace(tzinfo=None, fold=0) == wall.replace(fold=0):
        return instant
    return _end_of_gap(wall, zone)


def set_back(time: datetime.datetime) -> datetime.timedelta:
    """Return by how much the clocks are set back in the overlap that `time` lies in, else 0."""
    first, second = time.replace(fold=0).utcoffset(), time.replace(fold=1).utcoffset()
    none = datetime.timedelta()
    return none if first is None or second is None else max(first - second, none)


def occurrence(wall: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime | None:
    """Return the instant, in UTC, of a recurring wall-clock time; None if its whole day is missing.

    A zone that moves to the other side of the date line skips a date (Samoa had no 30 December
    2011). What is planned for that date does not happen, since the day after has its own.
    """
    instant = resolve(wall, zone)
    if type(zone) is datetime.timezone or instant.astimezone(zone).date() <= wall.date():
        return instant
    if (instant - _SECOND).astimezone(zone).date() < wall.date():
        return None
    return instant


def _end_of_gap(wall: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
    """Return the first instant after the gap that `wall` lies in, by bisection to the second."""
    # In a gap, fold=0 reads the wall clock with the offset before it, fold=1 with the one after:
    # the clocks change between the two.
    after = wall.replace(tzinfo=zone, fold=0, microsecond=0).astimezone(UTC)
    before = wall.replace(tzinfo=zone, fold=1, microsecond=0).astimezone(UTC)
    new_offset = after.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == new_offset:
            after = middle
        else:
            before = middle
    return after


# -- zones ------------------------------------------------------------------------------------


def zone_named(name: str) -> datetime.tzinfo:
    """Return the zone called `name`: an IANA name, `UTC`, or an offset such as `+05:30`.

    Raises:
        ZoneError: If there is no such zone.
    """
    if name == "UTC":
        return UTC
    if name[:1] in {"+", "-"}:
        try:
            parsed = datetime.time.fromisoformat(f"00:00{name}").tzinfo
        except ValueError:
            parsed = None
        if parsed is not None:
            return parsed
    else:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            # A name with odd characters is a ValueError, the name of a folder an OSError.
            pass
    raise ZoneError(
        f"There is no time zone {name!r}. Use an IANA name such as 'Europe/Paris', 'UTC', or an "
        f"offset such as '+05:30'."
    )


def name_of(zone: datetime.tzinfo) -> str:
    """Return the name by which `zone_named` finds `zone` again.

    Raises:
        ZoneError: If the zone has no such name.
    """
    if zone is UTC:
        return "UTC"
    if isinstance(zone, datetime.timezone):
        return datetime.datetime.min.replace(tzinfo=zone).isoformat()[19:]
    key = getattr(zone, "key", None)
    if not isinstance(key, str):
        raise ZoneError(
            f"The time zone {zone!r} has no name, so it cannot be stored. Use "
            f"zoneinfo.ZoneInfo('Europe/Paris') or the like."
        )
    return key


def _plain_zone(zone: datetime.tzinfo) -> datetime.tzinfo:
    """Return the standard library's zone for `zone`; `zone` itself if it has none."""
    if type(zone) is datetime.timezone:
        return UTC if zone == UTC else zone
    # In turn: zoneinfo and pendulum 3, pytz, pendulum 2, dateutil.
    for attribute in ("key", "zone", "name", "_filename"):
        name = getattr(zone, attribute, None)
        if isinstance(name, str) and name:
            try:
                return zone_named(name.rpartition("zoneinfo/")[2])
            except ZoneError:
                continue
    try:
        fixed = zone.utcoffset(None)
    except (AttributeError, TypeError, ValueError):  # a zone that cannot be asked without a date
        fixed = None
    return zone if fixed is None else datetime.timezone(fixed)


# -- JSON-able forms --------------------------------------------------------------------------


def serialize_time(value: datetime.datetime) -> dict[str, Any]:
    """Return an aware datetime as a JSON-able dict: its wall clock `dt` and its zone `tz`.

    Raises:
        ZoneError: If the zone has no name.
    """
    assert value.tzinfo is not None
    blob: dict[str, Any] = {"dt": wall_of(value).isoformat(), "tz": name_of(value.tzinfo)}
    if value.fold:
        blob["fold"] = value.fold
    return blob


def deserialize_time(blob: Any) -> datetime.datetime:
    """Make a datetime from what `serialize_time` returned.

    Raises:
        ScheduleSerializationError: If `blob` is no such dict.
        ZoneError: If its zone is not known here.
    """
    try:
        wall = datetime.datetime.fromisoformat(blob["dt"])
        name, fold = blob["tz"], int(blob.get("fold", 0))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ScheduleSerializationError(f"This is no serialised time: {blob!r}.") from None
    if wall.tzinfo is not None or not isinstance(name, str) or fold not in (0, 1):
        raise ScheduleSerializationError(f"This is no serialised time: {blob!r}.")
    return wall.replace(tzinfo=zone_named(name), fold=fold)


def serialize_span(value: datetime.timedelta) -> float:
    """Return a timedelta as a number of seconds, whole where it is whole."""
    seconds = value.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def deserialize_span(blob: Any) -> datetime.timedelta:
    """Make a timedelta from what `serialize_span` returned.

    Raises:
        ScheduleSerializationError: If `blob` is no number of seconds.
    """
    if isinstance(blob, bool) or not isinstance(blob, (int, float)):
        raise ScheduleSerializationError(f"This is no number of seconds: {blob!r}.")
    try:
        return datetime.timedelta(seconds=blob)
    except (OverflowError, ValueError):
        raise ScheduleSerializationError(f"This is no number of seconds: {blob!r}.") from None

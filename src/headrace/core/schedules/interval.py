"""The clock that ticks at a fixed interval."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Final

from headrace.core.errors import ScheduleError, ScheduleTypeError
from headrace.core.schedules.base import TimesClock
from headrace.core.schedules.wall import (
    UTC,
    deserialize_span,
    occurrence,
    serialize_span,
    utc,
    wall_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

#: Where intervals are counted from if no start date is given; Prefect 1.4's choice.
DEFAULT_START: Final = datetime.datetime(2019, 1, 1, tzinfo=UTC)
_DAY: Final = datetime.timedelta(days=1)


class IntervalClock(TimesClock):
    """A clock that ticks at `start_date` and at each multiple of `interval` after it.

    Across a change of the clocks in the zone of `start_date`:

    - An interval shorter than a day is elapsed time. An hourly clock ticks each absolute hour: when
      the clocks are set back it ticks twice at what the wall calls 1:00, when they are set forward
      it leaves out the hour that does not exist.
    - An interval of a day or more follows the wall clock. A daily clock that starts at 9:00 ticks
      at 9:00 throughout the year. A wall-clock time that does not exist on a day is the first
      instant after the gap; one that comes twice is the first of the two; a date that the zone
      leaves out has no tick.

    In UTC, and in any zone that never changes its clocks, the two are the same.

    Args:
        interval: The time from one event to the next, greater than 0.
        start_date: The first event, and the zone that is followed; by default the start of 2019,
            UTC.
        end_date: No event is later than this.
        parameter_defaults: Parameters for the flow runs that the clock starts.
        labels: Labels for the flow runs that the clock starts.

    Raises:
        ScheduleTypeError: If `interval` is no timedelta.
        ScheduleError: If `interval` is not greater than 0.
    """

    def __init__(
        self,
        interval: datetime.timedelta,
        start_date: datetime.datetime | None = None,
        end_date: datetime.datetime | None = None,
        parameter_defaults: dict[str, Any] | None = None,
        labels: list[str] | None = None,
    ) -> None:
        if not isinstance(interval, datetime.timedelta):
            raise ScheduleTypeError(
                f"An interval must be a datetime.timedelta, such as timedelta(hours=1), not "
                f"{interval!r}."
            )
        if interval <= datetime.timedelta():
            raise ScheduleError(f"An interval must be greater than 0, and {interval!r} is not.")
        super().__init__(start_date, end_date, parameter_defaults, labels)
        self.interval = datetime.timedelta(interval.days, interval.seconds, interval.microseconds)

    def __repr__(self) -> str:
        return f"<IntervalClock every {self.interval}>"

    def _serialize_own(self) -> dict[str, Any]:
        return {"interval": serialize_span(self.interval), **super()._serialize_own()}

    @classmethod
    def _deserialize_own(cls, arguments: dict[str, Any]) -> None:
        arguments["interval"] = deserialize_span(arguments["interval"])

    def _times(self, after: datetime.datetime) -> Iterator[datetime.datetime]:
        start = self.start_date or DEFAULT_START
        if self.interval < _DAY or isinstance(self.zone, datetime.timezone):
            return self._elapsed(utc(start), after)
        return self._by_the_wall(start, after)

    def _elapsed(
        self, start: datetime.datetime, after: datetime.datetime
    ) -> Iterator[datetime.datetime]:
        zone = self.zone
        time = start
        if after >= start:
            time += ((after - start) // self.interval + 1) * self.interval
        while True:
            yield time.astimezone(zone)
            time += self.interval

    def _by_the_wall(
        self, start: datetime.datetime, after: datetime.datetime
    ) -> Iterator[datetime.datetime]:
        zone = self.zone
        first = utc(start)
        if first > after:
            # The start date means what it says, even where it names the second of two equal times.
            yield first.astimezone(zone)
        wall = wall_of(start)
        # No zone's clocks are changed by more than a day; two days of slack are surely before it.
        passed = (wall_of(after.astimezone(zone)) - wall - 2 * _DAY) // self.interval
        wall += max(passed, 1) * self.interval
        latest = max(first, after)
        while True:
            time = occurrence(wall, zone)
            if time is not None and time > latest:
                yield time.astimezone(zone)
                latest = time
            wall += self.interval

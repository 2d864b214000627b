"""The clock that ticks on dates given one by one."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from headrace.core.errors import ScheduleError, ScheduleTypeError
from headrace.core.schedules.base import TimesClock
from headrace.core.schedules.wall import aware, deserialize_time, serialize_time, utc

if TYPE_CHECKING:
    from typing import Any


class DatesClock(TimesClock):
    """A clock that ticks at each of the given times, once, whatever their order.

    Each event is in the zone of the date it comes from. `start_date` is the first of the dates,
    `end_date` the last.

    Args:
        dates: At least one datetime; naive ones count as UTC.
        parameter_defaults: Parameters for the flow runs that the clock starts.
        labels: Labels for the flow runs that the clock starts.

    Raises:
        ScheduleTypeError: If `dates` is no collection of datetimes.
        ScheduleError: If it is empty.
    """

    def __init__(
        self,
        dates: Iterable[datetime.datetime],
        parameter_defaults: dict[str, Any] | None = None,
        labels: list[str] | None = None,
    ) -> None:
        if not isinstance(dates, Iterable):
            raise ScheduleTypeError(
                f"DatesClock's dates must be a list of datetimes, not {dates!r}."
            )
        self.dates = [aware(date, "each of DatesClock's dates") for date in dates]
        if not self.dates:
            raise ScheduleError("DatesClock needs at least one date; its list is empty.")
        super().__init__(
            min(self.dates, key=utc), max(self.dates, key=utc), parameter_defaults, labels
        )

    def __repr__(self) -> str:
        return f"<DatesClock with {len(self.dates)} dates>"

    def _times(self, after: datetime.datetime) -> Iterator[datetime.datetime]:
        latest = after
        for date in sorted(self.dates, key=utc):
            if utc(date) > latest:
                latest = utc(date)
                yield latest.astimezone(date.tzinfo)

    def _serialize_own(self) -> dict[str, Any]:
        return {"dates": [serialize_time(date) for date in self.dates]}

    @classmethod
    def _deserialize_own(cls, arguments: dict[str, Any]) -> None:
        arguments["dates"] = [deserialize_time(date) for date in arguments["dates"]]

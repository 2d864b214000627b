"""Schedules: the times at which a flow's runs are to start."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, overload

from headrace.core.errors import (
    NoMoreEventsError,
    ScheduleError,
    ScheduleSerializationError,
    ScheduleTypeError,
)
from headrace.core.now import now
from headrace.core.schedules import adjustments as adjusting
from headrace.core.schedules import filters as filtering
from headrace.core.schedules.base import Clock, ClockEvent
from headrace.core.schedules.clocks import (
    CronClock,
    IntervalClock,
    RRuleClock,
    deserialize_clock,
)
from headrace.core.schedules.named import Kind, describe
from headrace.core.schedules.search import SEARCH_LIMIT, Search
from headrace.core.schedules.wall import aware, utc

if TYPE_CHECKING:
    from typing import Any

    from dateutil.rrule import rrulebase

    from headrace.core.schedules.adjustments import Adjustment
    from headrace.core.schedules.filters import Filter

_FILTERS: Final = Kind("filter", filtering.FILTERS, filtering.MAKERS)
_ADJUSTMENTS: Final = Kind("adjustment", adjusting.ADJUSTMENTS, adjusting.MAKERS)


class Schedule:
    """Clocks, whose events are filtered and then adjusted.

    The events of all clocks come in order. An event passes if all `filters` let it pass, at least
    one of `or_filters` does (where there are any), and none of `not_filters` does. What has passed
    is moved by each of `adjustments` in turn. Filters see the times as the clocks gave them;
    `next` answers with, and counts from, the times as they are adjusted.

    Of several events at one instant, those with equal parameters and labels become one. Those that
    differ all stay, in the order of their clocks.

    Args:
        clocks: The clocks. With none, the schedule has no events.
        filters: Functions from a datetime to a bool.
        or_filters: Likewise.
        not_filters: Likewise.
        adjustments: Functions from a datetime to a datetime, which move it by a week at most
            (`adjustments.add` by as much as it is told).

    Raises:
        ScheduleTypeError: If `clocks` holds something that is no clock, or one of the others
            something that is no function.
    """

    def __init__(
        self,
        clocks: Iterable[Clock],
        filters: Iterable[Filter] | None = None,
        or_filters: Iterable[Filter] | None = None,
        not_filters: Iterable[Filter] | None = None,
        adjustments: Iterable[Adjustment] | None = None,
    ) -> None:
        if isinstance(clocks, (str, bytes, Mapping)) or not isinstance(clocks, Iterable):
            raise ScheduleTypeError(
                f"A schedule's clocks must be a list of clocks, not {clocks!r}."
            )
        self.clocks: list[Clock] = list(clocks)
        for clock in self.clocks:
            if not isinstance(clock, Clock):
                raise ScheduleTypeError(
                    f"A schedule's clocks must be clocks, and {clock!r} is not."
                )
        self.filters: list[Filter] = _FILTERS.check(filters, "filters")
        self.or_filters: list[Filter] = _FILTERS.check(or_filters, "or_filters")
        self.not_filters: list[Filter] = _FILTERS.check(not_filters, "not_filters")
        self.adjustments: list[Adjustment] = _ADJUSTMENTS.check(adjustments, "adjustments")

    @property
    def start_date(self) -> datetime.datetime | None:
        """The earliest start date of the clocks; None if none has one."""
        return min((c.start_date for c in self.clocks if c.start_date), key=utc, default=None)

    @property
    def end_date(self) -> datetime.datetime | None:
        """The latest end date of the clocks; None if none has one."""
        return max((c.end_date for c in self.clocks if c.end_date), key=utc, default=None)

    @overload
    def next(
        self,
        n: int,
        after: datetime.datetime | None = None,
        return_events: Literal[False] = False,
    ) -> list[datetime.datetime]: ...

    @overload
    def next(
        self, n: int, after: datetime.datetime | None = None, *, return_events: Literal[True]
    ) -> list[ClockEvent]: ...

    @overload
    def next(
        self, n: int, after: datetime.datetime | None, return_events: Literal[True]
    ) -> list[ClockEvent]: ...

    def next(
        self, n: int, after: datetime.datetime | None = None, return_events: bool = False
    ) -> list[datetime.datetime] | list[ClockEvent]:
        """Return the next `n` events, in order, each later than `after`.

        There are fewer, or none, if the schedule ends before; or if its filters reject 10,000
        events one after the other, which ends the search. `next_event` says which.

        Args:
            n: How many, 0 or more.
            after: By default, now. Naive means UTC.
            return_events: Whether to return the events, with their parameters and labels, or their
                times alone. Times are aware, each in the zone of its clock.

        Raises:
            ScheduleTypeError: If `n` is no int, or `after` no datetime.
            ScheduleError: If `n` is less than 0.
        """
        if isinstance(n, bool) or not isinstance(n, int):
            raise ScheduleTypeError(f"The number of events to return must be an int, not {n!r}.")
        if n < 0:
            raise ScheduleError(f"The number of events to return must be 0 or more, not {n}.")
        events = list(islice(self._search(after).events(), n))
        return events if return_events else [event.start_time for event in events]

    def next_event(self, after: datetime.datetime | None = None) -> ClockEvent:
        """Return the next event.

        Args:
            after: The event is later than this; by default, than now. Naive means UTC.

        Raises:
            NoMoreEventsError: If there is none; the message says why.
        """
        search = self._search(after)
        for event in search.events():
            return event
        if not self.clocks:
            reason = "it has no clocks"
        elif search.gave_up_at is not None:
            names = ", ".join(
                describe(f) for f in (*self.filters, *self.or_filters, *self.not_filters)
            )
            reason = (
                f"none of the {SEARCH_LIMIT:,} events up to {search.gave_up_at} passes its filters "
                f"({names}). Change the filters, or use clocks with fewer events"
            )
        elif self.end_date is not None and utc(self.end_date) <= search.after:
            reason = f"its last clock has ended at {self.end_date}"
        else:
            reason = "its clocks and filters allow none"
        raise NoMoreEventsError(f"The schedule has no event after {search.after}: {reason}.")

    def serialize(self) -> dict[str, Any]:
        """Return the schedule as a JSON-able dict.

        Raises:
            ScheduleSerializationError: If it holds a clock or a function of your own, or a
                parameter that is no JSON value.
            ZoneError: If one of its times has a zone without a name.
        """
        return {
            "type": "Schedule",
            "clocks": [clock.serialize() for clock in self.clocks],
            "filters": [_FILTERS.serialize(f) for f in self.filters],
            "or_filters": [_FILTERS.serialize(f) for f in self.or_filters],
            "not_filters": [_FILTERS.serialize(f) for f in self.not_filters],
            "adjustments": [_ADJUSTMENTS.serialize(f) for f in self.adjustments],
        }

    @classmethod
    def deserialize(cls, blob: Mapping[str, Any]) -> Schedule:
        """Make a schedule from what `serialize` returned.

        Raises:
            ScheduleSerializationError: If `blob` is not what `serialize` returns.
            ScheduleError: If what it says makes no schedule.
        """
        try:
            return cls(
                clocks=[deserialize_clock(clock) for clock in blob["clocks"]],
                filters=[_FILTERS.deserialize(f) for f in blob["filters"]],
                or_filters=[_FILTERS.deserialize(f) for f in blob["or_filters"]],
                not_filters=[_FILTERS.deserialize(f) for f in blob["not_filters"]],
                adjustments=[_ADJUSTMENTS.deserialize(f) for f in blob["adjustments"]],
            )
        except (KeyError, TypeError) as error:
            if isinstance(error, ScheduleError):
                raise
            raise ScheduleSerializationError(
                f"This is no serialised schedule: {blob!r} ({error})."
            ) from None

    def __repr__(self) -> str:
        return f"<Schedule of {', '.join(map(repr, self.clocks)) or 'no clocks'}>"

    def _search(self, after: datetime.datetime | None) -> Search:
        begin = now() if after is None else utc(aware(after, "after"))
        return Search(
            self.clocks,
            self.filters,
            self.or_filters,
            self.not_filters,
            self.adjustments,
            after=begin,
        )


def IntervalSchedule(  # noqa: N802 - a constructor, to those who call it
    start_date: datetime.datetime | None = None,
    interval: datetime.timedelta | None = None,
    end_date: datetime.datetime | None = None,
) -> Schedule:
    """Return a schedule of one `IntervalClock`; see there.

    Args:
        start_date: The first event, and the zone that is followed.
        interval: The time from one event to the next. It must be given.
        end_date: No event is later than this.

    Raises:
        ScheduleTypeError: If `interval` is not given, or no timedelta.
        ScheduleError: If it is not greater than 0.
    """
    if interval is None:
        raise ScheduleTypeError(
            "IntervalSchedule needs an interval: IntervalSchedule(interval=timedelta(hours=1))."
        )
    return Schedule([IntervalClock(interval, start_date, end_date)])


def CronSchedule(  # noqa: N802 - a constructor, to those who call it
    cron: str,
    start_date: datetime.datetime | None = None,
    end_date: datetime.datetime | None = None,
    day_or: bool | None = None,
) -> Schedule:
    """Return a schedule of one `CronClock`; see there.

    Args:
        cron: The cron expression.
        start_date: No event is earlier than this; its zone is the one that is followed.
        end_date: No event is later than this.
        day_or: Whether one of day of the month and day of the week is enough; by default, it is.

    Raises:
        CronError: If `cron` is no valid expression, or no date ever matches it.
    """
    return Schedule([CronClock(cron, start_date, end_date, day_or=day_or)])


def RRuleSchedule(  # noqa: N802 - a constructor, to those who call it
    rrule_obj: rrulebase,
    start_date: datetime.datetime | None = None,
    end_date: datetime.datetime | None = None,
) -> Schedule:
    """Return a schedule of one `RRuleClock`; see there.

    Args:
        rrule_obj: A `dateutil.rrule.rrule` or `rruleset`.
        start_date: No event is earlier than this.
        end_date: No event is later than this.

    Raises:
        ScheduleTypeError: If `rrule_obj` is neither.
        ScheduleError: If a rule has no time at all.
    """
    return Schedule([RRuleClock(rrule_obj, start_date, end_date)])

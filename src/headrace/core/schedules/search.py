"""The search for a schedule's events: clocks merged, filtered, adjusted, without duplicates."""

from __future__ import annotations

import datetime
import heapq
from collections.abc import Iterator, Sequence
from itertools import count
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from headrace.core.dates import shown
from headrace.core.errors import ScheduleError
from headrace.core.schedules.adjustments import reach_of
from headrace.core.schedules.base import TICK, Clock, ClockEvent
from headrace.core.schedules.named import describe
from headrace.core.schedules.wall import aware, moved, utc

if TYPE_CHECKING:
    from headrace.core.schedules.adjustments import Adjustment
    from headrace.core.schedules.filters import Filter

#: So many events that the filters reject, one after the other, end the search for one they do not.
SEARCH_LIMIT: Final = 10_000


class Search:
    """One search through the events of a schedule.

    Args:
        clocks: The schedule's clocks.
        filters: Its filters.
        or_filters: Its `or_filters`.
        not_filters: Its `not_filters`.
        adjustments: Its adjustments.
        after: The UTC time that all events are to be later than.
    """

    __slots__ = (
        "_adjustments",
        "_clocks",
        "_filters",
        "_not_filters",
        "_or_filters",
        "after",
        "gave_up_at",
    )

    def __init__(
        self,
        clocks: Sequence[Clock],
        filters: Sequence[Filter],
        or_filters: Sequence[Filter],
        not_filters: Sequence[Filter],
        adjustments: Sequence[Adjustment],
        *,
        after: datetime.datetime,
    ) -> None:
        self._clocks = clocks
        self._filters = filters
        self._or_filters = or_filters
        self._not_filters = not_filters
        self._adjustments = adjustments
        self.after = after
        #: The event at which the search was given up; None as long as it was not.
        self.gave_up_at: datetime.datetime | None = None

    def events(self) -> Iterator[ClockEvent]:
        """Yield the events in order, until the schedule or the search ends."""
        latest = self.after
        at_latest: list[ClockEvent] = []
        for event in self._adjusted():
            time = event.instant
            if time > latest:
                latest, at_latest = time, [event]
                yield event
            elif time == latest and at_latest and event not in at_latest:
                at_latest.append(event)
                yield event

    def _adjusted(self) -> Iterator[ClockEvent]:
        """Yield the events that pass, each adjusted, in order of their adjusted times.

        Adjusting may change their order. So events are read from before `after`, as far as an
        adjustment may reach, and each waits until none that is still to come can precede it.
        """
        if not self._adjustments:
            yield from self._passing(self.after)
            return
        reaches = [reach_of(adjustment) for adjustment in self._adjustments]
        least = sum((reach[0] for reach in reaches), datetime.timedelta())
        most = sum((reach[1] for reach in reaches), datetime.timedelta())
        numbers = count()
        waiting: list[tuple[datetime.datetime, int, ClockEvent]] = []
        for event in self._passing(moved(self.after, -most)):
            adjusted = self._adjust(event)
            heapq.heappush(waiting, (adjusted.instant, next(numbers), adjusted))
            soonest = moved(event.instant, least)
            while waiting and waiting[0][0] <= soonest:
                yield heapq.heappop(waiting)[2]
        while waiting:
            yield heapq.heappop(waiting)[2]

    def _adjust(self, event: ClockEvent) -> ClockEvent:
        time = event.start_time
        for adjustment in self._adjustments:
            result = aware(adjustment(time), f"what the adjustment {describe(adjustment)} returns")
            least, most = reach_of(adjustment)
            if not least <= utc(result) - utc(time) <= most:
                raise ScheduleError(
                    f"The adjustment {describe(adjustment)} moves {time} to {result}. A function of "
                    f"your own may move a time by a week at most; adjustments.add by any interval."
                )
            time = shown(result)
        return ClockEvent(time, event.parameter_defaults, event.labels)

    def _passing(self, after: datetime.datetime) -> Iterator[ClockEvent]:
        """Yield the clocks' events after a UTC time that pass the filters, in order."""
        first, last = self._window()
        if first is not None:
            after = max(after, moved(first, -TICK))
        streams = [_rising(clock, after) for clock in self._clocks]
        rejected = 0
        for event in heapq.merge(*streams, key=attrgetter("instant")):
            if last is not None and event.instant > last:
                return
            if self._passes(event.start_time):
                rejected = 0
                yield event
                continue
            rejected += 1
            if rejected >= SEARCH_LIMIT:
                self.gave_up_at = event.start_time
                return

    def _passes(self, time: datetime.datetime) -> bool:
        return (
            all(f(time) for f in self._filters)
            and (not self._or_filters or any(f(time) for f in self._or_filters))
            and not any(f(time) for f in self._not_filters)
        )

    def _window(self) -> tuple[datetime.datetime | None, datetime.datetime | None]:
        """Return the first and the last instant that `filters` can let pass, where they know.

        So a window far ahead is found at once, and a search ends with a window that has passed.
        """
        windows = [window for f in self._filters if (window := getattr(f, "window", None))]
        if not windows:
            return None, None
        return max(first for first, _ in windows), min(last for _, last in windows)


def _rising(clock: Clock, after: datetime.datetime) -> Iterator[ClockEvent]:
    """Yield a clock's events after a UTC time, and see to it that it keeps its contract."""
    latest: datetime.datetime | None = None
    repeated = 0
    for event in clock.events(after=after):
        time = event.instant
        repeated = repeated + 1 if time == latest else 0
        if latest is not None and (time < latest or repeated >= SEARCH_LIMIT):
            raise ScheduleError(
                f"The clock {clock!r} gave {event.start_time} after {latest}. A clock's events "
                f"must come in order of their times."
            )
        latest = time
        if time > after:
            yield event

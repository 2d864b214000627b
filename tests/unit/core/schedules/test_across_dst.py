"""Clocks against an oracle that goes through a zone's minutes one by one, around its changes."""

import datetime
import zoneinfo
from bisect import bisect_right
from itertools import islice, pairwise, takewhile

from hypothesis import assume, given
from hypothesis import strategies as st

from headrace.core.schedules.clocks import CronClock, IntervalClock
from headrace.core.schedules.schedule import Schedule

UTC = datetime.UTC
MINUTE = datetime.timedelta(minutes=1)
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)
ZONES = sorted(
    zone
    for zone in zoneinfo.available_timezones()
    if zone not in {"Factory", "localtime"}
    and not zone.startswith(("posix", "right", "Etc/", "SystemV"))
)
#: All offsets are whole minutes in these years, so that minutes are enough.
FIRST = datetime.datetime(1989, 12, 1, tzinfo=UTC)


def changes(name: str, year: int) -> list[datetime.datetime]:
    """Return the days of a year on which the clocks of a zone are changed."""
    zone = zoneinfo.ZoneInfo(name)
    days = [datetime.datetime(year, 1, 1, tzinfo=UTC) + n * DAY for n in range(366)]
    offsets = [day.astimezone(zone).utcoffset() for day in days]
    return [days[n] for n in range(1, 366) if offsets[n] != offsets[n - 1]]


@st.composite
def places(draw: st.DrawFn) -> tuple[zoneinfo.ZoneInfo, datetime.datetime]:
    """Draw a zone and a moment, near a change of its clocks in years that have one."""
    name, year = draw(st.sampled_from(ZONES)), draw(st.integers(1990, 2035))
    days = changes(name, year) or [datetime.datetime(year, 2, 28, tzinfo=UTC)]
    day = draw(st.sampled_from(days))
    seconds = draw(st.integers(-3 * 86_400, 86_400))
    grain = draw(st.sampled_from([1, 60, 900, 3600]))
    micro = draw(st.sampled_from([0, 0, 1, 999_999]))
    return zoneinfo.ZoneInfo(name), day + datetime.timedelta(
        seconds=seconds // grain * grain, microseconds=micro
    )


class Minutes:
    """The oracle: what the wall clock of a zone shows in each minute of a stretch of time."""

    def __init__(
        self, zone: zoneinfo.ZoneInfo, begin: datetime.datetime, end: datetime.datetime
    ) -> None:
        begin = (begin - 2 * DAY).replace(second=0, microsecond=0)
        count = (end + 2 * DAY - begin) // MINUTE
        self.instants = [begin + n * MINUTE for n in range(count)]
        self.walls = [t.astimezone(zone).replace(tzinfo=None, fold=0) for t in self.instants]
        self.first: dict[datetime.datetime, datetime.datetime] = {}
        for instant, wall in zip(self.instants, self.walls, strict=True):
            self.first.setdefault(wall, instant)
        self.jumps = [
            (a, b, instant)
            for (a, b), instant in zip(pairwise(self.walls), self.instants[1:], strict=True)
            if b > a + MINUTE
        ]

    def instant_of(self, wall: datetime.datetime) -> datetime.datetime | None:
        if wall in self.first:
            return self.first[wall]
        for before, after, instant in self.jumps:
            if before < wall < after:
                return None if before.date() < wall.date() < after.date() else instant
        return None

    def all_walls(self) -> list[datetime.datetime]:
        low, high = min(self.walls), max(self.walls)
        return [low + n * MINUTE for n in range((high - low) // MINUTE)]


class Cron:
    """A cron expression as sets of numbers, so that it can be matched without a parser."""

    def __init__(self, minutes, hours, days, weekdays, day_or) -> None:
        self.minutes, self.hours, self.days, self.weekdays = minutes, hours, days, weekdays
        self.day_or = day_or

    def __repr__(self) -> str:
        text = lambda values: "*" if values is None else ",".join(map(str, sorted(values)))
        fields = [text(self.minutes), text(self.hours), text(self.days), "*", text(self.weekdays)]
        return " ".join(fields)

    @property
    def every_hour(self) -> bool:
        return self.hours is None or len(self.hours) == 24

    def matches(self, wall: datetime.datetime) -> bool:
        day = self.days is None or wall.day in self.days
        weekday = self.weekdays is None or wall.isoweekday() % 7 in self.weekdays
        restricted = self.days is not None and self.weekdays is not None
        return (
            (self.minutes is None or wall.minute in self.minutes)
            and (self.hours is None or wall.hour in self.hours)
            and (day or weekday if restricted and self.day_or else day and weekday)
        )


def subsets(values, size):
    return st.none() | st.sets(st.sampled_from(values), min_size=1, max_size=size)


crons = st.builds(
    Cron,
    minutes=subsets([0, 1, 15, 29, 30, 31, 45, 59], 3),
    hours=subsets([0, 1, 1, 2, 2, 3, 12, 22, 23], 4) | st.just(set(range(24))),
    days=subsets(list(range(1, 32)), 28),
    weekdays=subsets(list(range(7)), 6),
    day_or=st.booleans(),
)


def expected_cron(cron: Cron, zone, after, end) -> list[datetime.datetime]:
    minutes = Minutes(zone, after, end)
    if cron.every_hour:
        pairs = zip(minutes.instants, minutes.walls, strict=True)
        return [t for t, wall in pairs if after < t <= end and cron.matches(wall)]
    found = {minutes.instant_of(wall) for wall in minutes.all_walls() if cron.matches(wall)}
    return sorted(t for t in found if t is not None and after < t <= end)


@given(places(), crons)
def test_cron_agrees_with_the_oracle(place, cron) -> None:
    zone, after = place
    end = after.replace(second=0, microsecond=0) + 3 * DAY
    clock = CronClock(str(cron), start_date=FIRST.astimezone(zone), day_or=cron.day_or)

    events = [
        e.start_time
        for e in takewhile(lambda e: e.start_time.astimezone(UTC) <= end, clock.events(after))
    ]

    assert [t.astimezone(UTC) for t in events] == expected_cron(cron, zone, after, end)
    assert all(str(t.tzinfo) == zone.key for t in events)  # UTC is the standard library's own


@given(places(), crons)
def test_cron_goes_on_the_same_from_any_of_its_events(place, cron) -> None:
    zone, after = place
    schedule = Schedule(
        [CronClock(str(cron), start_date=FIRST.astimezone(zone), day_or=cron.day_or)]
    )

    times = schedule.next(12, after=after)

    instants = [t.astimezone(UTC) for t in times]
    assert all(a < b for a, b in pairwise([after, *instants]))
    for n in (0, 3, 7, 10):
        again = schedule.next(12 - n - 1, after=times[n])
        assert [t.astimezone(UTC) for t in again] == instants[n + 1 :]


@given(places(), st.integers(0, 1439))
def test_a_daily_cron_never_skips_or_doubles_a_day(place, minute) -> None:
    zone, after = place
    offsets = [(after + n * DAY).astimezone(zone).utcoffset() for n in range(-1, 14)]
    # Moves over the date line, and bases in Antarctica that close for the winter, are elsewhere.
    assume(all(abs(b - a) <= 2 * HOUR for a, b in pairwise(offsets)))
    clock = CronClock(f"{minute % 60} {minute // 60} * * *", start_date=FIRST.astimezone(zone))

    dates = [e.start_time.date() for e in islice(clock.events(after), 10)]

    assert all(b - a == DAY for a, b in pairwise(dates))


@given(places(), st.sampled_from([0, 5, 30]))
def test_an_hourly_cron_ticks_each_absolute_hour(place, minute) -> None:
    zone, after = place
    whole_hours = all(
        (after + n * DAY).astimezone(zone).utcoffset() % HOUR
        == after.astimezone(zone).utcoffset() % HOUR
        for n in range(-1, 6)
    )
    clock = CronClock(f"{minute} * * * *", start_date=FIRST.astimezone(zone))

    events = [e.start_time.astimezone(UTC) for e in islice(clock.events(after), 72)]

    if whole_hours:
        assert {b - a for a, b in pairwise(events)} == {HOUR}
    assert all(t.astimezone(zone).minute == minute for t in events)


@given(places(), st.integers(1, 86_399), st.integers(-5, 5))
def test_an_interval_under_a_day_is_elapsed_time(place, seconds, shift) -> None:
    zone, start = place
    interval = datetime.timedelta(seconds=seconds)
    after = start + shift * interval / 2
    clock = IntervalClock(interval, start_date=start.astimezone(zone))

    events = [e.start_time for e in islice(clock.events(after), 20)]

    expected = [t for n in range(40) if (t := start + n * interval) > after][:20]
    assert [t.astimezone(UTC) for t in events] == expected
    assert all(str(t.tzinfo) == zone.key for t in events)  # UTC is the standard library's own


@given(places(), st.integers(1, 3), st.sampled_from([0, 0, 0, 60, 720, 90]), st.integers(0, 8))
def test_an_interval_of_days_follows_the_wall(place, days, minutes, later) -> None:
    zone, start = place
    start = start.replace(second=0, microsecond=0)
    interval = datetime.timedelta(days=days, minutes=minutes)
    after = start + later * DAY - MINUTE
    end = after + 9 * DAY
    clock = IntervalClock(interval, start_date=start.astimezone(zone))

    events = [
        e.start_time.astimezone(UTC)
        for e in takewhile(lambda e: e.start_time.astimezone(UTC) <= end, clock.events(after))
    ]

    oracle = Minutes(zone, start, end)
    wall = start.astimezone(zone).replace(tzinfo=None, fold=0)
    found = {oracle.instant_of(wall + n * interval) for n in range(1, 20)} | {start}
    expected = sorted(t for t in found if t is not None and t >= start)
    assert events == expected[bisect_right(expected, after) : bisect_right(expected, end)]


@given(places(), st.integers(1, 3), st.integers(0, 10))
def test_an_interval_goes_on_the_same_from_any_of_its_events(place, days, n) -> None:
    zone, start = place
    schedule = Schedule([IntervalClock(days * DAY, start_date=start.astimezone(zone))])

    times = [t.astimezone(UTC) for t in schedule.next(12, after=start - DAY)]

    assert times[0] == start
    assert all(a < b for a, b in pairwise(times))
    assert [t.astimezone(UTC) for t in schedule.next(11 - n, after=times[n])] == times[n + 1 :]

import datetime
from datetime import UTC, timedelta
from itertools import islice, pairwise
from time import perf_counter
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import (
    DAILY,
    FR,
    HOURLY,
    MINUTELY,
    MO,
    MONTHLY,
    SECONDLY,
    WEEKLY,
    YEARLY,
    rrule,
    rruleset,
)
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import ScheduleError, ScheduleTypeError
from headrace.core.schedules.clocks import RRuleClock

NEW_YORK = ZoneInfo("America/New_York")
DAY = timedelta(days=1)


def at(*args: int) -> datetime.datetime:
    return datetime.datetime(*args, tzinfo=UTC)


def local(*args: int) -> datetime.datetime:
    return datetime.datetime(*args, tzinfo=NEW_YORK)


def times(clock: RRuleClock, after: datetime.datetime, n: int) -> list[datetime.datetime]:
    return [event.start_time for event in islice(clock.events(after), n)]


def walls(clock: RRuleClock, after: datetime.datetime, n: int) -> list[str]:
    return [time.isoformat(timespec="minutes") for time in times(clock, after, n)]


def test_a_naive_rule_is_utc() -> None:
    clock = RRuleClock(rrule(DAILY, dtstart=datetime.datetime(2024, 1, 1, 9)))
    assert times(clock, at(2024, 1, 5), 2) == [at(2024, 1, 5, 9), at(2024, 1, 6, 9)]


def test_after_is_excluded_and_the_start_date_included() -> None:
    rule = rrule(HOURLY, dtstart=at(2018, 1, 1))
    assert times(RRuleClock(rule), at(2024, 1, 1), 1) == [at(2024, 1, 1, 1)]
    assert times(RRuleClock(rule, start_date=at(2020, 1, 1)), at(2019, 1, 1), 1) == [at(2020, 1, 1)]
    ended = RRuleClock(rule, end_date=at(2020, 1, 1))
    assert times(ended, at(2019, 12, 31, 22), 5) == [at(2019, 12, 31, 23), at(2020, 1, 1)]


def test_a_rule_follows_the_wall_of_its_zone() -> None:
    clock = RRuleClock(rrule(DAILY, dtstart=local(2024, 3, 8, 2, 30)))
    assert walls(clock, at(2024, 3, 9), 3) == [
        "2024-03-09T02:30-05:00",
        "2024-03-10T03:00-04:00",
        "2024-03-11T02:30-04:00",
    ]


def test_until_and_count_end_a_rule() -> None:
    until = RRuleClock(rrule(WEEKLY, dtstart=local(2024, 1, 1), until=local(2024, 1, 15)))
    assert [t.day for t in times(until, at(2023, 1, 1), 9)] == [1, 8, 15]
    count = RRuleClock(rrule(DAILY, dtstart=local(2024, 1, 1), count=3))
    assert [t.day for t in times(count, at(2024, 1, 2, 8), 9)] == [3]


def test_a_set_adds_and_takes_away() -> None:
    rules = rruleset()
    rules.rrule(rrule(DAILY, dtstart=local(2024, 3, 8, 9)))
    rules.exrule(rrule(WEEKLY, byweekday=FR, dtstart=local(2024, 3, 8, 9)))
    rules.rdate(local(2024, 3, 9, 12))
    rules.rdate(local(2024, 3, 10, 9))
    rules.exdate(local(2024, 3, 11, 9))
    assert walls(RRuleClock(rules), at(2024, 3, 1), 4) == [
        "2024-03-09T09:00-05:00",
        "2024-03-09T12:00-05:00",
        "2024-03-10T09:00-04:00",
        "2024-03-12T09:00-04:00",
    ]


def test_a_set_of_sets_in_several_zones() -> None:
    inner, outer = rruleset(), rruleset()
    inner.rrule(rrule(DAILY, dtstart=local(2024, 1, 1, 9)))
    outer.rrule(inner)
    outer.rrule(rrule(DAILY, dtstart=datetime.datetime(2024, 1, 1, 12)))
    assert walls(RRuleClock(outer), at(2024, 1, 2), 2) == [
        "2024-01-02T12:00+00:00",
        "2024-01-02T09:00-05:00",
    ]


def test_a_set_that_takes_all_away_ends_after_a_bounded_search() -> None:
    rules = rruleset()
    rules.rrule(rrule(SECONDLY, dtstart=at(2024, 1, 1)))
    rules.exrule(rrule(SECONDLY, dtstart=at(2024, 1, 1)))
    assert times(RRuleClock(rules), at(2024, 1, 1), 1) == []
    assert times(RRuleClock(rruleset()), at(2024, 1, 1), 1) == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"freq": YEARLY, "bymonth": 2, "bymonthday": 30},
        {"freq": MONTHLY, "bymonth": 2, "bymonthday": 31},
        {"freq": WEEKLY, "bymonth": 2, "bymonthday": 30},
        {"freq": DAILY, "bymonth": 4, "bymonthday": 31},
        {"freq": DAILY, "interval": 7, "byweekday": MO, "dtstart": at(2024, 1, 2)},
        {"freq": SECONDLY, "bymonth": 2, "bymonthday": 31},
        {"freq": SECONDLY, "bysetpos": 2, "byweekday": MO},
        {"freq": MINUTELY, "bysetpos": 2, "byweekday": MO},
        {"freq": HOURLY, "bysetpos": 61, "byminute": list(range(60))},
        {"freq": MINUTELY, "interval": 1440, "byhour": 3, "dtstart": at(2024, 1, 2, 4)},
    ],
)
def test_a_rule_that_never_fires_is_refused_in_bounded_time(arguments) -> None:
    started = perf_counter()
    with pytest.raises(ScheduleError, match="FREQ=.* never fires"):
        RRuleClock(rrule(**{"dtstart": at(2024, 1, 1), **arguments}))
    assert perf_counter() - started < 20


def test_a_rule_that_never_moves_on_is_refused() -> None:
    with pytest.raises(ScheduleError, match="interval is less than 1"):
        RRuleClock(rrule(DAILY, interval=0, dtstart=at(2024, 1, 1)))
    rules = rruleset()
    rules.exrule(rrule(DAILY, interval=0, dtstart=at(2024, 1, 1)))
    with pytest.raises(ScheduleError, match="interval is less than 1"):
        RRuleClock(rules)


@pytest.mark.parametrize("value", [42, "FREQ=DAILY", None])
def test_what_is_no_rule_is_refused(value) -> None:
    with pytest.raises(ScheduleTypeError, match=r"takes a dateutil.rrule.rrule or rruleset"):
        RRuleClock(value)


def test_a_long_past_costs_little() -> None:
    clock = RRuleClock(rrule(SECONDLY, interval=7, dtstart=at(1990, 1, 1)))
    started = perf_counter()
    assert times(clock, at(2024, 1, 1), 1)[0] > at(2024, 1, 1)
    assert perf_counter() - started < 5


def test_it_says_what_it_is() -> None:
    assert "FREQ=DAILY" in repr(RRuleClock(rrule(DAILY, dtstart=at(2024, 1, 1))))
    assert "set" in repr(RRuleClock(rruleset()))


rules = st.builds(
    lambda freq, interval, minute, byweekday, byhour, bysetpos: rrule(
        freq,
        interval=interval,
        byweekday=byweekday,
        byhour=byhour,
        bysetpos=bysetpos if byhour else None,
        dtstart=datetime.datetime(2024, 1, 1, 8, minute),
    ),
    freq=st.sampled_from([WEEKLY, DAILY, HOURLY, MINUTELY]),
    interval=st.integers(1, 5),
    minute=st.integers(0, 59),
    byweekday=st.none() | st.lists(st.integers(0, 6), min_size=4, max_size=6),
    byhour=st.none() | st.sampled_from([[8, 9, 13], list(range(24))]),
    bysetpos=st.none() | st.just(1),
)


@given(rules, st.integers(0, 60 * 24 * 60))
def test_it_agrees_with_dateutil(rule, minutes) -> None:
    after = datetime.datetime(2024, 1, 1) + timedelta(minutes=minutes)
    found = times(RRuleClock(rule), after, 5)
    expected = [t.replace(tzinfo=UTC) for t in rule.xafter(after, count=5)]
    assert found == expected


@given(rules, st.integers(0, 60 * 24))
def test_it_rises_across_a_change_of_the_clocks(rule, minutes) -> None:
    clock = RRuleClock(rule.replace(dtstart=local(2024, 11, 1, 8)))
    after = at(2024, 11, 2, 20) + timedelta(minutes=minutes)
    found = [t.astimezone(UTC) for t in times(clock, after, 12)]
    assert all(a < b for a, b in pairwise([after, *found]))
    for n in (0, 5):
        assert [t.astimezone(UTC) for t in times(clock, found[n], 11 - n)] == found[n + 1 :]

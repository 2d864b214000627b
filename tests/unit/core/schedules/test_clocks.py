"""What all clocks have in common, and each kind's own."""

import datetime
from datetime import UTC, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from headrace.core.errors import CronError, ScheduleError, ScheduleTypeError
from headrace.core.now import replaced
from headrace.core.schedules.clocks import (
    Clock,
    ClockEvent,
    CronClock,
    DatesClock,
    IntervalClock,
)

NEW_YORK = ZoneInfo("America/New_York")
HOUR = timedelta(hours=1)


def at(*args: int) -> datetime.datetime:
    return datetime.datetime(*args, tzinfo=UTC)


def local(*args: int, fold: int = 0) -> datetime.datetime:
    return datetime.datetime(*args, tzinfo=NEW_YORK, fold=fold)


def times(clock: Clock, after: datetime.datetime | None, n: int) -> list[datetime.datetime]:
    return [event.start_time for event in islice(clock.events(after), n)]


def walls(clock: Clock, after: datetime.datetime, n: int) -> list[str]:
    return [time.isoformat(timespec="minutes") for time in times(clock, after, n)]


# -- events -----------------------------------------------------------------------------------


class TestClockEvent:
    def test_its_parts(self) -> None:
        event = ClockEvent(at(2024, 1, 1), {"x": 1}, ["gpu"])
        assert (event.start_time, event.parameter_defaults, event.labels) == (
            at(2024, 1, 1),
            {"x": 1},
            ["gpu"],
        )
        assert ClockEvent(at(2024, 1, 1)).parameter_defaults == {}
        assert ClockEvent(at(2024, 1, 1)).labels is None

    def test_it_compares_by_instant_with_events_and_datetimes(self) -> None:
        event = ClockEvent(local(2024, 11, 3, 1, 30, fold=1))
        assert event == at(2024, 11, 3, 6, 30)
        assert at(2024, 11, 3, 6, 30) == event
        # The wall clock says the same; the instant is an hour earlier.
        assert event > local(2024, 11, 3, 1, 30)
        assert event > ClockEvent(local(2024, 11, 3, 1, 30))
        assert event != local(2024, 11, 3, 1, 30)
        assert not event < local(2024, 11, 3, 1, 30)
        assert ClockEvent(at(2024, 1, 1)) < at(2024, 1, 2)

    def test_equal_events_have_equal_parameters_and_labels(self) -> None:
        event = ClockEvent(at(2024, 1, 1), {"x": 1}, ["a"])
        assert event == ClockEvent(at(2024, 1, 1), {"x": 1}, ["a"])
        assert event != ClockEvent(at(2024, 1, 1), {"x": 2}, ["a"])
        assert event != ClockEvent(at(2024, 1, 1), {"x": 1}, ["b"])
        assert event != "2024-01-01"
        assert len({event, ClockEvent(at(2024, 1, 1), {"x": 1}, ["a"])}) == 1

    def test_it_is_not_ordered_with_other_things(self) -> None:
        with pytest.raises(TypeError):
            assert ClockEvent(at(2024, 1, 1)) < 5
        with pytest.raises(TypeError):
            assert ClockEvent(at(2024, 1, 1)) > "now"

    def test_it_says_what_it_is(self) -> None:
        assert repr(ClockEvent(at(2024, 1, 1))) == "ClockEvent(2024-01-01T00:00:00+00:00)"
        assert "labels=['a']" in repr(ClockEvent(at(2024, 1, 1), {"x": 1}, ["a"]))


# -- all clocks -------------------------------------------------------------------------------


def test_a_clock_of_ones_own_has_to_say_its_events() -> None:
    with pytest.raises(NotImplementedError, match="Clock does not define `events`"):
        Clock().events()


@pytest.mark.parametrize(
    "make",
    [
        lambda **kw: IntervalClock(timedelta(days=1), start_date=at(2024, 1, 1), **kw),
        lambda **kw: CronClock("0 0 * * *", **kw),
        lambda **kw: DatesClock([at(2024, 1, 2), at(2024, 1, 3)], **kw),
    ],
)
def test_events_carry_what_the_clock_says(make) -> None:
    clock = make(parameter_defaults={"x": 1}, labels=["a"])
    events = list(islice(clock.events(at(2024, 1, 1)), 2))
    assert events == [
        ClockEvent(at(2024, 1, 2), {"x": 1}, ["a"]),
        ClockEvent(at(2024, 1, 3), {"x": 1}, ["a"]),
    ]


@pytest.mark.parametrize("clock", [IntervalClock(HOUR), CronClock("0 * * * *")])
def test_events_come_after_now_by_default(clock) -> None:
    with replaced(at(2024, 5, 5, 12, 30)):
        assert times(clock, None, 2) == [at(2024, 5, 5, 13), at(2024, 5, 5, 14)]


@pytest.mark.parametrize("clock", [IntervalClock(HOUR), CronClock("0 * * * *")])
def test_a_naive_after_is_utc(clock) -> None:
    assert times(clock, datetime.datetime(2024, 5, 5, 12), 1) == [at(2024, 5, 5, 13)]


@pytest.mark.parametrize(
    "end", [at(2024, 1, 2), datetime.datetime(2024, 1, 2), local(2024, 1, 1, 19)]
)
def test_the_end_date_is_included(end) -> None:
    for clock in (
        IntervalClock(timedelta(hours=12), end_date=end),
        CronClock("0 */12 * * *", end_date=end),
    ):
        assert times(clock, at(2024, 1, 1), 9) == [at(2024, 1, 1, 12), at(2024, 1, 2)]
        assert times(clock, at(2024, 1, 2), 9) == []


def test_the_last_year_of_all_ends_a_clock() -> None:
    for clock in (
        IntervalClock(timedelta(days=20)),
        CronClock("0 0 1 * *"),
        IntervalClock(timedelta(days=20), local(2024, 1, 1)),
    ):
        assert len(times(clock, at(9999, 11, 20), 99)) <= 2
        assert times(clock, datetime.datetime.max, 5) == []


def test_the_first_year_of_all_begins_one() -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    start = datetime.datetime(1, 1, 2, tzinfo=tokyo)
    for clock in (IntervalClock(timedelta(days=1), start), CronClock("0 0 * * *", start)):
        assert len(times(clock, datetime.datetime.min, 3)) == 3
    with pytest.raises(ScheduleError, match="CronClock's start_date, 0001-01-01 .* is beyond"):
        CronClock("0 0 * * *", datetime.datetime(1, 1, 1, tzinfo=tokyo))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: IntervalClock(HOUR, start_date="2024-01-01"), ScheduleTypeError, "IntervalClock's start_date must be a datetime, not '2024-01-01'"),
        (lambda: CronClock("@daily", end_date=7), ScheduleTypeError, "CronClock's end_date must be a datetime, not 7"),
        (lambda: IntervalClock(HOUR, at(2024, 1, 2), at(2024, 1, 1)), ScheduleError, "comes before its start_date"),
        (lambda: IntervalClock(HOUR, parameter_defaults=["x"]), ScheduleTypeError, r"parameter_defaults must be a dict, not \['x'\]"),
        (lambda: IntervalClock(HOUR, labels="gpu"), ScheduleTypeError, "labels must be a list of strings, not 'gpu'"),
        (lambda: IntervalClock(HOUR, labels=[1]), ScheduleTypeError, "labels must be strings, and 1 is not"),
        (lambda: IntervalClock(None), ScheduleTypeError, r"must be a datetime.timedelta.*not None"),
        (lambda: IntervalClock(60), ScheduleTypeError, r"must be a datetime.timedelta.*not 60"),
        (lambda: IntervalClock(timedelta(0)), ScheduleError, "greater than 0"),
        (lambda: IntervalClock(-HOUR), ScheduleError, "greater than 0"),
        (lambda: DatesClock([]), ScheduleError, "at least one date"),
        (lambda: DatesClock(at(2024, 1, 1)), ScheduleTypeError, "must be a list of datetimes"),
        (lambda: DatesClock("soon"), ScheduleTypeError, "each of DatesClock's dates must be a datetime, not 's'"),
        (lambda: CronClock(5), ScheduleTypeError, "must be a string, not 5"),
    ],
)  # fmt: skip
def test_bad_input_is_named(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()


# -- IntervalClock ----------------------------------------------------------------------------


class TestIntervalClock:
    def test_it_counts_from_2019_by_default(self) -> None:
        clock = IntervalClock(timedelta(days=1))
        assert clock.start_date is None
        assert times(clock, at(2000, 1, 1), 2) == [at(2019, 1, 1), at(2019, 1, 2)]

    def test_after_is_excluded_and_the_start_date_included(self) -> None:
        clock = IntervalClock(HOUR, start_date=at(2024, 1, 1))
        assert times(clock, at(2020, 1, 1), 2) == [at(2024, 1, 1), at(2024, 1, 1, 1)]
        assert times(clock, at(2024, 1, 1), 1) == [at(2024, 1, 1, 1)]
        assert times(clock, at(2024, 1, 1) - timedelta(microseconds=1), 1) == [at(2024, 1, 1)]

    def test_it_keeps_to_its_microseconds(self) -> None:
        start = at(2024, 1, 1, 0, 0, 0, 7)
        assert times(IntervalClock(HOUR, start), at(2024, 1, 1, 5), 1) == [start + 5 * HOUR]

    def test_an_odd_interval_does_not_drift(self) -> None:
        step = timedelta(microseconds=333_333)
        clock = IntervalClock(step, start_date=at(2024, 1, 1))
        far = at(2024, 1, 1) + 10**8 * step
        assert times(clock, far, 1) == [far + step]

    def test_hours_across_a_change_of_the_clocks(self) -> None:
        hourly = IntervalClock(HOUR, start_date=local(2024, 1, 1))
        assert walls(hourly, local(2024, 3, 10, 0), 3) == [
            "2024-03-10T01:00-05:00",
            "2024-03-10T03:00-04:00",
            "2024-03-10T04:00-04:00",
        ]
        assert walls(hourly, local(2024, 11, 3, 0), 3) == [
            "2024-11-03T01:00-04:00",
            "2024-11-03T01:00-05:00",
            "2024-11-03T02:00-05:00",
        ]

    def test_days_across_a_change_of_the_clocks(self) -> None:
        daily = IntervalClock(timedelta(days=1), start_date=local(2024, 3, 8, 2, 30))
        assert walls(daily, local(2024, 3, 9), 3) == [
            "2024-03-09T02:30-05:00",
            "2024-03-10T03:00-04:00",
            "2024-03-11T02:30-04:00",
        ]

    def test_a_start_date_that_does_not_exist_is_the_end_of_the_gap(self) -> None:
        daily = IntervalClock(timedelta(days=1), start_date=local(2024, 3, 10, 2, 30))
        assert walls(daily, local(2024, 3, 9), 2) == [
            "2024-03-10T03:00-04:00",
            "2024-03-11T02:30-04:00",
        ]

    def test_a_start_date_that_is_the_second_of_two(self) -> None:
        daily = IntervalClock(timedelta(days=1), start_date=local(2024, 11, 3, 1, 30, fold=1))
        assert walls(daily, local(2024, 11, 1), 2) == [
            "2024-11-03T01:30-05:00",
            "2024-11-04T01:30-05:00",
        ]

    def test_a_missing_date_is_left_out(self) -> None:
        apia = ZoneInfo("Pacific/Apia")
        daily = IntervalClock(timedelta(days=1), datetime.datetime(2011, 12, 28, 8, tzinfo=apia))
        assert walls(daily, at(2011, 12, 20), 3) == [
            "2011-12-28T08:00-10:00",
            "2011-12-29T08:00-10:00",
            "2011-12-31T08:00+14:00",
        ]

    def test_a_long_past_costs_nothing(self) -> None:
        clock = IntervalClock(timedelta(microseconds=1), start_date=at(1, 1, 2))
        assert times(clock, at(9000, 1, 1), 1) == [at(9000, 1, 1) + timedelta(microseconds=1)]


# -- CronClock --------------------------------------------------------------------------------


class TestCronClock:
    @pytest.mark.parametrize(
        ("cron", "expected"),
        [
            ("30 9 * * 1-5", ["2024-01-01T09:30", "2024-01-02T09:30", "2024-01-03T09:30"]),
            ("0 0 1 */3 *", ["2024-04-01T00:00", "2024-07-01T00:00", "2024-10-01T00:00"]),
            ("@weekly", ["2024-01-07T00:00", "2024-01-14T00:00", "2024-01-21T00:00"]),
            ("0 12 L * *", ["2024-01-31T12:00", "2024-02-29T12:00", "2024-03-31T12:00"]),
            ("0 12 * * 2#3", ["2024-01-16T12:00", "2024-02-20T12:00", "2024-03-19T12:00"]),
            ("0 12 * * L5", ["2024-01-26T12:00", "2024-02-23T12:00", "2024-03-29T12:00"]),
            ("0 12 15W jun *", ["2024-06-14T12:00", "2025-06-16T12:00", "2026-06-15T12:00"]),
            ("0 0 29 feb *", ["2024-02-29T00:00", "2028-02-29T00:00", "2032-02-29T00:00"]),
            ("0 0 1 1 * 15 2030", ["2030-01-01T00:00"]),
            ("0 0 * * 7", ["2024-01-07T00:00", "2024-01-14T00:00", "2024-01-21T00:00"]),
        ],
    )
    def test_expressions(self, cron, expected) -> None:
        found = times(CronClock(cron), at(2024, 1, 1), 3)
        assert [f"{time:%Y-%m-%dT%H:%M}" for time in found] == expected

    def test_seconds(self) -> None:
        found = times(CronClock("* * * * * */30"), at(2024, 1, 1, 0, 0, 0, 1), 2)
        assert found == [at(2024, 1, 1, 0, 0, 30), at(2024, 1, 1, 0, 1)]

    def test_day_or(self) -> None:
        either = times(CronClock("0 0 1-7 * 2"), at(2024, 1, 31), 3)
        both = times(CronClock("0 0 1-7 * 2", day_or=False), at(2024, 1, 31), 3)
        assert [t.day for t in either] == [1, 2, 3]
        assert [(t.month, t.day) for t in both] == [(2, 6), (3, 5), (4, 2)]
        assert CronClock("@daily").day_or is True

    def test_the_start_date_is_included(self) -> None:
        clock = CronClock("0 0 * * *", start_date=at(2024, 1, 5))
        assert times(clock, at(2024, 1, 1), 2) == [at(2024, 1, 5), at(2024, 1, 6)]
        later = CronClock("0 0 * * *", start_date=at(2024, 1, 5, 0, 0, 0, 1))
        assert times(later, at(2024, 1, 1), 1) == [at(2024, 1, 6)]

    def test_it_follows_the_zone_of_its_start_date(self) -> None:
        clock = CronClock("0 9 * * *", start_date=local(2024, 1, 1))
        found = times(clock, local(2024, 3, 9), 3)
        assert [t.astimezone(UTC).hour for t in found] == [14, 13, 13]
        assert {t.hour for t in found} == {9}
        assert {t.tzinfo for t in found} == {NEW_YORK}

    @pytest.mark.parametrize(
        ("cron", "after", "expected"),
        [
            # A time that does not exist: once, at the first instant after the gap.
            ("30 2 * * *", local(2024, 3, 9, 12), ["2024-03-10T03:00-04:00", "2024-03-11T02:30-04:00"]),
            ("*/20 2 * * *", local(2024, 3, 9, 12), ["2024-03-10T03:00-04:00", "2024-03-11T02:00-04:00"]),
            ("0 2,3 * * *", local(2024, 3, 9, 12), ["2024-03-10T03:00-04:00", "2024-03-11T02:00-04:00"]),
            # A time that comes twice: once, at the first.
            ("30 1 * * *", local(2024, 11, 2, 12), ["2024-11-03T01:30-04:00", "2024-11-04T01:30-05:00"]),
            ("30 1 * * *", local(2024, 11, 3, 1, 30), ["2024-11-04T01:30-05:00", "2024-11-05T01:30-05:00"]),
            ("30 1 * * *", local(2024, 11, 3, 1, 10, fold=1), ["2024-11-04T01:30-05:00", "2024-11-05T01:30-05:00"]),
            # Every hour: each absolute hour.
            ("0 * * * *", local(2024, 3, 10, 1), ["2024-03-10T03:00-04:00", "2024-03-10T04:00-04:00"]),
            ("30 * * * *", local(2024, 3, 10, 1), ["2024-03-10T01:30-05:00", "2024-03-10T03:30-04:00"]),
            ("0 0-23 * * *", local(2024, 11, 3, 0), ["2024-11-03T01:00-04:00", "2024-11-03T01:00-05:00"]),
            ("*/30 * * * *", local(2024, 11, 3, 1, 15), ["2024-11-03T01:30-04:00", "2024-11-03T01:00-05:00"]),
            ("*/30 * * * *", local(2024, 11, 3, 1, 15, fold=1), ["2024-11-03T01:30-05:00", "2024-11-03T02:00-05:00"]),
            ("0 * * * 0", local(2024, 11, 3, 1, 30), ["2024-11-03T01:00-05:00", "2024-11-03T02:00-05:00"]),
        ],
    )  # fmt: skip
    def test_a_change_of_the_clocks(self, cron, after, expected) -> None:
        assert walls(CronClock(cron, start_date=local(2024, 1, 1)), after, 2) == expected

    def test_a_gap_at_midnight(self) -> None:
        santiago = ZoneInfo("America/Santiago")
        clock = CronClock(
            "0 0 * * 0", start_date=datetime.datetime(2022, 8, 21, 10, tzinfo=santiago)
        )
        assert walls(clock, at(2022, 8, 22), 3) == [
            "2022-08-28T00:00-04:00",
            "2022-09-04T00:00-04:00",
            "2022-09-11T01:00-03:00",
        ]

    def test_a_missing_date_is_left_out(self) -> None:
        apia = ZoneInfo("Pacific/Apia")
        clock = CronClock("0 8 * * *", datetime.datetime(2011, 12, 28, tzinfo=apia))
        assert walls(clock, at(2011, 12, 28), 3) == [
            "2011-12-28T08:00-10:00",
            "2011-12-29T08:00-10:00",
            "2011-12-31T08:00+14:00",
        ]

    @pytest.mark.parametrize(
        ("cron", "reason"),
        [
            ("99 * * * *", "'99' is nothing that the field for the minute can hold; it takes 0 to 59"),
            ("0 24 * * *", "'24' .* hour"),
            ("0 0 0 * *", "'0' .* day of the month"),
            ("0 0 * 13 *", "'13' .* month"),
            ("0 0 * * mon-xyz", "'mon-xyz' .* day of the week"),
            ("*/0 * * * *", r"'\*/0' .* minute"),
            ("H * * * *", "'H' .* minute"),
            ("* * * *", "5 fields .* this has 4"),
            ("", "5 fields .* this has 0"),
            ("* * * * * * * *", "this has 8"),
            ("hello world", "this has 2"),
            ("@reboot", "no such name; there are @annually"),
            ("R * * * *", "draws its times anew"),
            ("0 R(1-5) * * *", "draws its times anew"),
            ("0 0 31 2 *", "no date ever matches it, so it would never fire"),
            ("0 0 31 4,6,9,11 *", "no date ever matches"),
            ("0 0 30 2 1", None),
            ("0 0 8-14 * 1#5", "no date ever matches"),
        ],
    )  # fmt: skip
    def test_a_bad_expression_is_named_with_the_reason(self, cron, reason) -> None:
        if reason is None:
            # "Or" makes it possible: each Monday in February.
            assert times(CronClock(cron), at(2024, 1, 1), 1) == [at(2024, 2, 5)]
            with pytest.raises(CronError, match="no date ever matches"):
                CronClock(cron, day_or=False)
            return
        with pytest.raises(CronError, match=reason) as raised:
            CronClock(cron)
        assert repr(cron) in str(raised.value)
        assert raised.value.expression == cron

    def test_its_error_survives_pickling(self) -> None:
        import pickle

        error = pickle.loads(pickle.dumps(CronError("* *", "too short")))
        assert (error.expression, error.reason) == ("* *", "too short")
        assert "too short" in str(error)


# -- DatesClock -------------------------------------------------------------------------------


class TestDatesClock:
    def test_dates_are_sorted_and_come_once(self) -> None:
        clock = DatesClock([at(2024, 1, 3), at(2024, 1, 1), datetime.datetime(2024, 1, 3)])
        assert times(clock, at(2020, 1, 1), 9) == [at(2024, 1, 1), at(2024, 1, 3)]
        assert times(clock, at(2024, 1, 1), 9) == [at(2024, 1, 3)]
        assert times(clock, at(2024, 1, 3), 9) == []

    def test_its_start_and_end(self) -> None:
        clock = DatesClock([at(2024, 1, 1, 3), local(2023, 12, 31, 23), local(2024, 1, 1)])
        assert clock.start_date == at(2024, 1, 1, 3)
        assert clock.end_date == local(2024, 1, 1)

    def test_each_date_keeps_its_zone(self) -> None:
        clock = DatesClock(iter([at(2024, 1, 1), local(2024, 1, 1)]))
        assert [t.tzinfo for t in times(clock, at(2020, 1, 1), 9)] == [UTC, NEW_YORK]

    def test_both_of_two_equal_wall_clock_times(self) -> None:
        both = [local(2024, 11, 3, 1, fold=1), local(2024, 11, 3, 1)]
        assert walls(DatesClock(both), at(2024, 1, 1), 9) == [
            "2024-11-03T01:00-04:00",
            "2024-11-03T01:00-05:00",
        ]


@pytest.mark.parametrize(
    "clock",
    [
        IntervalClock(HOUR),
        CronClock("@daily", local(2024, 1, 1)),
        DatesClock([at(2024, 1, 1)]),
        Clock(),
    ],
)
def test_a_clock_says_what_it_is(clock) -> None:
    assert type(clock).__name__ in repr(clock)

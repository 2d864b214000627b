import datetime
import json
import pickle
from datetime import UTC, time, timedelta
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import DAILY, FR, MO, WEEKLY, rrule, rruleset
from hypothesis import given
from hypothesis import strategies as st

from headrace import schedules
from headrace.core.dates import show_dates_as
from headrace.core.errors import (
    NoMoreEventsError,
    ScheduleError,
    ScheduleSerializationError,
    ScheduleTypeError,
    ZoneError,
)
from headrace.core.now import replaced
from headrace.schedules import CronSchedule, IntervalSchedule, RRuleSchedule, Schedule
from headrace.schedules.adjustments import add, next_weekday
from headrace.schedules.clocks import (
    Clock,
    ClockEvent,
    CronClock,
    DatesClock,
    IntervalClock,
)
from headrace.schedules.filters import (
    at_time,
    between_dates,
    between_datetimes,
    between_times,
    is_day_of_week,
    is_month_end,
    is_weekday,
    is_weekend,
    on_date,
    on_datetime,
)

NEW_YORK = ZoneInfo("America/New_York")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def at(*args: int) -> datetime.datetime:
    return datetime.datetime(*args, tzinfo=UTC)


def local(*args: int) -> datetime.datetime:
    return datetime.datetime(*args, tzinfo=NEW_YORK)


def instants(times: list[datetime.datetime]) -> list[datetime.datetime]:
    return [t.astimezone(UTC) for t in times]


class ListClock(Clock):
    """A clock of a user's own, which gives what it is told to."""

    def __init__(self, *times: datetime.datetime) -> None:
        super().__init__()
        self.times = times

    def events(self, after=None):
        return iter([ClockEvent(time) for time in self.times])


# -- the public names -------------------------------------------------------------------------


def test_all_names_are_where_they_are_expected() -> None:
    assert schedules.clocks.CronClock is CronClock
    assert schedules.schedules.Schedule is Schedule is schedules.Schedule
    assert schedules.filters.is_weekday is is_weekday
    assert schedules.adjustments.add is add


def test_importing_schedules_imports_little() -> None:
    import subprocess
    import sys

    code = (
        "import sys, datetime, headrace.schedules as s\n"
        "s.IntervalSchedule(interval=datetime.timedelta(days=1)).next(1)\n"
        "print(sorted({'croniter', 'dateutil', 'zoneinfo'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# -- next -------------------------------------------------------------------------------------


class TestNext:
    def test_times_or_events(self) -> None:
        schedule = IntervalSchedule(interval=DAY)
        times = schedule.next(2, after=at(2024, 1, 1))
        events = schedule.next(2, after=at(2024, 1, 1), return_events=True)
        assert times == [at(2024, 1, 2), at(2024, 1, 3)] == [e.start_time for e in events]
        assert all(type(t) is datetime.datetime for t in times)
        assert all(type(e) is ClockEvent for e in events)

    def test_it_counts_from_now_by_default(self) -> None:
        with replaced(at(2024, 5, 5, 12, 30)):
            assert CronSchedule("0 * * * *").next(1) == [at(2024, 5, 5, 13)]
            assert CronSchedule("0 * * * *").next_event() == at(2024, 5, 5, 13)

    def test_none_are_none(self) -> None:
        assert IntervalSchedule(interval=HOUR).next(0) == []

    @pytest.mark.parametrize(
        ("n", "error", "message"),
        [
            (-1, ScheduleError, "0 or more, not -1"),
            (1.5, ScheduleTypeError, "must be an int, not 1.5"),
            (True, ScheduleTypeError, "must be an int, not True"),
            ("3", ScheduleTypeError, "must be an int, not '3'"),
        ],
    )
    def test_a_bad_number_is_named(self, n, error, message) -> None:
        with pytest.raises(error, match=message):
            IntervalSchedule(interval=HOUR).next(n)

    def test_a_bad_after_is_named(self) -> None:
        with pytest.raises(ScheduleTypeError, match="after must be a datetime, not 'today'"):
            IntervalSchedule(interval=HOUR).next(1, after="today")

    def test_clocks_are_merged(self) -> None:
        schedule = Schedule(
            [IntervalClock(DAY), IntervalClock(12 * HOUR, start_date=at(2019, 1, 3))]
        )
        assert schedule.next(5, after=at(2019, 1, 1)) == [
            at(2019, 1, 2),
            at(2019, 1, 3),
            at(2019, 1, 3, 12),
            at(2019, 1, 4),
            at(2019, 1, 4, 12),
        ]

    def test_equal_events_of_several_clocks_are_one(self) -> None:
        first, second = {"x": 1}, {"x": 2}
        schedule = Schedule(
            [
                IntervalClock(DAY, parameter_defaults=first),
                IntervalClock(DAY, parameter_defaults=second),
                IntervalClock(DAY, parameter_defaults=first),
                IntervalClock(DAY, parameter_defaults=first, labels=["gpu"]),
                CronClock("0 0 * * *", parameter_defaults=second),
            ]
        )
        events = schedule.next(6, after=at(2024, 1, 1), return_events=True)
        assert [(e.start_time, e.parameter_defaults, e.labels) for e in events] == [
            (day, parameters, labels)
            for day in (at(2024, 1, 2), at(2024, 1, 3))
            for parameters, labels in ((first, None), (second, None), (first, ["gpu"]))
        ]

    def test_clocks_of_several_zones(self) -> None:
        schedule = Schedule([CronClock("0 9 * * *", local(2024, 1, 1)), CronClock("0 10 * * *")])
        times = schedule.next(3, after=at(2024, 1, 1))
        assert [t.isoformat() for t in times] == [
            "2024-01-01T10:00:00+00:00",
            "2024-01-01T09:00:00-05:00",
            "2024-01-02T10:00:00+00:00",
        ]

    def test_a_clock_of_ones_own(self) -> None:
        schedule = Schedule(
            [ListClock(at(2023, 1, 1), at(2024, 1, 2), at(2024, 1, 2), at(2024, 1, 3))]
        )
        assert schedule.next(5, after=at(2024, 1, 1)) == [at(2024, 1, 2), at(2024, 1, 3)]

    def test_a_clock_that_goes_back_is_named(self) -> None:
        schedule = Schedule([ListClock(at(2024, 1, 3), at(2024, 1, 2))])
        with pytest.raises(ScheduleError, match="<ListClock> gave 2024-01-02 .* in order"):
            schedule.next(5, after=at(2024, 1, 1))

    def test_a_clock_that_stands_still_is_named(self) -> None:
        class Stuck(Clock):
            def events(self, after=None):
                while True:
                    yield ClockEvent(at(2024, 1, 2))

        with pytest.raises(ScheduleError, match="<Stuck> gave 2024-01-02"):
            Schedule([Stuck()]).next(5, after=at(2024, 1, 1))

    def test_start_and_end_date(self) -> None:
        early = IntervalClock(HOUR, at(2018, 1, 1), at(2019, 1, 1))
        late = IntervalClock(HOUR, local(2019, 1, 1), local(2020, 1, 1))
        schedule = Schedule([late, early, IntervalClock(HOUR)])
        assert (schedule.start_date, schedule.end_date) == (at(2018, 1, 1), local(2020, 1, 1))
        assert Schedule([IntervalClock(HOUR)]).start_date is None
        assert Schedule([]).end_date is None

    def test_it_can_be_pickled(self) -> None:
        schedule = Schedule([CronClock("0 9 * * *", local(2024, 1, 1))], filters=[at_time(time(9))])
        again = pickle.loads(pickle.dumps(schedule))
        assert again.next(3, at(2024, 1, 1)) == schedule.next(3, at(2024, 1, 1))

    def test_it_says_what_it_is(self) -> None:
        assert repr(CronSchedule("@daily")) == "<Schedule of <CronClock '@daily' in UTC>>"
        assert repr(Schedule([])) == "<Schedule of no clocks>"


# -- filters ----------------------------------------------------------------------------------


class TestFilters:
    def test_all_one_of_and_none_of(self) -> None:
        schedule = Schedule(
            clocks=[IntervalClock(HOUR)],
            filters=[is_weekday],
            or_filters=[at_time(time(9)), at_time(time(15))],
            not_filters=[between_dates(1, 8, 1, 8)],
        )
        # 4 January 2019 was a Friday.
        assert schedule.next(5, after=at(2019, 1, 4)) == [
            at(2019, 1, 4, 9),
            at(2019, 1, 4, 15),
            at(2019, 1, 7, 9),
            at(2019, 1, 7, 15),
            at(2019, 1, 9, 9),
        ]

    def test_they_see_the_wall_clock_of_each_clock(self) -> None:
        schedule = Schedule([IntervalClock(HOUR, local(2024, 1, 1))], filters=[at_time(time(9))])
        assert schedule.next(1, after=at(2024, 1, 1)) == [at(2024, 1, 1, 14)]

    def test_a_filter_of_ones_own(self) -> None:
        schedule = Schedule([IntervalClock(DAY)], filters=[lambda dt: dt.day % 10 == 0])
        assert [t.day for t in schedule.next(4, after=at(2024, 1, 1))] == [10, 20, 30, 10]

    def test_filters_that_exclude_everything_give_an_empty_list(self) -> None:
        schedule = Schedule(
            [IntervalClock(HOUR)],
            filters=[between_times(time(9), time(10)), between_times(time(15), time(16))],
        )
        assert schedule.next(6, after=at(2019, 1, 1)) == []
        with pytest.raises(
            NoMoreEventsError, match=r"none of the 10,000 events up to 2020-02-21.*between_times"
        ):
            schedule.next_event(after=at(2019, 1, 1))

    def test_what_was_found_before_the_search_ends_is_returned(self) -> None:
        schedule = Schedule([IntervalClock(HOUR)], filters=[lambda dt: dt < at(2024, 1, 2)])
        assert len(schedule.next(50, after=at(2024, 1, 1))) == 23

    def test_the_limit_counts_rejections_in_a_row(self) -> None:
        schedule = Schedule([IntervalClock(HOUR)], filters=[on_date(1, 1), at_time(time(0))])
        assert schedule.next(3, after=at(2024, 1, 2)) == [
            at(2025, 1, 1),
            at(2026, 1, 1),
            at(2027, 1, 1),
        ]

    def test_a_window_far_ahead_is_found(self) -> None:
        schedule = Schedule(
            [IntervalClock(timedelta(seconds=1))],
            filters=[between_datetimes(at(2030, 1, 1), at(2030, 1, 1, 0, 0, 1))],
        )
        assert schedule.next(5, after=at(2024, 1, 1)) == [at(2030, 1, 1), at(2030, 1, 1, 0, 0, 1)]
        with pytest.raises(NoMoreEventsError, match="its clocks and filters allow none"):
            schedule.next_event(after=at(2031, 1, 1))

    @pytest.mark.parametrize("name", ["filters", "or_filters", "not_filters", "adjustments"])
    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (is_weekday, "must be a list of"),
            (7, "must be a list of"),
            (["monday"], "must be a function of a datetime, not 'monday'"),
        ],
    )
    def test_what_is_no_filter_is_named(self, name, value, message) -> None:
        with pytest.raises(ScheduleTypeError, match=f"{name}.* {message}"):
            Schedule([IntervalClock(HOUR)], **{name: value})

    def test_a_function_that_makes_a_filter_is_no_filter(self) -> None:
        with pytest.raises(
            ScheduleTypeError, match=r"filters holds at_time itself.*at_time\(\.\.\.\)"
        ):
            Schedule([IntervalClock(HOUR)], filters=[at_time])
        with pytest.raises(ScheduleTypeError, match=r"adjustments holds add itself"):
            Schedule([IntervalClock(HOUR)], adjustments=[add])


# -- adjustments ------------------------------------------------------------------------------


class TestAdjustments:
    def test_they_move_what_has_passed(self) -> None:
        schedule = Schedule(
            [IntervalClock(HOUR)],
            filters=[is_weekday, at_time(time(9))],
            adjustments=[add(3 * HOUR)],
        )
        assert schedule.next(2, after=at(2019, 1, 4)) == [at(2019, 1, 4, 12), at(2019, 1, 7, 12)]

    def test_moved_onto_each_other_equal_events_become_one(self) -> None:
        schedule = Schedule([IntervalClock(DAY)], adjustments=[next_weekday])
        # 6 January 2024 was a Saturday.
        assert [t.day for t in schedule.next(4, after=at(2024, 1, 4))] == [5, 8, 9, 10]

    def test_nothing_is_lost_on_going_on_from_an_adjusted_time(self) -> None:
        schedule = Schedule([IntervalClock(HOUR)], adjustments=[add(90 * timedelta(minutes=1))])
        first = schedule.next(1, after=at(2024, 1, 1))
        assert first == [at(2024, 1, 1, 0, 30)]
        assert schedule.next(1, after=first[0]) == [at(2024, 1, 1, 1, 30)]

    def test_times_come_in_order_whatever_they_were(self) -> None:
        swap = lambda dt: dt + (2 * DAY if dt.day % 2 else -2 * DAY)
        schedule = Schedule(
            [IntervalClock(DAY, at(2024, 1, 1), at(2024, 1, 6))], adjustments=[swap]
        )
        assert [t.day for t in schedule.next(9, after=at(2023, 1, 1))] == [31, 2, 3, 4, 5, 7]

    def test_a_whole_search_back_to_the_first_day_of_all(self) -> None:
        schedule = Schedule([IntervalClock(DAY, at(1, 1, 5))], adjustments=[add(1000 * DAY)])
        assert len(schedule.next(2, after=at(1, 1, 2))) == 2

    def test_one_that_reaches_too_far_is_named(self) -> None:
        def next_month(dt):
            return dt + 30 * DAY

        with pytest.raises(ScheduleError, match="next_month moves 2023-.* by a week at most"):
            Schedule([IntervalClock(DAY)], adjustments=[next_month]).next(1, after=at(2024, 1, 1))
        schedule = Schedule([IntervalClock(DAY)], adjustments=[add(30 * DAY)])
        assert schedule.next(1, after=at(2024, 1, 1)) == [at(2024, 1, 2)]

    def test_one_that_returns_no_datetime_is_named(self) -> None:
        with pytest.raises(
            ScheduleTypeError,
            match="the adjustment .*<lambda> returns must be a datetime, not None",
        ):
            Schedule([IntervalClock(DAY)], adjustments=[lambda dt: None]).next(1)


# -- the kind of datetime that flows are given -------------------------------------------------


class Fancy(datetime.datetime):
    """Stands for pendulum's DateTime."""

    def add(self, days: int) -> datetime.datetime:
        return self + days * DAY

    @property
    def day_of_week(self) -> int:
        return self.isoweekday() % 7

    @classmethod
    def of(cls, moment: datetime.datetime) -> "Fancy":
        return cls.fromtimestamp(moment.timestamp(), moment.tzinfo)


def test_functions_of_ones_own_get_the_datetimes_that_flows_get() -> None:
    schedule = Schedule(
        [CronClock("0 9 * * *", local(2024, 1, 1))],
        filters=[lambda dt: dt.day_of_week == 0, is_weekend],
        adjustments=[lambda dt: dt.add(days=1), lambda dt: dt.add(days=1), add(HOUR)],
    )
    show_dates_as(Fancy.of)
    try:
        times = schedule.next(2, after=Fancy(2024, 3, 1, tzinfo=UTC))
        event = schedule.next_event(after=times[0])
        blob = schedule.clocks[0].serialize()
    finally:
        show_dates_as(None)
    assert [type(t) for t in times] == [Fancy, Fancy]
    assert [t.isoformat() for t in times] == [
        "2024-03-05T10:00:00-05:00",
        "2024-03-12T10:00:00-04:00",
    ]
    assert event.start_time == times[1]
    assert blob["start_date"]["tz"] == "America/New_York"


# -- bad input, and the end -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clocks", "message"),
    [
        (IntervalClock(HOUR), "must be a list of clocks"),
        (None, "must be a list of clocks, not None"),
        ("0 * * * *", "must be a list of clocks, not '0"),
        (["0 * * * *"], "must be clocks, and '0"),
        ([IntervalClock(HOUR), HOUR], "must be clocks, and datetime.timedelta"),
        ([IntervalClock], "must be clocks, and <class"),
    ],
)
def test_what_is_no_clock_is_named(clocks, message) -> None:
    with pytest.raises(ScheduleTypeError, match=message):
        Schedule(clocks)


def test_an_interval_schedule_needs_an_interval() -> None:
    with pytest.raises(TypeError, match="IntervalSchedule needs an interval"):
        IntervalSchedule()
    with pytest.raises(ScheduleError, match="greater than 0"):
        IntervalSchedule(interval=timedelta(0))


def test_the_three_short_forms() -> None:
    start, end = at(2024, 1, 1), at(2024, 1, 3)
    for schedule in (
        IntervalSchedule(start, DAY, end),
        CronSchedule("0 0 * * *", start, end),
        RRuleSchedule(rrule(DAILY, dtstart=at(2020, 1, 1)), start, end),
    ):
        assert schedule.next(9, after=at(2020, 1, 1)) == [start, at(2024, 1, 2), end]
    assert CronSchedule("0 0 1-7 * 2", day_or=False).next(1, at(2024, 2, 1)) == [at(2024, 2, 6)]


def test_a_schedule_that_has_ended() -> None:
    schedule = IntervalSchedule(interval=DAY, end_date=at(2024, 1, 1))
    assert schedule.next(1, after=at(2024, 1, 1)) == []
    with pytest.raises(
        NoMoreEventsError, match=r"no event after 2024-01-01.*has ended at 2024-01-01"
    ):
        schedule.next_event(after=at(2024, 1, 1))
    with pytest.raises(NoMoreEventsError, match="no clocks"):
        Schedule([]).next_event()
    assert Schedule([]).next(3) == []


# -- serialisation ----------------------------------------------------------------------------


def rules() -> rruleset:
    found = rruleset()
    found.rrule(
        rrule(WEEKLY, dtstart=local(2024, 1, 1, 9), byweekday=(MO, FR(1)), until=local(2025, 1, 1))
    )
    found.rrule(
        rrule(DAILY, dtstart=datetime.datetime(2024, 1, 1), count=5, byhour=(0, 3), bysetpos=-1)
    )
    found.rdate(local(2024, 2, 2))
    found.exrule(rrule(DAILY, dtstart=at(2024, 1, 8), interval=3))
    found.exdate(local(2024, 1, 5, 9))
    return found


SCHEDULES = [
    IntervalSchedule(local(2024, 3, 1, 2, 30), timedelta(days=1, seconds=0.5), local(2030, 1, 1)),
    IntervalSchedule(interval=timedelta(minutes=7)),
    CronSchedule("0 0 1-7 * 2", local(2024, 1, 1), day_or=False),
    RRuleSchedule(rrule(DAILY, dtstart=local(2024, 1, 1, 9), byeaster=(0, 1)), at(2020, 1, 1)),
    RRuleSchedule(rules()),
    Schedule([]),
    Schedule(
        clocks=[
            DatesClock([local(2024, 5, 5), at(2024, 6, 6)], {"x": [1, {"y": None}]}, ["gpu", "eu"]),
            CronClock("*/5 * * * *", parameter_defaults={"z": "ü"}, labels=[]),
        ],
        filters=[is_weekday, between_datetimes(local(2024, 1, 1), at(2040, 1, 1))],
        or_filters=[between_times(time(9, 30), time(17, 0, 0, 5)), at_time(time(0, 5)), on_datetime(at(2024, 1, 1))],
        not_filters=[is_month_end, on_date(2, 29), between_dates(12, 24, 1, 6), is_day_of_week(0)],
        adjustments=[add(timedelta(days=-2, microseconds=3)), next_weekday],
    ),
]  # fmt: skip


@pytest.mark.parametrize("schedule", SCHEDULES, ids=range(len(SCHEDULES)))
def test_a_schedule_goes_there_and_back(schedule) -> None:
    blob = json.loads(json.dumps(schedule.serialize()))
    again = Schedule.deserialize(blob)
    assert again.serialize() == schedule.serialize()
    for after in (at(2024, 1, 1), at(2024, 3, 9)):
        before = schedule.next(20, after, return_events=True)
        assert again.next(20, after, return_events=True) == before
        assert [e.start_time.tzinfo for e in again.next(20, after, return_events=True)] == [
            e.start_time.tzinfo for e in before
        ]


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (Schedule([IntervalClock(DAY)], filters=[lambda dt: True]), "The filter .*<lambda> runs locally but cannot be stored"),
        (Schedule([IntervalClock(DAY)], adjustments=[lambda dt: dt]), "The adjustment .*<lambda> .*headrace.schedules.adjustments"),
        (Schedule([ListClock()]), "A clock of your own, ListClock"),
        (Schedule([IntervalClock(DAY, parameter_defaults={"x": {1, 2}})]), "parameter default 'x'"),
    ],
)  # fmt: skip
def test_what_cannot_be_stored_is_named(schedule, message) -> None:
    with pytest.raises(ScheduleSerializationError, match=message):
        schedule.serialize()


GOOD = json.dumps(SCHEDULES[-1].serialize())


@pytest.mark.parametrize(
    ("blob", "error", "message"),
    [
        ({}, ScheduleSerializationError, "no serialised schedule"),
        (None, ScheduleSerializationError, "no serialised schedule: None"),
        ({"clocks": [{"type": "Sundial"}]}, ScheduleSerializationError, "'Sundial'.*must be one of CronClock"),
        ({"clocks": ["soon"]}, ScheduleSerializationError, "no serialised clock: 'soon'"),
        ({"clocks": [{"type": "IntervalClock"}]}, ScheduleSerializationError, "no serialised IntervalClock"),
        ({"clocks": [{"type": "CronClock", "cron": "0 0 31 2 *"}]}, ScheduleError, "no date ever matches"),
        ({"clocks": [{"type": "CronClock", "cron": "@daily", "x": 1}]}, ScheduleSerializationError, "no serialised CronClock"),
        ({"clocks": [{"type": "DatesClock", "dates": 7}]}, ScheduleSerializationError, "no serialised DatesClock"),
        ({"clocks": [{"type": "RRuleClock", "rrule": {"rule": "FREQ=NEVER"}}]}, ScheduleSerializationError, "recurrence rule"),
        ({"filters": [{"fn": "is_raining", "kwargs": {}}]}, ScheduleSerializationError, "no serialised filter: .*is_raining"),
        ({"filters": [{"fn": "at_time", "kwargs": {}}]}, ScheduleSerializationError, "no serialised filter"),
        ({"filters": [{"fn": "at_time", "kwargs": {"t": {"time": "noon"}}}]}, ScheduleSerializationError, "no serialised argument"),
        ({"filters": [{"fn": "at_time", "kwargs": {"t": {}}}]}, ScheduleSerializationError, "no serialised"),
        ({"adjustments": ["add"]}, ScheduleSerializationError, "no serialised adjustment: 'add'"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(blob, error, message) -> None:
    whole = {**json.loads(GOOD), **blob} if blob else blob
    with pytest.raises(error, match=message):
        Schedule.deserialize(whole)


def test_an_unknown_zone_is_named() -> None:
    blob = GOOD.replace("America/New_York", "Mars/Olympus")
    with pytest.raises(ZoneError, match="no time zone 'Mars/Olympus'"):
        Schedule.deserialize(json.loads(blob))


# -- several clocks, against an oracle --------------------------------------------------------

clocks = st.one_of(
    st.builds(
        IntervalClock,
        st.integers(1, 60 * 60).map(lambda m: timedelta(minutes=m)),
        start_date=st.sampled_from([None, local(2024, 3, 8, 2, 30), at(2024, 3, 1)]),
        parameter_defaults=st.sampled_from([None, {"x": 1}]),
        labels=st.sampled_from([None, ["a"]]),
    ),
    st.builds(
        CronClock,
        st.sampled_from(["0 * * * *", "*/20 1,2 * * *", "30 2 * * *", "@daily", "0 12 * * 0,3"]),
        start_date=st.sampled_from([None, local(2024, 3, 8), local(2024, 11, 2, 1, 15)]),
        parameter_defaults=st.sampled_from([None, {"x": 1}]),
    ),
)
moments = st.sampled_from([at(2024, 3, 9), at(2024, 11, 2)]).flatmap(
    lambda day: st.integers(0, 3 * 24 * 60).map(lambda m: day + timedelta(minutes=m))
)


def key(event: ClockEvent) -> tuple[datetime.datetime, str, str]:
    return (event.instant, str(event.parameter_defaults), str(event.labels))


@given(st.lists(clocks, min_size=1, max_size=4), moments)
def test_events_are_those_of_all_clocks(some, after) -> None:
    events = Schedule(some).next(80, after, return_events=True)
    expected = {
        key(event)
        for clock in some
        for event in takewhile(lambda e: e < events[-1].start_time, clock.events(after))
    }
    assert sorted(events, key=lambda e: e.instant) == events
    assert len(set(map(key, events))) == len(events)
    assert {key(e) for e in events if e < events[-1]} == expected


@given(
    st.lists(clocks, min_size=1, max_size=3),
    st.lists(
        st.sampled_from([is_weekday, between_times(time(1), time(3)), at_time(time(0))]), max_size=1
    ),
    st.lists(
        st.sampled_from(
            [next_weekday, add(HOUR), add(-DAY), add(25 * HOUR), lambda dt: dt.replace(minute=0)]
        ),
        max_size=2,
    ),
    moments,
)
def test_a_schedule_goes_on_the_same_from_any_of_its_times(some, passing, moving, after) -> None:
    plain = [
        type(clock)(
            **{k: v for k, v in vars(clock).items() if k in {"interval", "cron", "start_date"}}
        )
        for clock in some
    ]
    schedule = Schedule(plain, filters=passing, adjustments=moving)
    times = instants(schedule.next(10, after))
    assert all(a < b for a, b in pairwise([after, *times]))
    for n in {0, 4, len(times) - 1} & set(range(len(times))):
        assert instants(schedule.next(len(times) - n - 1, times[n])) == times[n + 1 :]

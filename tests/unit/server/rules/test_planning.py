"""Which runs a schedule asks for: by the wall clock, across the changes of the clocks."""

import datetime
from zoneinfo import ZoneInfo

import pytest

from headrace.schedules import CronSchedule, IntervalSchedule, Schedule
from headrace.schedules.clocks import CronClock, DatesClock
from headrace.server.rules.planning import plan, what_keeps_it

UTC = datetime.UTC
BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


def utc(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=UTC)


def stored(schedule: Schedule) -> Schedule:
    return Schedule.deserialize(schedule.serialize())


@pytest.mark.parametrize(
    ("zone", "after", "times"),
    [
        # In Berlin it is 03:30 at 02:30 UTC in winter and at 01:30 UTC in summer.
        (BERLIN, "2026-03-28T00:00", ["2026-03-28T02:30", "2026-03-29T01:30", "2026-03-30T01:30"]),
        (BERLIN, "2026-10-24T00:00", ["2026-10-24T01:30", "2026-10-25T02:30", "2026-10-26T02:30"]),
        (
            NEW_YORK,
            "2026-03-07T00:00",
            ["2026-03-07T08:30", "2026-03-08T07:30", "2026-03-09T07:30"],
        ),
        (
            NEW_YORK,
            "2026-10-31T00:00",
            ["2026-10-31T07:30", "2026-11-01T08:30", "2026-11-02T08:30"],
        ),
    ],
)
def test_each_day_has_its_run_when_the_clocks_change(zone, after, times):
    start = datetime.datetime(2026, 1, 1, tzinfo=zone)
    schedule = stored(CronSchedule("30 3 * * *", start_date=start))
    runs = plan(schedule, utc(after), 3)
    assert [run.at for run in runs] == [utc(time) for time in times]
    assert [run.key for run in runs] == [f"scheduled:{time}:00+00:00" for time in times]


def test_an_hour_that_comes_twice_has_its_runs_twice():
    start = datetime.datetime(2026, 1, 1, tzinfo=BERLIN)
    schedule = stored(IntervalSchedule(start, datetime.timedelta(minutes=30)))
    runs = plan(schedule, utc("2026-10-25T00:00"), 4)
    assert [run.at.strftime("%H:%M") for run in runs] == ["00:30", "01:00", "01:30", "02:00"]
    assert len({run.key for run in runs}) == 4


def test_two_clocks_at_one_instant_are_two_runs():
    at = utc("2026-03-01T12:00")
    schedule = stored(
        Schedule(
            [
                DatesClock([at], parameter_defaults={"day": 1}, labels=["gpu"]),
                DatesClock([at], parameter_defaults={"day": 2}),
            ]
        )
    )
    runs = plan(schedule, utc("2026-03-01T11:00"), 10)
    assert [(run.parameters, run.labels) for run in runs] == [
        ({"day": 1}, ["gpu"]),
        ({"day": 2}, None),
    ]
    assert [run.key for run in runs] == [
        "scheduled:2026-03-01T12:00:00+00:00",
        "scheduled:2026-03-01T12:00:00+00:00#2",
    ]


def test_a_schedule_that_ends_has_fewer():
    schedule = CronSchedule("0 * * * *", end_date=utc("2026-03-01T13:30"))
    assert len(plan(stored(schedule), utc("2026-03-01T11:30"), 10)) == 2
    assert plan(stored(schedule), utc("2026-03-01T14:00"), 10) == []


def test_a_schedule_that_cannot_be_read_says_so():
    assert "cannot be read" in str(what_keeps_it({"clocks": [{"type": "Moon"}]}, [], {}, "etl"))


def test_a_clock_that_gives_too_little_says_so():
    declared = [{"name": "day", "required": True}]
    schedule = Schedule(
        [CronClock("0 * * * *", parameter_defaults={"day": 1}), CronClock("30 * * * *")]
    ).serialize()
    wrong = what_keeps_it(schedule, declared, {}, "etl")
    assert wrong is not None
    assert wrong.startswith(
        "Clock 2 of its schedule does not suit it: The flow 'etl' needs a value"
    )
    assert what_keeps_it(schedule, declared, {"day": 2}, "etl") is None

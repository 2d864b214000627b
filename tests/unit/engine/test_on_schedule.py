"""`flow.run()` on the flow's schedule."""

from __future__ import annotations

import datetime

import pytest

from headrace import Flow, Parameter, context, task
from headrace.core.now import now
from headrace.errors import FlowError, ParameterError
from headrace.schedules import Schedule
from headrace.schedules.clocks import DatesClock


def soon(*milliseconds: int) -> list[datetime.datetime]:
    return [now() + datetime.timedelta(milliseconds=each) for each in milliseconds]


def test_it_runs_at_each_event_with_the_events_parameters() -> None:
    seen = []

    @task
    def note(name: str) -> None:
        seen.append((name, context.scheduled_start_time))

    first, second = soon(60, 120)
    clocks = [
        DatesClock([first], parameter_defaults={"name": "one"}),
        DatesClock([second], parameter_defaults={"name": "two"}),
    ]
    with Flow("scheduled", schedule=Schedule(clocks=clocks)) as flow:
        note(Parameter("name"))
    state = flow.run()
    assert state.is_successful()
    assert seen == [("one", first), ("two", second)]


def test_events_that_pass_during_a_run_are_not_made_up_for() -> None:
    times = soon(40, 80, 120)
    runs = []

    @task
    def long() -> None:
        runs.append(now())
        while now() < times[-1] + datetime.timedelta(milliseconds=20):
            pass

    with Flow("long", schedule=Schedule(clocks=[DatesClock(times)])) as flow:
        long()
    assert flow.run().is_successful()
    assert len(runs) == 1


def test_a_parameter_that_neither_caller_nor_clock_gives_is_missed_before_the_wait() -> None:
    in_a_year = now() + datetime.timedelta(days=365)
    with Flow("later", schedule=Schedule(clocks=[DatesClock([in_a_year])])) as flow:
        Parameter("name")()
    with pytest.raises(ParameterError, match="'name'"):
        flow.run()


def test_a_schedule_with_nothing_left_says_why_and_what_to_do() -> None:
    with Flow("over", schedule=Schedule(clocks=[DatesClock(soon(-1000))])) as flow:
        task(lambda: 1, name="only")()
    with pytest.raises(FlowError, match=r"'over'.*run_on_schedule=False"):
        flow.run()
    assert flow.run(run_on_schedule=False).is_successful()

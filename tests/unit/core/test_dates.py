"""What kind of datetime flows are given."""

import datetime

import pytest

from headrace import DateTimeParameter, Flow, context, task
from headrace.core.dates import show_dates_as
from headrace.schedules import Schedule
from headrace.schedules.adjustments import add
from headrace.schedules.clocks import IntervalClock

START = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


class Mine(datetime.datetime):
    pass


@pytest.fixture
def mine():
    def convert(moment):
        return Mine(*moment.timetuple()[:6], tzinfo=moment.tzinfo)

    show_dates_as(convert)
    yield
    show_dates_as(None)


@task
def kinds(when):
    return [type(context.date), type(context.scheduled_start_time), type(when)]


with Flow("dated") as flow:
    seen = kinds(DateTimeParameter("when"))


def test_dates_are_plain_unless_another_kind_is_asked_for():
    assert flow.run(when="2024-01-01").result[seen].result == [datetime.datetime] * 3


def test_context_and_parameters_give_dates_of_the_kind(mine):
    assert flow.run(when="2024-01-01").result[seen].result == [Mine] * 3


def test_schedules_give_dates_of_the_kind_to_users_and_to_their_functions(mine):
    given = []

    def keep(dt):
        given.append(type(dt))
        return True

    def same(dt):
        given.append(type(dt))
        return dt

    schedule = Schedule(
        [IntervalClock(DAY, start_date=START)], filters=[keep], adjustments=[add(DAY), same]
    )
    times = schedule.next(2, after=START)
    assert times == [START + DAY, START + 2 * DAY]
    assert {type(time) for time in times} == {Mine}
    assert {type(e.start_time) for e in schedule.next(2, START, return_events=True)} == {Mine}
    assert set(given) == {Mine}


def test_what_a_user_says_of_the_day_goes_before_what_it_is():
    @task
    def today():
        return [context.today, context["today"], dict(context)["today"]]

    with Flow("another day") as other:
        said = today()
    state = other.run(context={"today": "1999-12-31"})
    assert state.result[said].result == ["1999-12-31"] * 3

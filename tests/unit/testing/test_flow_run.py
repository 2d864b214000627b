"""`headrace.testing.run`: a flow with tasks replaced and time given."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import pytest

from headrace import Flow, Parameter, Task, context, signals, task
from headrace.config import set_temporary_config
from headrace.errors import FlowError, ParameterError
from headrace.executors import LocalDaskExecutor
from headrace.results import LocalResult
from headrace.schedules import IntervalSchedule
from headrace.testing import run

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


@task
def fetch(page: int) -> int:
    raise ConnectionError("There is no network in a test.")


@task
def total(pages: list[int]) -> int:
    return sum(pages)


@task
def today() -> str:
    day: str = context.today
    return day


class Save(Task[str]):
    def run(self, x: int) -> str:
        raise AssertionError("not in a test")


save = Save(name="save")

with Flow("pages") as flow:
    pages = fetch.map(Parameter("pages", default=[1, 2]))
    result = total(pages)
    day = today()
    saved = save(result)


def test_a_function_gets_the_inputs_and_a_value_is_returned() -> None:
    state = run(flow, replace={fetch_of(): lambda page: page * 10, saved: "saved"})
    assert state.is_successful()
    assert state.result[result].result == 30
    assert state.result[saved].result == "saved"


def fetch_of() -> Task[list[int]]:
    return pages


def test_tasks_are_found_by_slug_and_by_name() -> None:
    state = run(flow, {"pages": [5]}, replace={"fetch": 7, "save-1": None})
    assert state.result[result].result == 7
    assert state.result[saved].result is None


def test_an_exception_is_raised() -> None:
    for error in (OSError("disk full"), OSError):
        state = run(flow, replace={"fetch": 1, "save": error})
        assert isinstance(state.result[saved].result, OSError)


def test_the_flow_is_not_changed() -> None:
    before = flow.serialize()
    run(flow, replace={"fetch": 1, "save": 1})
    assert flow.serialize() == before
    assert flow.run().result[pages].result[0].args == ("There is no network in a test.",)


def test_a_replaced_task_travels() -> None:
    state = run(
        flow,
        replace={"fetch": lambda page: page, "save": "x"},
        executor=LocalDaskExecutor("processes", num_workers=1),
    )
    assert state.result[result].result == 3


def test_the_time_is_what_the_test_says() -> None:
    state = run(flow, replace={"fetch": 1, "save": 1}, now=NOON)
    assert state.result[day].result == "2026-03-01"


def test_nothing_waits_when_time_is_given() -> None:
    @task(max_retries=2, retry_delay=datetime.timedelta(hours=1))
    def flaky() -> int:
        if context.task_run_count < 3:
            raise RuntimeError("not yet")
        return 3

    with Flow("retries") as retries:
        value = flaky()
    begun = time.monotonic()
    for executor in (None, LocalDaskExecutor()):
        assert run(retries, now=NOON, executor=executor).result[value].result == 3
    assert time.monotonic() - begun < 20


def test_the_schedule_is_not_followed() -> None:
    with Flow("yearly", schedule=IntervalSchedule(interval=datetime.timedelta(days=365))) as yearly:
        today()
    assert run(yearly).is_successful()


def test_a_task_that_is_not_there_is_named() -> None:
    with pytest.raises(FlowError, match="no task 'fetsh'.*fetch-1"):
        run(flow, replace={"fetsh": 1})
    with pytest.raises(FlowError, match="no task <Task: stranger>"):
        run(flow, replace={task(lambda: 1, name="stranger"): 1})
    with pytest.raises(FlowError, match="'pages' is a parameter"):
        run(flow, replace={"pages": [1]})
    with pytest.raises(ParameterError, match="no parameter 'page'"):
        run(flow, {"page": 1})


def test_each_child_has_a_state_of_its_own() -> None:
    for given in (signals.SKIP("not now"), signals.FAIL("no")):
        state = run(flow, replace={"fetch": given, "save": 1})
        children = state.result[pages].map_states
        assert len({id(child) for child in children}) == 2
        assert {child.message for child in children} == {given.state.message}


def test_what_stands_in_is_never_taken_for_the_real_thing(tmp_path: Path) -> None:
    calls = []

    @task(result=LocalResult(dir=tmp_path), target="value.pkl")
    def stored() -> str:
        calls.append("stored")
        return "real"

    @task(cache_for=datetime.timedelta(hours=1), cache_key="a key of this test alone")
    def cached() -> str:
        calls.append("cached")
        return "real"

    with Flow("kept") as kept:
        results = [stored(), cached()]
    with set_temporary_config({"flows.checkpointing": True}):
        state = run(kept, replace={"stored": "fake", "cached": "fake"})
        assert [state.result[each].result for each in results] == ["fake"] * 2
        assert list(tmp_path.iterdir()) == []
        state = kept.run()
        assert [state.result[each].result for each in results] == ["real"] * 2
        # Nor is the real one taken for what stands in.
        state = run(kept, replace={"stored": "fake", "cached": "fake"})
        assert [state.result[each].result for each in results] == ["fake"] * 2
    assert sorted(calls) == ["cached", "stored"]


def test_a_task_stands_for_all_that_its_calls_have_made() -> None:
    with Flow("twice") as twice:
        one, two = fetch(1), fetch(2)
        amount = total([one, two])
    state = run(twice, replace={fetch: lambda page: page * 100})
    assert state.result[amount].result == 300
    state = run(twice, replace={fetch: lambda page: page, two: 40})
    assert state.result[amount].result == 41

"""What an attempt takes over: by the record of those before it."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from headrace import Flow, Parameter, task
from headrace.engine.resumption import Past
from headrace.engine.segments import BEGUN, STATE, VALUE, Record
from headrace.states import Failed, State, Success
from tests.support.tracked import Attempt

begun = Record("", -1, "", BEGUN, inputs="same")
good = Record("good", -1, "Success", VALUE)
bad = Record("bad", -1, "Failed", STATE)
waits = Record("waits", -1, "Retrying", STATE)
FIRST = [(1, begun), (1, good), (1, bad), (1, waits)]


@pytest.mark.parametrize(
    ("records", "restarted_after", "known"),
    [
        (FIRST, 0, {"good", "bad", "waits"}),
        (FIRST, 1, {"good"}),
        # The restarted attempt was lost before it had come to what failed.
        ([*FIRST, (2, begun)], 1, {"good"}),
        # It was lost after it had failed anew.
        ([*FIRST, (2, begun), (2, bad)], 1, {"good", "bad"}),
        ([*FIRST, (2, begun), (2, bad)], 2, {"good"}),
    ],
)
def test_failures_are_forgotten_by_a_restart_and_by_nothing_else(
    records: list[tuple[int, Record]], restarted_after: int, known: set[str]
) -> None:
    past = Past(records, restarted_after)
    assert {slug for slug, _ in past.runs} == known
    assert past.parameters == dict.fromkeys({each for each, _ in records}, "same")


def test_the_last_record_of_a_run_counts() -> None:
    again = Record("good", -1, "Success", VALUE, value=b"2")
    assert Past([(1, good), (2, again)]).runs["good", -1] == (2, again)


def test_other_parameters_make_what_hangs_on_them_anew(tmp_path: Path) -> None:
    calls: list[str] = []

    @task
    def uses(x: int) -> None:
        calls.append(f"uses-{x}")

    @task
    def does_not() -> None:
        calls.append("does not")

    with Flow("f") as flow:
        uses(Parameter("x"))
        does_not()
    for attempt, x in enumerate((1, 1, 2), 1):
        Attempt(flow, tmp_path, attempt, parameters={"x": x}).run()
    assert calls == ["uses-1", "does not", "uses-2"]


def test_a_cached_state_is_taken_over_as_what_it_is(tmp_path: Path) -> None:
    calls: list[int] = []

    @task(cache_for=datetime.timedelta(hours=1))
    def one() -> int:
        calls.append(1)
        return 1

    with Flow("f") as flow:
        one()
    for attempt in (1, 2):
        last = Attempt(flow, tmp_path, attempt)
        last.run()
        assert last.types() == {("one-1", -1): "Cached"}
    assert calls == [1]
    assert last.reused() == {("one-1", -1)}


def test_a_failure_that_cannot_be_pickled_stays_one(tmp_path: Path) -> None:
    class Odd(Exception):
        def __init__(self, a: int, b: int) -> None:
            super().__init__(a)

    seen: list[object] = []

    def look(flow: Flow, state: object, states: set[object]) -> None:
        seen.append(next(iter(states)))

    @task
    def fails() -> None:
        raise Odd(1, 2)

    with Flow("f", terminal_state_handler=look) as flow:
        fails()
    for attempt in (1, 2):
        end = Attempt(flow, tmp_path, attempt).run()
        assert end is not None
        assert end.type == "Failed"
    assert isinstance(seen[1], Failed)


def test_handlers_at_the_end_of_a_tracked_run_see_the_states_of_its_tasks(tmp_path: Path) -> None:
    told: list[str] = []

    def tell(flow: Flow, old: State, new: State) -> None:
        if new.is_failed():
            failed = {task.name: state for task, state in new.result.items() if state.is_failed()}
            told.extend(f"{name}: {state.message}" for name, state in failed.items())

    def accept(flow: Flow, state: State, states: set[object]) -> State:
        (failed,) = (each for each in state.result.values() if each.is_failed())
        return Success("It was no use.") if isinstance(failed.result, ValueError) else state

    @task
    def fails() -> None:
        raise ValueError("no use")

    @task
    def works() -> int:
        return 1

    with Flow("f", state_handlers=[tell]) as flow:
        fails()
        works()
    Attempt(flow, tmp_path / "1").run()
    assert told == ["fails: Error during execution of task: ValueError('no use')"]
    flow.terminal_state_handler = accept
    end = Attempt(flow, tmp_path / "2").run()
    assert end is not None
    assert (end.type, end.message) == ("Success", "It was no use.")

"""What an attempt takes over: by the record of those before it."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from headrace import Flow, Parameter, task
from headrace.engine.resumption import Past
from headrace.engine.segments import BEGUN, ENDED, RESTARTED, STATE, VALUE, Record
from headrace.states import Failed
from tests.support.tracked import Attempt


def begun(form: int = BEGUN) -> Record:
    return Record("", -1, "", form, inputs="same")


ended = Record("", -1, "Failed", ENDED)
good = Record("good", -1, "Success", VALUE)
bad = Record("bad", -1, "Failed", STATE)
waits = Record("waits", -1, "Retrying", STATE)


@pytest.mark.parametrize(
    ("records", "known", "restarts"),
    [
        ([(1, begun()), (1, good), (1, bad), (1, waits)], {"good", "bad", "waits"}, False),
        ([(1, begun()), (1, good), (1, bad), (1, ended)], {"good"}, True),
        # The restarted attempt was killed before it had come to what failed.
        ([(1, begun()), (1, good), (1, bad), (1, ended), (2, begun())], {"good"}, False),
        # A restart that the record of the end did not tell of: the server had given up.
        ([(1, begun()), (1, good), (1, bad), (2, begun(RESTARTED))], {"good"}, False),
        ([(1, begun()), (1, ended), (2, begun(RESTARTED)), (2, bad)], {"bad"}, False),
    ],
)
def test_failures_are_forgotten_by_a_restart_and_by_nothing_else(
    records: list[tuple[int, Record]], known: set[str], restarts: bool
) -> None:
    past = Past(records)
    assert {slug for slug, _ in past.runs} == known
    assert past.restarts is restarts


def test_what_the_server_says_of_a_restart_counts() -> None:
    records = [(1, begun()), (1, good), (1, bad)]
    assert {slug for slug, _ in Past(records, restarts=True).runs} == {"good"}
    assert {slug for slug, _ in Past([*records, (1, ended)], restarts=False).runs} == {"good"}


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
        Attempt(flow, tmp_path, attempt, parameters={"x": x}, context={"restart": False}).run()
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
        last = Attempt(flow, tmp_path, attempt, context={"restart": False})
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
        end = Attempt(flow, tmp_path, attempt, context={"restart": False}).run()
        assert end is not None
        assert end.type == "Failed"
    assert isinstance(seen[1], Failed)

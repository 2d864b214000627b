"""Which of the states that a run is given to begin with stand."""

from __future__ import annotations

from typing import Any

import pytest

from headrace import Flow, task
from headrace.engine.given import Given
from headrace.engine.plan import NOT_A_CHILD, plan
from headrace.states import Cached, Failed, Mapped, Retrying, State, Success


def number(x: Any = None) -> int:
    return 1


@pytest.mark.parametrize("keep_cached", [False, True])
@pytest.mark.parametrize(
    ("state", "stands"),
    [(Success(), True), (Failed(), True), (Retrying(), False), (Mapped(), True)],
)
def test_finished_states_stand(state: State, stands: bool, keep_cached: bool) -> None:
    assert Given({}, {}, keep_cached).stands(state) == stands


def test_a_cached_state_stands_if_it_is_of_this_very_run() -> None:
    assert not Given({}, {}).stands(Cached())
    assert Given({}, {}, keep_cached=True).stands(Cached())


def test_children_begin_with_their_own_states_or_all_with_that_of_the_task() -> None:
    with Flow("map") as flow:
        many = task(number, name="many").map([1, 2, 3])
    node = plan(flow)[many]
    first, second = Success(result=1), Failed()
    assert list(Given({}, {}).of_children(node, 3)) == []
    each = Given({many: Mapped(map_states=[first, None, second])}, {})
    assert list(each.of_children(node, 3)) == [first, None, second]
    assert list(each.of_children(node, 2)) == [first, None]
    assert list(Given({many: second}, {}).of_children(node, 3)) == [second] * 3


def test_what_was_not_measured_is_not_known() -> None:
    with Flow("one") as flow:
        one = task(number, name="one")()
    node = plan(flow)[one]
    given = Given({}, {(node, NOT_A_CHILD): (2, [1, None])})
    assert given.measure_of(node) == (2, [1, None])
    assert given.measure_of(node, 0) == (None, None)

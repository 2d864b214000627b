"""How long runs are likely to take is learnt from those that were measured."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import Flow, task
from headrace.engine.pace import Pace
from headrace.engine.plan import Node, plan


def number(x: Any = None) -> int:
    return 1


def nodes_named(*names: str) -> list[Node]:
    with Flow("pace") as flow:
        for name in names:
            task(number, name=name)()
    return list(plan(flow).values())


def test_before_anything_was_measured_there_is_no_telling() -> None:
    pace = Pace()
    assert pace.of(nodes_named("a")[0]) is None
    assert pace.typical is None


def test_the_first_of_a_kind_tells_of_the_others_and_not_of_other_kinds() -> None:
    first, second, other = nodes_named("a", "a", "b")
    pace = Pace()
    pace.learn(first, 3.0)
    assert (pace.of(first), pace.of(second), pace.of(other)) == (3.0, 3.0, None)
    assert pace.typical == 3.0


def test_what_is_known_of_the_task_itself_counts_for_more_than_its_kind() -> None:
    first, second = nodes_named("a", "a")
    pace = Pace()
    pace.learn(first, 1.0)
    pace.learn(second, 5.0)
    assert (pace.of(first), pace.of(second)) == (1.0, 5.0)


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=50))
def test_it_stays_within_what_was_measured(seconds: list[float]) -> None:
    (node,) = nodes_named("a")
    pace = Pace()
    for each in seconds:
        pace.learn(node, each)
    for learnt in (pace.of(node), pace.typical):
        assert learnt is not None
        assert min(seconds) * 0.999999 <= learnt <= max(seconds) * 1.000001


def test_it_comes_close_to_a_new_pace_soon_and_is_not_fooled_by_one_run() -> None:
    (node,) = nodes_named("a")
    pace = Pace()
    pace.learn(node, 1.0)
    pace.learn(node, 100.0)
    assert pace.of(node) == pytest.approx(25.75)
    for _ in range(20):
        pace.learn(node, 100.0)
    assert pace.of(node) == pytest.approx(100.0, rel=0.01)

"""Runs that wait for a time come when it is due, soonest first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace import Flow, task
from headrace.engine.plan import Node, plan
from headrace.engine.timers import Timers


def number() -> int:
    return 1


def any_node() -> Node:
    with Flow("one") as flow:
        task(number, name="one")()
    return next(iter(plan(flow).values()))


@given(st.lists(st.integers(0, 5)), st.integers(0, 5))
def test_what_is_due_comes_out_soonest_first_and_else_in_the_order_of_its_coming(
    times: list[int], limit: int
) -> None:
    node, timers = any_node(), Timers()
    for child, due in enumerate(times):
        timers.set(due, node, child)
    assert len(timers) == len(times)
    assert timers.next_due == min(times, default=None)
    taken = []
    while (item := timers.take(limit)) is not None:
        taken.append(item[1])
    in_order = sorted(range(len(times)), key=lambda child: (times[child], child))
    assert taken == [child for child in in_order if times[child] <= limit]
    assert len(timers) == sum(due > limit for due in times)
    timers.clear()
    assert (len(timers), timers.next_due) == (0, None)

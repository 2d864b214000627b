"""What travels with steps from the runner's process is made once, and large things are shared."""

from __future__ import annotations

from typing import Any

import pytest

from headrace import Flow, task
from headrace.engine.flow_machine import FlowMachine
from headrace.engine.plan import NOT_A_CHILD, Node, plan
from headrace.engine.shared_values import SHORT_TEXT, SharedValues
from headrace.executors.base import Shared
from headrace.states import Success


def take(x: Any = None) -> Any:
    return x


def node_of(value: Any) -> Node:
    """Return the node of a task that has ended with a value."""
    with Flow("one") as flow:
        task(take, name="one")()
    machine = FlowMachine(plan(flow))
    (node,) = machine.nodes.values()
    machine.finish(node, NOT_A_CHILD, Success(result=value))
    return node


@pytest.mark.parametrize("value", [None, 1, 0.5, True, 2j, "a", b"a", "a" * SHORT_TEXT])
def test_a_small_value_travels_as_itself(value: Any) -> None:
    assert SharedValues().whole_of(node_of(value)) is value


@pytest.mark.parametrize("value", ["a" * (SHORT_TEXT + 1), b"a" * (SHORT_TEXT + 1), [1], {}, (1,)])
def test_any_other_value_is_shared_and_the_same_for_all(value: Any) -> None:
    shared, node = SharedValues(), node_of(value)
    travels = shared.whole_of(node)
    assert type(travels) is Shared
    assert travels.value is value
    assert shared.whole_of(node) is travels


def test_a_value_that_was_made_anew_is_shared_anew() -> None:
    shared, node = SharedValues(), node_of([1])
    before = shared.whole_of(node)
    node.state = Success(result=[2])
    assert shared.whole_of(node) is not before
    assert shared.whole_of(node).value == [2]


def test_the_values_of_a_map_are_a_list_of_its_own_for_each_who_takes_it() -> None:
    with Flow("map") as flow:
        task(take, name="many").map(task(take, name="one")())
    machine = FlowMachine(plan(flow))
    one, many = machine.nodes.values()
    machine.finish(one, NOT_A_CHILD, Success(), 2)
    machine.take()
    for child in range(2):
        machine.finish(many, child, Success(result=child))
    shared = SharedValues()
    assert shared.whole_of(many) == [0, 1]
    assert shared.whole_of(many) is not shared.whole_of(many)


def test_a_task_is_shared_once() -> None:
    shared, node = SharedValues(), node_of(1)
    assert shared.task_of(node).value is node.task
    assert shared.task_of(node) is shared.task_of(node)


@pytest.mark.parametrize(("value", "is_source"), [(1, False), (list(range(100)), True)])
def test_constants_are_made_ready_once(value: Any, is_source: bool) -> None:
    node = node_of(1)
    node.constants = {"x": value}
    shared = SharedValues()
    constants, has_sources = shared.constants_of(node)
    assert has_sources == is_source
    assert (constants["x"].value if is_source else constants["x"]) == value
    assert shared.constants_of(node)[0]["x"] is constants["x"]

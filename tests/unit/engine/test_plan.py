"""The plan of a run: who waits for whom, how inputs are taken, and what a node counts."""

from __future__ import annotations

import gc
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import Flow, flatten, mapped, task, unmapped
from headrace.core.errors import CycleError
from headrace.core.triggers import BuiltinTrigger, Tally
from headrace.engine.flow_machine import FlowMachine
from headrace.engine.plan import (
    CHILD,
    FLAT,
    GATHER,
    INNER_LENGTHS,
    ITEM,
    LENGTH,
    NO_MEASURE,
    NOT_A_CHILD,
    WHOLE,
    Node,
    plan,
)
from headrace.states import Cancelled, Failed, Skipped, State, Success
from tests.support.random_flows import build, recipes


def number(x: Any = None, y: Any = None) -> int:
    return 1


def planned(flow: Flow) -> dict[str, Node]:
    return {node.task.name: node for node in plan(flow).values()}


# -- who waits for whom -----------------------------------------------------------------------


@given(recipes())
def test_every_edge_is_an_input_and_every_wait_is_known_to_both(recipe: Any) -> None:
    flow = build(recipe)
    nodes = plan(flow)
    assert set(nodes) == flow.tasks
    for index, (each, node) in enumerate(nodes.items()):
        assert (node.task, node.slug, node.index) == (each, flow.slugs[each], index)
        assert [one.edge for one in node.inputs] == list(flow.incoming(each))
        assert all(one.upstream is nodes[one.edge.upstream_task] for one in node.inputs)
        assert all(one.upstream.index < index for one in node.inputs)
        assert node.mapped == any(one.edge.mapped for one in node.inputs)
        above = [*node.whole, *node.by_child, *node.flat]
        assert set(above) == {one.upstream for one in node.inputs}
        assert node.waiting == len(above)
        assert not set(node.whole) & set(node.by_child)
        for side, other in (
            ("whole", "dependents"),
            ("by_child", "child_dependents"),
            ("flat", "flat_dependents"),
        ):
            for upstream in getattr(node, side):
                assert list(getattr(upstream, other)).count(node) == 1
            for dependent in getattr(node, other):
                assert node in getattr(dependent, side)


@given(recipes())
def test_how_an_input_takes_its_value_follows_from_its_edge_and_its_upstream(recipe: Any) -> None:
    for node in plan(build(recipe)).values():
        for each in node.inputs:
            how = {
                (False, False): WHOLE,
                (False, True): GATHER,
                (True, False): ITEM,
                (True, True): CHILD,
            }[each.edge.mapped, each.upstream.mapped]
            assert each.how == how + FLAT * each.edge.flattened
            if how == CHILD and not each.edge.flattened:
                assert each.upstream in (*node.by_child, *node.whole)
            else:
                assert (each.upstream in node.flat) == (each.how == CHILD + FLAT)


@given(recipes())
def test_of_a_value_no_more_is_measured_than_somebody_needs(recipe: Any) -> None:
    nodes = plan(build(recipe)).values()
    for node in nodes:
        takers = [each for taker in nodes for each in taker.inputs if each.upstream is node]
        needs = [
            {ITEM: LENGTH, ITEM + FLAT: INNER_LENGTHS, GATHER + FLAT: LENGTH, CHILD + FLAT: LENGTH}
            .get(each.how, NO_MEASURE)
            for each in takers
        ]  # fmt: skip
        assert node.measure == max(needs, default=NO_MEASURE)


def test_each_way_of_taking_a_value() -> None:
    with Flow("ways") as flow:
        one = task(number, name="one")()
        many = task(number, name="many").map(one)
        task(number, name="whole")(one)
        task(number, name="gather")(many)
        task(number, name="item")(mapped(one), y=unmapped(many))
        task(number, name="child")(mapped(many))
        task(number, name="flat whole")(flatten(one))
        task(number, name="flat gather")(flatten(many))
        task(number, name="flat item")(mapped(flatten(one)))
        task(number, name="flat child")(mapped(flatten(many)))
    hows = {name: [each.how for each in node.inputs] for name, node in planned(flow).items()}
    assert hows == {
        "one": [],
        "many": [ITEM],
        "whole": [WHOLE],
        "gather": [GATHER],
        "item": [ITEM, GATHER],
        "child": [CHILD],
        "flat whole": [WHOLE + FLAT],
        "flat gather": [GATHER + FLAT],
        "flat item": [ITEM + FLAT],
        "flat child": [CHILD + FLAT],
    }


def test_who_waits_for_children_and_for_the_whole_waits_for_the_whole() -> None:
    with Flow("both") as flow:
        many = task(number, name="many").map([1, 2])
        task(number, name="both")(mapped(many), y=unmapped(many))
    nodes = planned(flow)
    both = nodes["both"]
    assert (list(both.whole), list(both.by_child), both.waiting) == ([nodes["many"]], [], 1)
    assert list(nodes["many"].child_dependents) == []


def test_dependents_are_last_made_first_and_each_is_there_once() -> None:
    with Flow("fan") as flow:
        one = task(number, name="one")()
        task(number, name="first")(one, one)
        task(number, name="second")(one)
    nodes = planned(flow)
    assert nodes["one"].dependents == [nodes["second"], nodes["first"]]
    assert nodes["first"].waiting == 1


# -- planning ---------------------------------------------------------------------------------


def test_planning_twice_shares_nothing() -> None:
    with Flow("twice") as flow:
        task(number, name="b")(task(number, name="a")())
    first, second = planned(flow), planned(flow)
    assert first["a"] is not second["a"]
    assert first["a"].dependents == [first["b"]]
    assert second["a"].dependents == [second["b"]]


@pytest.mark.parametrize("collects", [True, False])
def test_planning_leaves_the_garbage_collector_as_it_was(collects: bool) -> None:
    with Flow("circle") as flow:
        a, b = task(number, name="a")(), task(number, name="b")()
        a.set_upstream(b)
    before = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        plan(flow)
        assert gc.isenabled() == collects
        flow.add_edge(a, b)
        with pytest.raises(CycleError):
            plan(flow)
        assert gc.isenabled() == collects
    finally:
        (gc.enable if before else gc.disable)()


# -- what a node counts -----------------------------------------------------------------------


def end_of(random: Random) -> State:
    return random.choice(
        [Success(result=1), Success(result=1), Failed("no"), Skipped("not now"), Cancelled("stop")]
    )


def states_above(node: Node, child: int) -> list[State | None]:
    """The states that a run hangs on, each looked at by itself."""
    states: list[State | None] = [Success() for _ in node.constants]
    for upstream in node.whole:
        states += [upstream.state] if upstream.children is None else upstream.children
    for upstream in node.by_child:
        states.append(upstream.state if upstream.children is None else upstream.children[child])
    for upstream in node.flat:
        if upstream.children is None:
            states.append(upstream.state)
        else:
            whose = [
                n for n, length in enumerate(upstream.lengths or ()) for _ in range(_1(length))
            ]
            states.append(upstream.children[whose[child]])
    return states


def _1(length: int | None) -> int:
    return 1 if length is None else length


@given(recipes(), st.integers(0, 2**16))
def test_counting_is_looking_at_each_state_above(recipe: Any, seed: int) -> None:
    random = Random(seed)
    machine = FlowMachine(plan(build(recipe)), observe_all=True)
    while (command := machine.take()) is not None:
        node, child = command.node, command.child
        states = states_above(node, child) if child >= 0 or not node.mapped else None
        if states is not None:
            kinds = Counter[str]()
            for state in states:
                assert state is not None
                for kind in ("finished", "successful", "failed", "skipped"):
                    kinds[kind] += getattr(state, f"is_{kind}")()
            assert node.count(child) == Tally(
                len(states),
                kinds["finished"],
                kinds["successful"],
                kinds["failed"],
                kinds["skipped"],
                bool(node.inputs or node.constants),
            )
        length = random.randrange(4)
        state = command.decided or end_of(random)
        machine.finish(node, child, state, length, [random.randrange(3) for _ in range(length)])


@given(recipes(), st.integers(0, 2**16))
def test_a_trigger_that_lets_a_clean_run_pass_has_no_objection_to_it(
    recipe: Any, seed: int
) -> None:
    machine = FlowMachine(plan(build(recipe)), observe_all=True)
    random = Random(seed)
    while (command := machine.take()) is not None:
        node, child = command.node, command.child
        trigger = node.trigger
        if not isinstance(trigger, BuiltinTrigger):
            assert not node.runs_when_clean()
        elif not (node.mapped and child < 0):
            assert node.runs_when_clean() == (trigger.objection(node.count(child)) is None)
        length = random.randrange(1, 4)
        lengths: list[int | None] = [random.randrange(1, 3) for _ in range(length)]
        end = command.decided if command.decided is not None and node.mapped and child < 0 else None
        machine.finish(node, child, end or Success(result=1), length, lengths)


def test_a_node_is_open_until_all_of_its_children_are_finished() -> None:
    with Flow("map") as flow:
        task(number, name="many").map(task(number, name="one")())
    machine = FlowMachine(plan(flow))
    one, many = machine.nodes.values()
    assert (many.width, many.is_open, many.state_of(0)) == (0, True, None)
    machine.finish(one, NOT_A_CHILD, Success(), 2)
    for child in range(2):
        command = machine.take()
        assert command is not None
        assert many.is_open
        machine.finish(many, child, Success())
    assert (many.width, many.is_open) == (2, False)
    assert isinstance(many.state_of(1), Success)
    assert (many.name_of(1), many.name_of(NOT_A_CHILD)) == ("many[1]", "many")

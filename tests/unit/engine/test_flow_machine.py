"""The flow machine decides each run once, when its upstream is finished, whatever ends first."""

from __future__ import annotations

import datetime
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import Flow, mapped, task, triggers
from headrace.core.errors import TransitionError
from headrace.engine.command import Command
from headrace.engine.flow_machine import FlowMachine
from headrace.engine.plan import NOT_A_CHILD, Node, plan
from headrace.states import (
    Cancelled,
    Failed,
    Mapped,
    Paused,
    Resume,
    Retrying,
    Skipped,
    State,
    Success,
    TriggerFailed,
)
from tests.support.random_flows import build, recipes

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def number(x: Any = None) -> int:
    return 1


def machine_of(flow: Flow) -> FlowMachine:
    return FlowMachine(plan(flow))


def node_named(machine: FlowMachine, name: str) -> Node:
    return next(node for node in machine.nodes.values() if node.task.name == name)


def outcome(
    node: Node, child: int, count: int
) -> tuple[State, int | None, list[int | None] | None]:
    """How a run ends: the same for the same run, in whatever order the runs end."""
    fate = Random(f"{node.slug}/{child}").randrange(10)
    if fate == 0:
        return Failed("no"), None, None
    if fate == 1:
        return Skipped("not now"), None, None
    if fate == 2 and count == 1:
        return Retrying("again", start_time=NOW, run_count=1), None, None
    length = fate % 4
    return Success(result=fate), length, [fate % 3] * length


def upstream_finished(node: Node, child: int) -> bool:
    whole = all(
        above.state is not None and above.state.is_finished() and not above.open_children
        for above in (*node.whole, *node.flat)
    )
    one = all(
        state is not None and state.is_finished()
        for state in (node.states_above(child) if child >= 0 else ())
    )
    return whole and one


def play(machine: FlowMachine, random: Random) -> dict[str, Any]:
    """Run all commands, ending those under way in random order, and return how each run ended."""
    under_way: list[Command] = []
    counts: dict[tuple[str, int], int] = {}
    while True:
        while (not under_way or random.random() < 0.6) and (command := machine.take()) is not None:
            key = (command.node.slug, command.child)
            assert upstream_finished(command.node, command.child), f"{key} came too early"
            counts[key] = counts.get(key, 0) + 1
            begin = machine.begin_state(command.node, command.child)
            assert counts[key] == 1 or isinstance(begin, Retrying), f"{key} was commanded twice"
            under_way.append(command)
        if under_way:
            ended = under_way.pop(random.randrange(len(under_way)))
            node, child = ended.node, ended.child
            state, length, lengths = outcome(node, child, counts[node.slug, child])
            machine.finish(node, child, state, length, lengths if child < 0 else None)
        elif machine.timers.next_due is not None:
            machine.wake(NOW)
        else:
            break
    assert machine.ready_count == 0
    return {
        node.slug: (
            type(node.state).__name__,
            None if node.children is None else [type(c).__name__ for c in node.children],
        )
        for node in machine.nodes.values()
    }


@given(recipes(), st.integers())
def test_all_ends_the_same_in_whatever_order(recipe: Any, seed: int) -> None:
    flow = build(recipe)
    first = play(machine_of(flow), Random(seed))
    again = play(machine_of(flow), Random(seed + 1))
    assert first == again
    assert all(kind != "NoneType" for kind, _ in first.values())


def play_with_losses(machine: FlowMachine, random: Random) -> dict[str, Any]:
    """As `play`, but values of runs that have ended are lost now and then, and made anew."""
    under_way: list[Command] = []
    counts: dict[tuple[str, int], int] = {}
    ended: list[Command] = []
    losses = 20
    while True:
        while (not under_way or random.random() < 0.6) and (command := machine.take()) is not None:
            key = (command.node.slug, command.child)
            assert upstream_finished(command.node, command.child), f"{key} came too early"
            assert command.decided is None
            begin = machine.begin_state(command.node, command.child)
            if not (isinstance(begin, Retrying) and begin.run_count == 0):
                counts[key] = counts.get(key, 0) + 1
            under_way.append(command)
        if under_way:
            done = under_way.pop(random.randrange(len(under_way)))
            node, child = done.node, done.child
            state, length, lengths = outcome(node, child, counts[node.slug, child])
            machine.finish(node, child, state, length, lengths if child < 0 else None)
            if isinstance(state, Success) and not isinstance(state, Skipped):
                ended.append(done)
        elif machine.timers.next_due is not None:
            machine.wake(NOW)
        else:
            break
        if ended and losses and under_way and random.random() < 0.3:
            losses -= 1
            lost = ended.pop(random.randrange(len(ended)))
            machine.reopen(lost.node, lost.child, Retrying("value lost", run_count=0))
    assert machine.ready_count == 0
    assert not list(machine.unfinished())
    return {
        node.slug: (
            type(node.state).__name__,
            None if node.children is None else [type(c).__name__ for c in node.children],
        )
        for node in machine.nodes.values()
    }


@given(recipes(), st.integers())
def test_lost_values_that_are_made_anew_change_nothing(recipe: Any, seed: int) -> None:
    # Without handlers, whatever is decided needs no command.
    flow = build(tuple(replace(each, handler=None) for each in recipe))
    assert play_with_losses(machine_of(flow), Random(seed)) == play(machine_of(flow), Random(seed))


@given(recipes(), st.integers(0, 2**16), st.integers(0, 20))
def test_a_cancelled_run_starts_nothing_more(recipe: Any, seed: int, after: int) -> None:
    machine = machine_of(build(recipe))
    random = Random(seed)
    for _ in range(after):
        command = machine.take()
        if command is None:
            break
        state, length, lengths = outcome(command.node, command.child, 2)
        machine.finish(command.node, command.child, state, length, lengths)
        random.random()
    machine.cancel("enough")
    assert machine.take() is None
    machine.end_cancelled(clean_up=False)
    assert machine.take() is None
    for state in machine.final_states().values():
        assert state.is_finished()
        for child in state.map_states if isinstance(state, Mapped) else ():
            assert child is not None
            assert child.is_finished()


def test_a_mapped_pipeline_goes_depth_first() -> None:
    with Flow("depth") as flow:
        first = task(number, name="first").map([1, 2, 3])
        second = task(number, name="second").map(first)
        task(number, name="third").map(second)
    machine = machine_of(flow)
    order = []
    while (command := machine.take()) is not None:
        if command.child >= 0:
            order.append((command.node.task.name, command.child))
        machine.finish(command.node, command.child, Success(result=1), 3)
    assert order == [(name, n) for n in range(3) for name in ("first", "second", "third")]


def test_a_wide_map_is_not_a_list_of_commands() -> None:
    with Flow("wide") as flow:
        task(number, name="child").map(task(number, name="source"))
    machine = machine_of(flow)
    source = machine.take()
    assert source is not None
    machine.finish(source.node, source.child, Success(), 10**7)
    command = machine.take()
    assert command is not None
    assert command.child == 0
    assert machine.ready_count == 10**7 - 1
    assert len(machine._ready) <= 1


def test_who_waits_for_a_child_does_not_wait_for_its_siblings() -> None:
    with Flow("no barrier") as flow:
        first = task(number, name="first").map([1, 2])
        task(number, name="second").map(first)
    machine = machine_of(flow)
    constant = machine.take()
    assert constant is not None
    machine.finish(constant.node, constant.child, Success(result=[1, 2]), 2)
    one, two = machine.take(), machine.take()
    assert one is not None
    assert two is not None
    machine.finish(two.node, two.child, Success(result=1))
    following = machine.take()
    assert following is not None
    assert (following.node.task.name, following.child) == ("second", two.child)


def test_a_failed_child_fails_only_what_hangs_on_it() -> None:
    with Flow("one bad") as flow:
        first = task(number, name="first").map([1, 2, 3])
        second = task(number, name="second").map(first)
        task(number, name="last", trigger=triggers.any_successful)(second)
    machine = machine_of(flow)
    while (command := machine.take()) is not None:
        bad = command.node.task.name == "first" and command.child == 1
        machine.finish(command.node, command.child, Failed("bad") if bad else Success(result=1), 3)
    assert [type(state) for state in node_named(machine, "second").children or ()] == [
        Success,
        TriggerFailed,
        Success,
    ]
    last = node_named(machine, "last").state
    assert isinstance(last, Success)


def test_a_run_that_has_ended_cannot_end_again() -> None:
    with Flow("once") as flow:
        task(number, name="only")()
    machine = machine_of(flow)
    command = machine.take()
    assert command is not None
    machine.finish(command.node, NOT_A_CHILD, Success())
    with pytest.raises(TransitionError, match="only-1 is <Success>"):
        machine.finish(command.node, NOT_A_CHILD, Failed())


def test_a_pause_without_a_time_is_never_due_and_one_with_a_time_resumes() -> None:
    with Flow("pauses") as flow:
        task(number, name="for a person")()
        task(number, name="for a time")()
    machine = machine_of(flow)
    person, time = machine.take(), machine.take()
    assert person is not None
    assert time is not None
    machine.finish(person.node, NOT_A_CHILD, Paused())
    machine.finish(time.node, NOT_A_CHILD, Paused(start_time=NOW))
    machine.wake(NOW + datetime.timedelta(days=9999))
    command = machine.take()
    assert command is not None
    assert command.node is time.node
    assert isinstance(machine.begin_state(command.node, NOT_A_CHILD), Resume)
    assert machine.take() is None


def test_a_lost_value_is_made_anew_without_telling_anybody_twice() -> None:
    with Flow("lost") as flow:
        source = task(number, name="source")()
        task(number, name="left")(source)
        task(number, name="right")(source)
    machine = machine_of(flow)
    command = machine.take()
    assert command is not None
    source_node = command.node
    machine.finish(source_node, NOT_A_CHILD, Success(result=1))
    left, right = machine.take(), machine.take()
    assert left is not None
    assert right is not None
    machine.finish(left.node, NOT_A_CHILD, Success())
    machine.reopen(source_node, NOT_A_CHILD, Retrying("value lost", run_count=0))
    again = machine.take()
    assert again is not None
    assert again.node is source_node
    assert isinstance(machine.begin_state(source_node, NOT_A_CHILD), Retrying)
    machine.finish(source_node, NOT_A_CHILD, Success(result=1))
    assert machine.take() is None
    machine.finish(right.node, NOT_A_CHILD, Success())
    assert not list(machine.unfinished())


@given(st.lists(st.sampled_from(["ok", "failed", "skipped", "cancelled"]), max_size=8))
def test_a_reduce_sees_its_mapped_upstream_as_its_children(endings: list[str]) -> None:
    kinds = {"ok": Success, "failed": Failed, "skipped": Skipped, "cancelled": Cancelled}
    with Flow("reduce") as flow:
        children = task(number, name="children")(mapped(task(number, name="source")()))
        task(number, name="all", trigger=triggers.all_successful, skip_on_upstream_skip=False)(
            upstream_tasks=[children]
        )
        task(number, name="end", trigger=triggers.all_finished, skip_on_upstream_skip=False)(
            upstream_tasks=[children]
        )
    machine = machine_of(flow)
    while (command := machine.take()) is not None:
        if command.node.task.name == "children":
            machine.finish(command.node, command.child, kinds[endings[command.child]]())
        else:
            machine.finish(command.node, command.child, Success(result=1), len(endings))
    expected = all(ending in ("ok", "skipped") for ending in endings)
    state, end = node_named(machine, "all").state, node_named(machine, "end").state
    assert state is not None
    assert state.is_successful() == expected
    assert end is not None
    assert end.is_successful()

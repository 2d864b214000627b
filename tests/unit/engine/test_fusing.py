"""What is fused behind a run is what the machine itself would run next for it."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headrace import Flow, flatten, task, triggers, unmapped
from headrace.core.now import now
from headrace.engine.command import Command
from headrace.engine.flow_machine import FlowMachine
from headrace.engine.fusing import successor
from headrace.engine.given import Given
from headrace.engine.plan import NOT_A_CHILD, Node, plan
from headrace.engine.upstream import simply_succeeded
from headrace.states import Failed, Retrying, Skipped, State, Success
from tests.support.random_flows import build, recipes


def number(x: Any = None, y: Any = None) -> int:
    return 1


def end_of(random: Random) -> State:
    fate = random.randrange(8)
    if fate == 0:
        return Failed("no")
    if fate == 1:
        return Skipped("not now")
    return Retrying("again", start_time=now()) if fate == 2 else Success(result=1)


@given(recipes(), st.integers(0, 2**16))
def test_a_successor_is_commanded_undecided_once_the_run_simply_succeeds(
    recipe: Any, seed: int
) -> None:
    machine = FlowMachine(plan(build(recipe)))
    random = Random(seed)
    under_way: list[Command] = []
    promised: set[tuple[Node, int]] = set()
    while True:
        while (not under_way or random.random() < 0.6) and (command := machine.take()) is not None:
            if (command.node, command.child) in promised:
                promised.remove((command.node, command.child))
                assert command.decided is None
            under_way.append(command)
        if under_way:
            ended = under_way.pop(random.randrange(len(under_way)))
            following = successor((ended.node, ended.child))
            state, length = ended.decided or end_of(random), random.randrange(4)
            machine.finish(ended.node, ended.child, state, length, [random.randrange(3)] * length)
            if following is not None and simply_succeeded(state):
                assert following not in promised
                promised.add(following)
        elif machine.timers.next_due is not None:
            machine.wake(now())
        else:
            break
    assert not promised


def begun(flow: Flow) -> tuple[FlowMachine, dict[str, Node]]:
    machine = FlowMachine(plan(flow))
    return machine, {node.task.name: node for node in machine.nodes.values()}


def test_in_a_chain_each_run_has_the_next_one_behind_it() -> None:
    with Flow("chain") as flow:
        task(number, name="b")(task(number, name="a")())
    _, nodes = begun(flow)
    assert successor((nodes["a"], NOT_A_CHILD)) == (nodes["b"], NOT_A_CHILD)
    assert successor((nodes["b"], NOT_A_CHILD)) is None


def test_nothing_is_behind_a_run_that_several_wait_for() -> None:
    with Flow("fan") as flow:
        a = task(number, name="a")()
        task(number, name="b")(a)
        task(number, name="c")(a)
    _, nodes = begun(flow)
    assert successor((nodes["a"], NOT_A_CHILD)) is None


def test_who_waits_for_two_is_behind_the_later_one() -> None:
    with Flow("join") as flow:
        task(number, name="c")(task(number, name="a")(), task(number, name="b")())
    machine, nodes = begun(flow)
    assert successor((nodes["a"], NOT_A_CHILD)) is None
    machine.finish(nodes["b"], NOT_A_CHILD, Success())
    assert successor((nodes["a"], NOT_A_CHILD)) == (nodes["c"], NOT_A_CHILD)


def test_who_waits_for_two_is_behind_neither_if_the_other_one_failed() -> None:
    with Flow("join") as flow:
        task(number, name="c")(task(number, name="a")(), task(number, name="b")())
    machine, nodes = begun(flow)
    machine.finish(nodes["b"], NOT_A_CHILD, Failed())
    assert successor((nodes["a"], NOT_A_CHILD)) is None


def test_who_would_not_run_after_a_success_is_behind_nobody() -> None:
    with Flow("rescue") as flow:
        task(number, name="b", trigger=triggers.all_failed)(task(number, name="a")())
    _, nodes = begun(flow)
    assert successor((nodes["a"], NOT_A_CHILD)) is None


def test_a_child_has_the_same_child_of_the_next_map_behind_it() -> None:
    with Flow("maps") as flow:
        first = task(number, name="first").map(task(number, name="source")())
        task(number, name="second").map(first)
    machine, nodes = begun(flow)
    assert successor((nodes["source"], NOT_A_CHILD)) is None  # how wide the map is shows later
    machine.finish(nodes["source"], NOT_A_CHILD, Success(), 2)
    machine.take()
    assert successor((nodes["first"], NOT_A_CHILD)) is None
    assert [successor((nodes["first"], child)) for child in range(2)] == [
        (nodes["second"], child) for child in range(2)
    ]


def test_who_has_a_state_already_is_behind_nobody() -> None:
    with Flow("given") as flow:
        b = task(number, name="b")(task(number, name="a")())
    machine = FlowMachine(plan(flow), Given({b: Success(result=1)}, {}))
    node = next(iter(machine.nodes.values()))
    assert machine.take() is not None
    assert successor((node, NOT_A_CHILD)) is None


# -- children ---------------------------------------------------------------------------------


def with_children(flow: Flow, failed: str = "") -> dict[str, Node]:
    """Expand the maps of a flow to two children each, all open; one task may have failed before."""
    machine, nodes = begun(flow)
    while (command := machine.take()) is not None:
        node, child = command.node, command.child
        if child < 0:
            state = Failed("no") if node.task.name == failed else Success(result=[1, 2])
            machine.finish(node, child, state, 2)
    return nodes


def source() -> Any:
    return task(number, name="source")()


def test_a_child_that_two_maps_wait_for_has_nothing_behind_it() -> None:
    with Flow("two maps") as flow:
        first = task(number, name="first").map(source())
        task(number, name="second").map(first)
        task(number, name="third").map(first)
    assert successor((with_children(flow)["first"], 0)) is None


def test_a_child_that_waits_for_two_children_is_behind_the_later_one() -> None:
    with Flow("join") as flow:
        values = source()
        left, right = (task(number, name=name).map(values) for name in ("left", "right"))
        task(number, name="both").map(left, right)
    machine, nodes = begun(flow)
    ended = 0
    while (command := machine.take()) is not None:
        if command.child < 0 or command.node is nodes["right"]:
            machine.finish(command.node, command.child, Success(result=1), 2)
            ended += command.child >= 0
            if ended == 1:
                break
    assert [successor((nodes["left"], child)) for child in range(2)] == [
        (nodes["both"], child) if nodes["right"].state_of(child) else None for child in range(2)
    ]


def test_a_child_is_not_fused_if_the_whole_that_it_needs_has_failed() -> None:
    with Flow("dirty") as flow:
        first = task(number, name="first").map(source())
        task(number, name="second").map(first, unmapped(task(number, name="bad")()))
    assert successor((with_children(flow)["first"], 0)) is not None
    assert successor((with_children(flow, "bad")["first"], 0)) is None


def test_a_child_is_not_fused_if_it_hangs_on_flattened_children_too() -> None:
    with Flow("flat") as flow:
        values = source()
        first = task(number, name="first").map(values)
        nested = task(number, name="nested").map(values)
        task(number, name="second").map(first, flatten(nested))
    machine, nodes = begun(flow)
    while (command := machine.take()) is not None:
        if command.node is not nodes["first"]:
            machine.finish(command.node, command.child, Success(result=[1]), 2)
    assert nodes["second"].children == [None, None]
    assert successor((nodes["first"], 0)) is None


def test_a_child_beyond_the_width_of_what_follows_has_nothing_behind_it() -> None:
    with Flow("narrow") as flow:
        first = task(number, name="first").map(source())
        task(number, name="second").map(first, [1])
    machine, nodes = begun(flow)
    while (command := machine.take()) is not None:
        if command.child < 0:
            width = 2 if command.node is nodes["source"] else 1
            machine.finish(command.node, command.child, Success(), width)
    assert nodes["second"].width == 1
    assert [successor((nodes["first"], child)) for child in range(2)] == [
        (nodes["second"], 0),
        None,
    ]

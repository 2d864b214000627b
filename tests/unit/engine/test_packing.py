"""Which task runs travel together."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import Flow, flatten, task
from headrace.core.context import FlowRunContext
from headrace.engine.chunk import Chunk
from headrace.engine.command import Command
from headrace.engine.flight import Flight
from headrace.engine.flow_machine import FlowMachine
from headrace.engine.fusing import successor
from headrace.engine.packing import LEAST_SHARE, MOST_STEPS, Packer
from headrace.engine.plan import NOT_A_CHILD, Node, plan
from headrace.engine.run import Run
from headrace.executors import LocalDaskExecutor
from headrace.states import Success, TriggerFailed
from tests.support.dispatching import dispatchers
from tests.support.random_flows import build, recipes


def number(x: Any = None, y: Any = None) -> int:
    return 1


class Packed:
    """Packs all that a flow's machine has ready, again and again.

    Args:
        flow: The flow.
        seconds: How much work a chunk should hold.
    """

    def __init__(self, flow: Flow, seconds: float) -> None:
        self.machine = FlowMachine(plan(flow))
        self.packer = Packer(Run(self.machine, FlowRunContext("f", "run", "run", {})), seconds)
        self.nodes = {node.task.name: node for node in self.machine.nodes.values()}
        self.left_over: Command | None = None
        self._fused: set[tuple[Node, int]] = set()

    def next(self, slots: int = 2) -> tuple[Flight, Chunk] | None:
        """Return the next chunk and its flight, as the dispatcher does it."""
        command = self._take()
        if command is None:
            return None
        flight, chunk, self.left_over = self.packer.pack(
            command, self._take, self.machine.ready_count, slots
        )
        self._fused |= flight.fused
        return flight, chunk

    def all(self, slots: int = 2) -> list[tuple[Flight, Chunk]]:
        """Return chunks until nothing is ready."""
        packed = []
        while (each := self.next(slots)) is not None:
            packed.append(each)
        return packed

    def _take(self) -> Command | None:
        command, self.left_over = self.left_over, None
        while True:
            command = command or self.machine.take()
            if command is None or (command.node, command.child) not in self._fused:
                return command
            command = None


def names(packed: list[tuple[Flight, Chunk]]) -> list[list[str]]:
    return [[node.name_of(child) for node, child in flight.items] for flight, _ in packed]


def mapped(width: int, **options: Any) -> Flow:
    """Make a flow of a map that is this wide, behind one task; it must be told so."""
    with Flow("map") as flow:
        task(number, name="child", **options).map(task(number, name="source")())
    return flow


def expanded(width: int, seconds: float, pace: float | None, **options: Any) -> Packed:
    """Make a map with its children ready, each of which takes so long, as far as that is known."""
    packed = Packed(mapped(width, **options), seconds)
    assert packed.machine.take() is not None
    packed.machine.finish(packed.nodes["source"], NOT_A_CHILD, Success(), width)
    if pace is not None:
        packed.packer.pace.learn(packed.nodes["child"], pace)
    packed.left_over = packed.machine.take()  # with it, the map has its children
    return packed


# -- how much ---------------------------------------------------------------------------------


@given(st.integers(1, 400), st.integers(1, 8))
def test_of_runs_that_were_never_measured_a_chunk_takes_a_part_of_what_is_ready(
    width: int, slots: int
) -> None:
    packed = expanded(width, 1.0, None)
    left = width
    while (each := packed.next(slots)) is not None:
        assert len(each[1].steps) == ceil(left / (2 * slots))
        left -= len(each[1].steps)
    assert left == 0


@given(st.integers(1, 400), st.integers(1, 8), st.floats(0.0001, 1.0))
def test_of_short_runs_a_chunk_takes_as_many_as_fill_its_time_and_leave_enough(
    width: int, slots: int, pace: float
) -> None:
    seconds = 0.1
    packed = expanded(width, seconds, pace)
    left = width
    while (each := packed.next(slots)) is not None:
        share = min(seconds, max(seconds * LEAST_SHARE, left * pace / (2 * slots)))
        count = len(each[1].steps)
        # The last one is what makes it full; rounding may add another.
        assert (count - 1) * pace < share * 1.000001
        assert count * pace > share * 0.999999 or count == left
        left -= count
    assert left == 0


def test_a_chunk_has_no_more_steps_than_can_be_pickled_in_reason() -> None:
    packed = expanded(5000, 10.0, 0.0)
    assert {len(chunk.steps) for _, chunk in packed.all(1)} == {MOST_STEPS, 5000 % MOST_STEPS}


def test_what_takes_longer_than_a_chunk_travels_alone() -> None:
    assert {len(chunk.steps) for _, chunk in expanded(20, 0.1, 0.5).all()} == {1}


# -- what may not share -----------------------------------------------------------------------


def alone(node: Node, packer: Packer) -> None:
    packer.alone.update((node, child) for child in range(30))


def at_home(node: Node, packer: Packer) -> None:
    node.at_home = True


@pytest.mark.parametrize(
    ("seconds", "options", "change"),
    [
        (0.0, {}, None),
        (1.0, {"timeout": 5}, None),
        (1.0, {"trigger": lambda states: True}, None),
        (1.0, {"tags": ["dask-resource:GPU=1"]}, None),
        (1.0, {}, alone),
        (1.0, {}, at_home),
    ],
    ids=["no chunks", "timeout", "own trigger", "resources", "a worker was lost", "at home"],
)
def test_who_may_not_share_travels_alone(
    seconds: float, options: dict[str, Any], change: Callable[[Node, Packer], None] | None
) -> None:
    packed = expanded(30, seconds, 0.0001, **options)
    if change is not None:
        change(packed.nodes["child"], packed.packer)
    assert {len(chunk.steps) for _, chunk in packed.all(1)} == {1}


def test_who_may_not_share_ends_a_chunk_and_comes_next() -> None:
    packed = expanded(6, 1.0, 0.0001)
    packed.packer.alone.add((packed.nodes["child"], 1))
    assert names(packed.all(1)) == [
        ["child[0]"],
        ["child[1]"],
        ["child[2]", "child[3]", "child[4]", "child[5]"],
    ]


# -- what is fused ----------------------------------------------------------------------------


def chain(*options: dict[str, Any]) -> Flow:
    with Flow("chain") as flow:
        last = None
        for index, each in enumerate(options):
            last = task(number, name=f"t{index}", **each)(last)
    return flow


def test_a_chain_of_short_runs_is_one_chunk() -> None:
    packed = Packed(chain({}, {}, {}), 1.0)
    flight, chunk = packed.all()[0]
    assert names([(flight, chunk)]) == [["t0", "t1", "t2"]]
    assert [list(step.after) for step in chunk.steps] == [[], [0], [1]]
    assert flight.fused == {(packed.nodes[name], NOT_A_CHILD) for name in ("t1", "t2")}
    assert flight.open == {0, 1, 2}


def test_nothing_is_fused_behind_a_run_that_fills_the_chunk() -> None:
    packed = Packed(chain({}, {}), 1.0)
    packed.packer.pace.learn(packed.nodes["t0"], 2.0)
    assert names(packed.all()) == [["t0"]]


def test_who_may_not_share_is_not_fused() -> None:
    assert names(Packed(chain({}, {"timeout": 5}), 1.0).all()) == [["t0"]]
    assert names(Packed(chain({"timeout": 5}, {}), 1.0).all()) == [["t0"]]


@given(recipes(), st.sampled_from([0.0, 0.01, 1.0]), st.integers(1, 4))
def test_each_run_is_in_one_chunk_with_its_task_and_after_what_it_builds_on(
    recipe: Any, seconds: float, slots: int
) -> None:
    packed = Packed(build(recipe), seconds)
    seen: set[tuple[Node, int]] = set()
    while (each := packed.next(slots)) is not None:
        flight, chunk = each
        assert len(flight.items) == len(chunk.steps)
        assert not seen & set(flight.items)
        assert len(set(flight.items)) == len(flight.items)
        seen.update(flight.items)
        for position, (item, step) in enumerate(zip(flight.items, chunk.steps, strict=True)):
            node, child = item
            assert chunk.tasks[step.task].value is node.task
            assert (step.slug, step.child) == (node.slug, child)
            if item in flight.fused:
                assert [successor(flight.items[above]) for above in step.after] == [item]
                assert all(above < position for above in step.after)
            else:
                assert not step.after
        for node, child in flight.items:
            if (node, child) not in flight.fused or child >= 0 or node.state is None:
                packed.machine.finish(node, child, Success(result=[[1], [1, 2]]), 2, [1, 2])


# -- from outside -----------------------------------------------------------------------------


@task
def fails():
    raise ValueError


@task
def pair(x, y):
    return x, y


def test_a_child_is_not_fused_behind_one_success_when_another_upstream_failed():
    with Flow("fused") as flow:
        broken = fails()
        parent = pair.map(broken, broken)
        good = pair.map(x=[1, 2], y=[3, 4])
        both = pair.map(good, parent)
    state = flow.run(executor=LocalDaskExecutor("threads", num_workers=1))
    assert state.result[parent].is_failed()
    assert [type(child) for child in state.result[both].map_states] == [TriggerFailed] * 2


def test_a_task_that_is_fused_gets_a_flattened_input_flattened():
    with Flow("flat") as flow:
        nested = task(lambda: [[1], [2, 3]], name="nested")()
        flat = task(lambda x: x, name="flat")(flatten(nested))
    with dispatchers() as seen:
        state = flow.run(executor=LocalDaskExecutor("threads", num_workers=1))
    assert seen.fused == 1
    assert state.result[flat].result == [1, 2, 3]

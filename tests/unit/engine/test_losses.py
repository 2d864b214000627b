"""What becomes of runs whose workers were lost: tried again, or blamed for it."""

from __future__ import annotations

import pytest

from headrace import Flow, task
from headrace.core.context import FlowRunContext
from headrace.core.errors import ExecutionLost
from headrace.core.now import now
from headrace.engine.flight import Flight, Item
from headrace.engine.flow_machine import FlowMachine
from headrace.engine.losses import MOST_LOSSES, Losses
from headrace.engine.packing import Packer
from headrace.engine.plan import plan
from headrace.engine.run import Run
from headrace.states import Failed, Retrying, State


def number() -> int:
    return 1


class Lost:
    """A flow of a few tasks that are lost with workers again and again."""

    def __init__(self, count: int) -> None:
        with Flow("lost") as flow:
            for index in range(count):
                task(number, name=f"t{index}")()
        self.machine = FlowMachine(plan(flow))
        self.packer = Packer(Run(self.machine, FlowRunContext("f", "run", "run", {})), 1.0)
        self.losses = Losses(self.machine, self.packer)

    def once(self, may_be_why: bool) -> tuple[list[Item], list[State | None]]:
        """Lose all that is ready, in one chunk; return what it was, and the states that follow."""
        self.machine.wake(now())
        flight = Flight("chunk")
        while (command := self.machine.take()) is not None:
            item = (command.node, command.child)
            flight.items.append(item)
            begin = self.machine.begin_state(*item)
            if begin is not None:
                flight.begins[item] = begin
        assert flight.items
        self.losses.lose(flight, ExecutionLost("worker", may_be_why), flight.items)
        return flight.items, [node.state_of(child) for node, child in flight.items]


def test_a_run_that_loses_one_worker_too_many_is_blamed() -> None:
    lost = Lost(1)
    for _ in range(MOST_LOSSES):
        _, (state,) = lost.once(may_be_why=True)
        assert isinstance(state, Retrying)
    _, (state,) = lost.once(may_be_why=True)
    assert isinstance(state, Failed)
    assert "4th worker" in str(state.message)


@pytest.mark.parametrize("count", [1, 3])
def test_runs_that_are_known_not_to_be_the_reason_are_never_blamed(count: int) -> None:
    lost = Lost(count)
    for _ in range(3 * MOST_LOSSES):
        _, states = lost.once(may_be_why=False)
        assert all(isinstance(state, Retrying) for state in states)
    assert not lost.packer.alone


def test_runs_that_were_lost_together_are_not_blamed_and_travel_alone_from_then_on() -> None:
    lost = Lost(3)
    for _ in range(3 * MOST_LOSSES):
        items, states = lost.once(may_be_why=True)
        assert all(isinstance(state, Retrying) for state in states)
        assert lost.packer.alone == set(items)

"""Schedules of faults, made from a seed: what happens to which run after how many calls of it."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Literal, get_args

from tests.chaos.harness import LEASE, LOST_AFTER, Chaos, Own, Part, Shared

How = Literal["kill", "stop", "kill all"]
#: How long something stands still, in seconds: for a moment, past its lease, until it is taken for lost.
SPANS = (0.3, LEASE + 0.5, LEASE + LOST_AFTER + 2.0)


@dataclass(frozen=True)
class Fault:
    """Something that happens to a run, or to what all runs share.

    It does once that run has made so many calls since the fault before, or is over.
    """

    run: int
    calls: int
    parts: tuple[Part, ...]
    how: How
    #: For how many seconds they stand still.
    span: float = 0.0

    def befall(self, chaos: Chaos, run: str) -> None:
        if self.how == "kill all":
            chaos.kill_all()
        elif self.how == "kill":
            chaos.kill(*self.parts, run=run)
        else:
            with chaos.stopped(*self.parts, run=run):
                time.sleep(self.span)


@dataclass(frozen=True)
class Schedule:
    """Runs, by the names of their flows, and what happens to them, one thing after the other."""

    seed: int
    flows: tuple[str, ...]
    faults: tuple[Fault, ...]

    @classmethod
    def from_seed(cls, seed: int) -> Schedule:
        """Make the schedule that this seed stands for."""
        chance = random.Random(seed)
        flows = tuple(chance.choices(("inline", "threads", "processes", "careful"), k=4))
        faults = []
        for _ in range(5):
            how: How = chance.choices(get_args(How), (6, 2, 1))[0]
            own = chance.sample(get_args(Own), chance.randint(0, 2))
            shared = chance.sample(get_args(Shared), chance.randint(0 if own else 1, 2))
            parts = (*own, *shared)
            if how == "stop":
                # One thing at a time: whatever else stands still, somebody must see it.
                parts = parts[:1]
            span = chance.choice(SPANS) if how == "stop" else 0.0
            run, calls = chance.randrange(len(flows)), chance.randint(1, 8)
            faults.append(Fault(run, calls, parts, how, span))
        return cls(seed, flows, tuple(faults))

    def carry_out(self, chaos: Chaos) -> None:
        """Start the runs, break what is to be broken, and judge."""
        chaos.tell(f"schedule {self.seed}: {self.faults}")
        runs = [chaos.start(flow, count=10, pace=0.1) for flow in self.flows]
        for fault in self.faults:
            made = len(chaos.calls(runs[fault.run]))
            chaos.wait_for_calls(runs[fault.run], made + fault.calls)
            fault.befall(chaos, runs[fault.run])
        chaos.finish()

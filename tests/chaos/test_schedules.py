"""Faults in every combination and at any moment, by seeds.

`CHAOS_SEEDS="7 1234" pytest tests/chaos/test_schedules.py` repeats the schedules of these seeds;
`CHAOS_SEEDS=100-199` goes through a hundred others.
"""

from __future__ import annotations

import os

import pytest

from tests.chaos.harness import Chaos
from tests.chaos.running import chaos as chaos
from tests.chaos.running import running as running
from tests.chaos.schedules import Schedule


def seeds(text: str) -> list[int]:
    """Return the numbers in a text of numbers and ranges."""
    found: list[int] = []
    for word in text.split():
        first, _, last = word.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


@pytest.mark.parametrize("seed", seeds(os.environ.get("CHAOS_SEEDS", "7 61")))
def test_runs_end_once_and_whole(chaos: Chaos, seed: int):
    Schedule.from_seed(seed).carry_out(chaos)

"""The ownership protocol holds its invariants over thousands of schedules of accidents."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.server.rules import ownership
from headrace.server.rules.ownership import Granted, Phase
from tests.simulation.world import World, violations

SCHEDULES = 20_000


def play(seed: int, rules: Any = ownership) -> list[str]:
    world = World(seed, rules)
    world.run()
    return violations(world)


@pytest.mark.parametrize("part", range(4))
def test_the_invariants_hold(part: int) -> None:
    for seed in range(part, SCHEDULES, 4):
        broken = play(seed)
        assert not broken, f"seed {seed}: {broken}"


def mutant(**changes: Any) -> SimpleNamespace:
    names = ["claim", "activate", "write", "exited", "expire", "cancel", "server_started"]
    names += ["pause", "resume", "deploying", "give_back"]
    return SimpleNamespace(**{**{name: getattr(ownership, name) for name in names}, **changes})


def lets_twins_in(own: Any, attempt: int, nonce: str, now: Any) -> Any:
    if own.phase is Phase.RUNNING and attempt == own.attempt:
        return own, Granted(attempt, own.lease_until)
    return ownership.activate(own, attempt, nonce, now)


def stores_again(own: Any, attempt: int, nonce: str, batch: Any, now: Any) -> Any:
    own, answer = ownership.write(own, attempt, nonce, batch, now)
    return own, replace(answer, new_from=0) if hasattr(answer, "new_from") else answer


def never_expires(own: Any, now: Any) -> Any:
    return own


def takes_over_at_once(own: Any, now: Any) -> Any:
    early = own.lease_until and own.phase is Phase.RUNNING
    return ownership.exited(own, own.attempt, "impatience", now) if early else own


def claims_the_paused(own: Any, agent: str, now: Any) -> Any:
    claimed, answer = ownership.claim(replace(own, pausing=None), agent, now)
    return (replace(claimed, pausing=own.pausing), answer) if claimed != own else (own, answer)


def counts_what_it_takes_back(own: Any, attempt: int, why: str, now: Any) -> Any:
    return ownership.exited(own, attempt, why, now)


@pytest.mark.parametrize(
    "rules",
    [
        mutant(activate=lets_twins_in),
        mutant(write=stores_again),
        mutant(expire=never_expires),
        mutant(expire=takes_over_at_once),
        mutant(claim=claims_the_paused),
        mutant(pause=lambda own, reason: replace(own, pausing=reason)),
        mutant(give_back=counts_what_it_takes_back),
    ],
    ids=[
        *("twins", "duplicates", "no takeover", "hasty takeover", "claims paused", "pauses ended"),
        "counts what it takes back",
    ],
)
def test_a_broken_protocol_is_found_out(rules: Any) -> None:
    assert any(play(seed, rules) for seed in range(2000))

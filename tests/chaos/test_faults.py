"""Each part of a tracked run dies, or stands still, alone; every run ends once, and its record is whole."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import get_args

import pytest

from tests.chaos.harness import LEASE, Chaos, Own, Shared
from tests.chaos.running import chaos as chaos
from tests.chaos.running import running as running
from tests.chaos.twins import LABEL, run_twins

EXECUTORS = ("inline", "threads", "processes")


@pytest.mark.parametrize("part", get_args(Shared))
def test_what_all_runs_share_is_killed(chaos: Chaos, part: Shared):
    runs = [chaos.start(flow) for flow in EXECUTORS]
    for run in runs:
        chaos.wait_for_calls(run, 3)
    chaos.kill(part)
    for evidence in chaos.finish().values():
        assert evidence.tables.run["attempt"] == 1


@pytest.mark.parametrize("part", get_args(Own))
def test_what_a_run_has_of_its_own_is_killed(chaos: Chaos, part: Own):
    moments = random.Random(part)
    runs = [chaos.start(flow) for flow in EXECUTORS]
    for run in runs:
        chaos.wait_for_calls(run, moments.randint(2, 8))
        chaos.kill(part, run=run)
    runs.append(chaos.start("program", count=2))
    chaos.wait_for_calls(runs[-1], 2)
    time.sleep(0.1)  # for its program to start
    chaos.kill(part, run=runs[-1])
    for evidence in chaos.finish().values():
        assert evidence.tables.run["recoveries"] == evidence.tables.run["attempt"] - 1 == 1


def test_all_of_it_is_killed_at_once(chaos: Chaos):
    runs = [chaos.start(flow, count=10, pace=0.2) for flow in EXECUTORS]
    for run in runs:
        chaos.wait_for_calls(run, 3)
    chaos.kill_all()
    attempts = [evidence.tables.run["attempt"] for evidence in chaos.finish().values()]
    # On a loaded machine one may be over before the last begins.
    assert 2 in attempts
    assert {*attempts} <= {1, 2}


@pytest.mark.parametrize("parts", [("agent",), ("agent", "fork server"), ("agent", "server")])
def test_what_deploys_runs_is_killed_in_the_middle_of_it(
    chaos: Chaos, parts: tuple[Shared, ...], request: pytest.FixtureRequest
):
    moments = random.Random(request.node.name)
    for _ in range(2):
        runs = [chaos.start("inline", count=2, pace=0.01) for _ in range(4)]
        time.sleep(moments.uniform(0.0, 0.05))
        chaos.kill(*parts)
    for run in runs:
        chaos.wait_for_calls(run, 1)
    for evidence in chaos.finish().values():
        # A run that was claimed, and not begun, may be claimed again; nothing of it runs twice.
        assert len({call.attempt for call in evidence.calls}) == 1


@pytest.mark.parametrize("part", get_args(Shared))
def test_what_all_runs_share_stands_still(chaos: Chaos, part: Shared):
    runs = [chaos.start(flow, pace=0.1) for flow in EXECUTORS]
    for run in runs:
        chaos.wait_for_calls(run, 3)
    with chaos.stopped(part):
        time.sleep(LEASE + 0.5)
    for evidence in chaos.finish().values():
        assert evidence.tables.run["attempt"] == 1


def test_what_a_run_has_of_its_own_stands_still(chaos: Chaos):
    """A silent supervisor is taken for lost, and its runner stops when it hears so; a silent runner is not."""
    alone, silent, held, both = (
        chaos.start(flow, count=30, pace=0.1) for flow in ("inline", "inline", "careful", "threads")
    )
    for run in (alone, silent, held, both):
        chaos.wait_for_calls(run, 5)
    with (
        chaos.stopped("runner", run=alone),
        chaos.stopped("supervisor", run=silent),
        chaos.stopped("supervisor", run=held),
        chaos.stopped("supervisor", "runner", run=both),
    ):
        for run in (silent, held, both):
            chaos.wait_for_calls(run, 1, attempt=2)
    known = chaos.finish()
    attempts = [known[run].tables.run["attempt"] for run in (alone, silent, held, both)]
    assert attempts == [1, 2, 2, 2]


def test_a_deployment_is_started_twice(chaos: Chaos, tmp_path: Path):
    run = chaos.start("inline", labels=[LABEL])
    with chaos.client() as client:
        twins = run_twins(client, chaos.agent.env, tmp_path, 3)
    known = chaos.finish()
    assert known[run].tables.run["attempt"] == 1
    assert [code for code, _ in twins] == [0, 11, 11], twins


def test_a_run_that_is_lost_too_often_fails_with_its_story(chaos: Chaos):
    run = chaos.start("frail")
    for attempt, part in ((1, "runner"), (2, "supervisor")):
        chaos.wait_for_calls(run, 2, attempt)
        chaos.kill(part, run=run)  # type: ignore[arg-type]
    known = chaos.finish("Failed")[run]
    assert known.tables.run["recoveries"] == 1
    assert [row["how"].split(":")[0] for row in known.tables.attempts] == ["Scheduled", "Failed"]
    for row in known.tables.attempts:
        assert "SIGKILL" in row["how"], row

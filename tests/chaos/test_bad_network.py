"""Requests between a run and its server are lost, repeated, held up, cut off and overtaken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.quick import QuickPlace
from tests.chaos.story import check
from tests.support.proxy import Fault, Plan

BAD_NETWORK = True

PLANS: dict[str, dict[Fault, float]] = {
    "lost": {"drop": 0.3},
    "lost answers": {"swallow": 0.3},
    "repeated": {"repeat": 0.5},
    "overtaken": {"late": 0.2, "delay": 0.2},
    "cut off": {"cut": 0.15, "cut_answer": 0.15},
    "busy": {"refuse": 0.3},
    "all": {
        "drop": 0.08,
        "swallow": 0.08,
        "repeat": 0.08,
        "late": 0.08,
        "delay": 0.08,
        "cut": 0.04,
        "cut_answer": 0.04,
        "refuse": 0.08,
    },
}


@pytest.mark.parametrize("name", PLANS)
def test_runs_end_once_and_whole(place: QuickPlace, name: str):
    assert place.network is not None
    place.network.plan = Plan(seed=len(name), odds=PLANS[name])
    place.network.asked.clear()
    runs = [place.start("held") for _ in range(4)]
    for run in runs:
        place.wait(run, "Success", "Failed", seconds=120)
    for run in runs:
        shown = check(place, run)
        # A claim whose answer is lost is asked for again, and none is lost for good.
        assert (shown["state"], shown["recoveries"]) == ("Success", 0)
        logs = place.lines(run)
        assert logs.count("there are 3 numbers") == logs.count("adding up") == 1
    assert place.calls("numbers") == place.calls("hold") == place.calls("total") == 4
    befell = place.network.counts()
    assert set(PLANS[name]) & set(befell), befell


def test_a_run_that_is_cut_off_from_its_server_goes_on(place: QuickPlace, tmp_path: Path):
    assert place.network is not None
    go = tmp_path / "go"
    run = place.start("held", until=str(go))
    place.wait_for_mark("hold")
    place.network.away = True
    go.touch()
    place.wait_for_mark("total")
    place.network.away = False
    place.wait(run, "Success", "Failed")
    check(place, run)
    assert place.lines(run).count("adding up") == 1

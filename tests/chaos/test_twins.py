"""A deployment that is started twice: by a Job controller, an agent that was restarted, a user."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.quick import QuickPlace
from tests.chaos.story import check
from tests.chaos.twins import LABEL, run_twins


def test_of_two_processes_of_one_attempt_one_runs(place: QuickPlace, tmp_path: Path):
    with place.client() as client:
        run = client.create_flow_run("held", "etl", labels=[LABEL]).id
        twins = run_twins(client, place.server.env, tmp_path, 3)
    assert [code for code, _ in twins] == [0, 11, 11], twins
    place.wait(run, "Success", "Failed")
    shown = check(place, run)
    assert (shown["attempt"], shown["recoveries"]) == (1, 0)
    for name in ("numbers", "double-0", "hold", "total"):
        assert place.calls(name) == 1

"""A process that is silent for longer than its lease, and is not dead."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.conftest import LEASE
from tests.chaos.quick import QuickPlace
from tests.chaos.story import check


def test_a_stopped_process_that_comes_back_changes_nothing(place: QuickPlace, tmp_path: Path):
    go = tmp_path / "go"
    run = place.hold(go)
    supervisor, runner = place.show(run)["pid"], place.callers("hold")[0][0]
    for pid in (supervisor, runner):
        os.kill(pid, signal.SIGSTOP)
    try:
        # Silent for its lease and `lost_after`, it is taken for lost; another attempt begins.
        place.wait_until_lost(run)
        place.wait_for_calls("hold", 2)
        go.touch()
        place.wait(run, "Success", "Failed")
    finally:
        for pid in (supervisor, runner):
            os.kill(pid, signal.SIGCONT)
    _wait_until_gone(supervisor, runner)
    shown = check(place, run)
    assert (shown["attempt"], shown["recoveries"]) == (2, 1)
    assert place.calls("numbers") == 1
    # What the first attempt may still have begun before it learnt of the second, it did at once.
    assert {pid for pid, _ in place.callers("hold")} == {runner, place.callers("hold")[1][0]}


def test_a_server_that_is_killed_and_away_for_longer_than_a_lease(
    place: QuickPlace, tmp_path: Path
):
    _be_away(place, tmp_path / "go", place.server.kill)


@pytest.mark.parametrize("shared_database_url", ["sqlite"], indirect=True)
def test_a_server_that_is_stopped_and_away_for_longer_than_a_lease(
    place: QuickPlace, tmp_path: Path
):
    _be_away(place, tmp_path / "go", place.server.stop)


def _be_away(place: QuickPlace, go: Path, end: Callable[[], None]) -> None:
    run = place.start("held", until=str(go))
    place.wait_for_mark("hold")
    end()
    time.sleep(1.5 * LEASE)
    go.touch()
    place.wait_for_mark("total")
    place.server.start()
    place.wait(run, "Success", "Failed")
    shown = check(place, run)
    assert (shown["attempt"], shown["recoveries"]) == (1, 0)
    assert place.calls("hold") == place.calls("total") == 1
    logs = place.lines(run)
    assert logs.count("there are 3 numbers") == logs.count("adding up") == 1


def _wait_until_gone(*pids: int, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < until, f"of {pids} some go on"
        time.sleep(0.05)

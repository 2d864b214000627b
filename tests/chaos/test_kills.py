"""Any part dies, alone or with others, in the middle of a run; the run comes to its end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.chaos.network import wait_until
from tests.chaos.quick import QuickPlace
from tests.chaos.story import check

#: What all runs share, and what a run has of its own: any of these die together.
SHARED = [(), ("server",), ("agent",), ("server", "agent")]
OWN = [(), ("supervisor",), ("runner",), ("supervisor", "runner")]


def kill(place: QuickPlace, runs: dict[str, tuple[str, ...]], shared: tuple[str, ...]) -> None:
    """Kill all of these at once, then start again what a machine starts again: server, agent.

    Args:
        place: Where they are.
        runs: What each run loses of its own.
        shared: What all of them lose.
    """
    runners = {run: place.callers("hold", run)[-1][0] for run in runs}
    pids = []
    for run, parts in runs.items():
        own = {"supervisor": place.show(run)["pid"], "runner": runners[run]}
        pids += [own[part] for part in parts]
    of_all = {"server": place.server.pid, "agent": place.agent.pid}
    for pid in [*pids, *(of_all[part] for part in shared)]:
        os.kill(pid, signal.SIGKILL)
    for run, parts in runs.items():
        # The runner dies with its supervisor; until it has, its task could still come to its end.
        if parts:
            wait_until(lambda dying=runners[run]: is_dead(dying), "the runner lives on")
    if "server" in shared:
        place.server.kill()
        place.server.start()
    if "agent" in shared:
        place.agent.kill()
        place.agent.start()


def is_dead(pid: int) -> bool:
    """Tell whether a process runs nothing any more, whether or not its parent knows."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("shared", SHARED, ids=lambda parts: "+".join(parts) or "none")
def test_runs_end_once_whoever_dies(place: QuickPlace, tmp_path: Path, shared: tuple[str, ...]):
    """Runs side by side each lose another part of their own, together with what they share."""
    go = tmp_path / "go"
    runs = {place.start("held", until=str(go)): own for own in OWN if own or shared}
    for run in runs:
        place.wait_until_held(run)
    kill(place, runs, shared)
    go.touch()
    for run, lost in runs.items():
        place.wait(run, "Success", "Failed")
        shown = check(place, run)
        # A claim whose answer is lost with an agent or a server lapses here: it is good for less time
        # than the 5 s after which it would be given back without being counted.
        most = 2 if shared else 1
        assert 1 <= shown["recoveries"] <= most if lost else shown["recoveries"] == 0, (lost, shown)
        assert place.calls("numbers", run) == 1, lost
        assert [place.calls(f"double-{n}", run) for n in range(3)] == [1, 1, 1], lost
        assert place.calls("hold", run) == (2 if lost else 1), lost
        assert place.calls("total", run) == 1, lost
        assert place.lines(run).count("there are 3 numbers") == 1, lost


def test_a_run_whose_machine_is_lost_is_taken_over(place: QuickPlace, tmp_path: Path):
    go = tmp_path / "go"
    run = place.hold(go)
    place.agent.close()
    go.touch()
    place.wait_until_lost(run)
    with place.another_agent(tmp_path):
        place.wait(run, "Success", "Failed")
        shown = check(place, run)
    assert (shown["attempt"], shown["recoveries"]) == (2, 1)
    assert place.calls("numbers") == 1
    assert place.calls("hold") == 2


def test_a_run_that_keeps_dying_fails_with_its_story(place: QuickPlace):
    run = place.start("held", until="never")
    for attempt in range(1, 5):
        place.wait_for_calls("hold", attempt)
        place.wait_until_doubled(run)
        os.kill(place.callers("hold")[-1][0], signal.SIGKILL)
    shown = place.wait(run, "Success", "Failed")
    assert shown["state"] == "Failed"
    assert "SIGKILL" in shown["message"]
    assert (shown["attempt"], shown["recoveries"]) == (4, 3)
    assert place.calls("hold") == 4
    assert place.calls("numbers") == 1

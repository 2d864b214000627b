"""Any part dies, alone or with others, in the middle of a run; the run comes to its end."""

from __future__ import annotations

import os
import signal
from itertools import combinations
from pathlib import Path

import pytest

from tests.chaos.network import wait_until
from tests.chaos.quick import QuickPlace
from tests.chaos.story import check

PARTS = ("server", "agent", "supervisor", "runner")


def kill(place: QuickPlace, run: str, parts: tuple[str, ...]) -> None:
    """Kill all of these at once, then start again what a machine starts again: server, agent."""
    pids = {
        "server": place.server.pid,
        "agent": place.agent.pid,
        "supervisor": place.show(run)["pid"],
        "runner": place.callers("hold")[-1][0],
    }
    for part in parts:
        os.kill(pids[part], signal.SIGKILL)
    if {"supervisor", "runner"} & set(parts):
        # The runner dies with its supervisor; until it has, its task could still come to its end.
        wait_until(lambda: is_dead(pids["runner"]), "the runner lives on")
    if "server" in parts:
        place.server.kill()
        place.server.start()
    if "agent" in parts:
        place.agent.kill()
        place.agent.start()


def is_dead(pid: int) -> bool:
    """Tell whether a process runs nothing any more, whether or not its parent knows."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize(
    "parts",
    [chosen for count in range(1, 5) for chosen in combinations(PARTS, count)],
    ids="+".join,
)
def test_a_run_ends_once_whoever_dies(place: QuickPlace, tmp_path: Path, parts: tuple[str, ...]):
    go = tmp_path / "go"
    run = place.hold(go)
    kill(place, run, parts)
    go.touch()
    place.wait(run, "Success", "Failed")
    shown = check(place, run)
    lost = bool({"supervisor", "runner"} & set(parts))
    assert shown["recoveries"] == (1 if lost else 0)
    assert place.calls("numbers") == 1
    assert [place.calls(f"double-{n}") for n in range(3)] == [1, 1, 1]
    assert place.calls("hold") == (2 if lost else 1)
    assert place.calls("total") == 1
    assert place.lines(run).count("there are 3 numbers") == 1


def test_a_run_whose_machine_is_lost_is_taken_over(place: QuickPlace, tmp_path: Path):
    go = tmp_path / "go"
    run = place.hold(go)
    place.agent.close()
    go.touch()
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

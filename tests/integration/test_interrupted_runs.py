"""Ctrl-C and SIGTERM end a run in order: states say Cancelled, and no process stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import json, os, sys, time
from headrace import Flow, task
from headrace.executors import LocalDaskExecutor, LocalExecutor

here, kind = sys.argv[1], sys.argv[2]


@task
def numbers():
    return list(range(6))


@task
def sleeps(n, here):
    open(f"{here}/begun-{n}-{os.getpid()}", "w").close()
    for _ in range(12000):
        time.sleep(0.01)
    return n


@task
def never(xs, here):
    open(f"{here}/never", "w").close()


with Flow("interrupted") as flow:
    first = numbers()
    slept = sleeps.map(first, here=__import__("headrace").unmapped(here))
    last = never(slept, here)

if __name__ == "__main__":
    executor = LocalExecutor() if kind == "local" else LocalDaskExecutor(kind, num_workers=2)
    state = flow.run(executor=executor)
    kinds = lambda s: type(s).__name__
    with open(f"{here}/states.json", "w") as file:
        json.dump({
            "flow": kinds(state), "message": state.message, "first": kinds(state.result[first]),
            "slept": [kinds(child) for child in state.result[slept].map_states],
            "last": kinds(state.result[last]),
        }, file)
"""


def is_alive(pid: int) -> bool:
    """Tell whether a process lives; one that is dead and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(true: object, seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
@pytest.mark.parametrize("kind", ["local", "threads", "processes"])
def test_an_interrupted_run_ends_in_order(
    kind: str, number: signal.Signals, tmp_path: Path
) -> None:
    script = tmp_path / "flow_file.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path), kind],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wanted = 1 if kind == "local" else 2
        wait_until(lambda: len(list(tmp_path.glob("begun-*"))) >= wanted)
        pids = {int(path.name.rpartition("-")[2]) for path in tmp_path.glob("begun-*")}
        assert (pids == {process.pid}) == (kind != "processes")
        os.kill(process.pid, number)
        asked = time.monotonic()
        output, _ = process.communicate(timeout=120)
        took = time.monotonic() - asked
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 0, output
    states = json.loads((tmp_path / "states.json").read_text())
    assert states["flow"] == "Cancelled"
    assert states["first"] == "Success"
    assert states["slept"] == ["Cancelled"] * 6
    assert states["last"] == "Cancelled"
    assert len(list(tmp_path.glob("begun-*"))) == wanted  # nothing began after it
    assert not (tmp_path / "never").exists()
    assert took < 60, output  # each of them sleeps for two minutes
    wait_until(lambda: not any(map(is_alive, pids)))
    assert "Traceback" not in output

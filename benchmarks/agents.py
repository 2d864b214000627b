"""The local agent: how soon a flow run's first task executes, and what a flow run's processes need."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import quantiles

from benchmarks.comparisons import Settings
from benchmarks.report import HEADRACE, Row, Target, rows_of, show
from benchmarks.servers import measured_server, parent_of, usage
from headrace.client import Client
from tests.support.agents import running_agent
from tests.support.servers import RunningServer, headrace

STARTS = 200
QUICK_STARTS = 10
#: Seconds between the end of a flow run and the start of the next.
_GAP = 0.1
#: Seconds that any of it may take.
_PATIENCE = 60.0
_MEBIBYTE = 1 << 20

#: The flow imports nothing: what is measured is what comes on top of the user's own imports.
_FILE = """\
import time
from pathlib import Path
from headrace import Flow, Parameter, task


@task
def stamp(path):
    now = time.time()
    Path(path).write_text(repr(now))


@task
def wait(path):
    while Path(path).exists():
        time.sleep(0.01)


with Flow("stamp") as flow:
    path = Parameter("path")
    wait(path, upstream_tasks=[stamp(path)])
"""


def start_now(settings: Settings, *, middle: Target, worst: Target) -> list[Row]:
    """Measure the time from asking for a flow run until its first task executes."""
    taken: list[float] = []
    with measured_server() as server, running_agent(server, "bench"):
        _register(server)
        with Client(server.url, api_key="") as client:
            count = QUICK_STARTS if settings.quick else STARTS
            # The first finds no connections yet, as the first after the agent's start does.
            first, *taken = [_started(client, server, number) for number in range(count + 1)]
    parts = quantiles(taken, n=100, method="inclusive")
    note = {HEADRACE: f"{count} runs, the first {show(first * 1000)}"}
    return [
        *rows_of("start now → first task, p50", "ms", {HEADRACE: parts[49] * 1000}, target=middle),
        *rows_of(
            "start now → first task, p99",
            "ms",
            {HEADRACE: parts[98] * 1000},
            target=worst,
            notes=note,
        ),
    ]


def run_memory(settings: Settings, *, target: Target) -> list[Row]:
    """Measure the memory of a flow run's supervisor and runner while a task runs."""
    with measured_server() as server, running_agent(server, "bench"):
        _register(server)
        mark = server.home / "mark"
        with Client(server.url, api_key="") as client:
            made = client.create_flow_run("stamp", "bench", parameters={"path": str(mark)})
            _read(mark)
            time.sleep(1.0)
            supervisor = client.get_flow_run(made.id).pid
            assert supervisor is not None
            runner = next(pid for pid in _processes() if _is_child(pid, supervisor))
            own, other = (usage(pid).proportional / _MEBIBYTE for pid in (supervisor, runner))
            shared = usage(parent_of(supervisor)).proportional / _MEBIBYTE
            mark.unlink()
            client.wait_for_flow_run(made.id, timeout=_PATIENCE)
    note = f"supervisor {show(own)}, runner {show(other)}; the agent's fork server {show(shared)}"
    return rows_of(
        "a flow run's supervisor and runner, proportional memory (PSS)",
        "MiB",
        {HEADRACE: own + other},
        target=target,
        notes={HEADRACE: note},
    )


def _register(server: RunningServer) -> None:
    file = server.home / "stamp.py"
    file.write_text(_FILE, encoding="utf-8")
    register = ("register", "--project", "bench", "--create-project", "--path", str(file))
    headrace(*register, "--label", "bench", env=server.env)


def _started(client: Client, server: RunningServer, number: int) -> float:
    mark = server.home / f"mark-{number}"
    asked = time.time()
    made = client.create_flow_run("stamp", "bench", parameters={"path": str(mark)})
    began = _read(mark)
    mark.unlink()
    client.wait_for_flow_run(made.id, timeout=_PATIENCE)
    time.sleep(_GAP)
    return began - asked


def _read(mark: Path) -> float:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if mark.exists() and (text := mark.read_text(encoding="utf-8")):
            return float(text)
        # Seldom enough to leave the processors to what is measured.
        time.sleep(0.005)
    raise SystemExit("A flow run was not started in time.")


def _processes() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]


def _is_child(pid: int, parent: int) -> bool:
    try:
        return parent_of(pid) == parent
    except OSError:
        return False  # it has ended meanwhile

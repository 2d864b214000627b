"""What an agent costs: for each deployment, beyond its platform's own call, and while it watches."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.claims import register_empty
from benchmarks.comparisons import Settings
from benchmarks.report import HEADRACE, Row, Target, rows_of, show
from benchmarks.servers import measured_server, usage
from headrace.client import Client
from headrace.wire.flow_runs import CreateFlowRun
from tests.support.agents import RunningAgent, running_agent
from tests.support.servers import RunningServer

#: How long the platform's own call takes, in seconds, and how many are under way at once.
PLATFORM_SECONDS = 0.1
IN_FLIGHT = 50
RUNS = 1_000
QUICK_RUNS = 100
LIVE = 500
WATCH_SECONDS = 30.0
QUICK_WATCH_SECONDS = 2.0
_PATIENCE = 120.0
_MEBIBYTE = 1 << 20


def overhead(settings: Settings, *, target: Target) -> list[Row]:
    """Measure what a deployment takes beyond the platform's own call, with many in flight at once.

    The runs are there before the agent comes. Each of its places is taken by one deployment after
    another, so the time that passes in a place between the ends of two, less the platform's own, is
    what the agent and the server add to each.
    """
    count = QUICK_RUNS if settings.quick else RUNS
    with measured_server() as server:
        notes = server.home / "notes"
        _make_runs(server, count)
        with _agent(server, notes) as agent:
            _calls(notes, IN_FLIGHT)
            before = usage(agent.pid).cpu
            calls = _calls(notes, count)
            cpu = usage(agent.pid).cpu - before
    # The first are claimed while there is room for all of them; what is measured is a full agent.
    ends = sorted(end for _, end in calls)
    settled, last = ends[IN_FLIGHT - 1], ends[-1]
    in_a_place = (last - settled) / (count - IN_FLIGHT) * IN_FLIGHT
    platform = sum(end - began for began, end in calls) / count
    beyond = (in_a_place - platform) * 1000
    rate = count / (last - min(began for began, _ in calls))
    note = f"{show(rate)} deployments/s; the agent's CPU {show(cpu / (count - IN_FLIGHT) * 1000)} ms each"
    return rows_of(
        f"an agent's overhead for a deployment, {IN_FLIGHT} in flight, "
        f"platform's call {PLATFORM_SECONDS * 1000:g} ms",
        "ms",
        {HEADRACE: beyond},
        target=target,
        notes={HEADRACE: note},
    )


def watching(settings: Settings, *, cpu: Target, memory: Target) -> list[Row]:
    """Measure what an agent costs whose launcher watches for nothing: the part that all have."""
    with (
        measured_server() as server,
        _agent(server, server.home / "notes", "--live", str(LIVE)) as agent,
    ):
        _wait_until_heard_of(server)
        return watch_rows("an agent alone", agent, settings, cpu=cpu, memory=memory)


def watch_rows(
    what: str, agent: RunningAgent, settings: Settings, *, cpu: Target, memory: Target
) -> list[Row]:
    """Measure what an agent costs while nothing happens; its deployments are live already.

    Args:
        what: Whose figures these are.
        agent: The agent, with `LIVE` live deployments.
        settings: How the benchmarks are run.
        cpu: What its share of one processor is judged by, in percent.
        memory: What its resident memory is judged by, in MiB.
    """
    seconds = QUICK_WATCH_SECONDS if settings.quick else WATCH_SECONDS
    before, began = usage(agent.pid), time.monotonic()
    time.sleep(seconds)
    after, ended = usage(agent.pid), time.monotonic()
    share = (after.cpu - before.cpu) / (ended - began) * 100
    case = f"{what} watching {LIVE} live deployments for {seconds:g} s"
    return [
        *rows_of(f"{case}: CPU", "%", {HEADRACE: share}, target=cpu),
        *rows_of(
            f"{case}: resident memory", "MiB", {HEADRACE: after.resident / _MEBIBYTE}, target=memory
        ),
    ]


def _agent(
    server: RunningServer, notes: Path, *options: str
) -> AbstractContextManager[RunningAgent]:
    module = [sys.executable, "-m", "benchmarks.platform_agent", "--notes", str(notes)]
    return running_agent(
        server,
        "bench",
        program=[*module, "--seconds", str(PLATFORM_SECONDS), *options],
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
    )


def _make_runs(server: RunningServer, count: int) -> None:
    flow_id = register_empty(server)
    with Client(server.url, api_key="") as client:
        client.create_flow_runs([CreateFlowRun(flow_id=flow_id, labels=["bench"])] * count)


def _calls(notes: Path, count: int) -> list[tuple[float, float]]:
    """Wait until all runs are deployed, and return when the platform's calls began and ended."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if notes.exists():
            lines = notes.read_text(encoding="utf-8").splitlines()
            if len(lines) >= count:
                calls = [line.split() for line in lines]
                if len({run_id for run_id, _, _ in calls}) < len(calls):
                    raise SystemExit("A flow run was deployed twice.")
                return [(float(began), float(ended)) for _, began, ended in calls]
        time.sleep(0.1)
    raise SystemExit("Not all flow runs were deployed in time.")


def _wait_until_heard_of(server: RunningServer) -> None:
    until = time.monotonic() + _PATIENCE
    with Client(server.url, api_key="") as client:
        while not list(client.agents()):
            if time.monotonic() > until:
                raise SystemExit("The agent was not heard of in time.")
            time.sleep(0.1)
    time.sleep(2.0)

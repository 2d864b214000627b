"""A server by itself: how soon it is healthy, and what it costs while nothing happens."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.comparisons import Settings
from benchmarks.environments import PEERS
from benchmarks.load import drive, encode
from benchmarks.report import HEADRACE, Row, Target, rows_of, show
from benchmarks.servers import Usage, measured_server, usage
from headrace.wire.claims import Claim
from tests.support.servers import running_server

AGENTS = 20
#: How long the server is left alone, and how long its idleness is measured, in seconds.
REST, IDLE = 5.0, 20.0
QUICK_IDLE = 2.0
MEGA = 1024 * 1024


def start(settings: Settings, *, target: Target) -> list[Row]:
    """Measure how long a server takes from its command until it answers that it is ready."""
    taken = []
    with tempfile.TemporaryDirectory() as home:
        for _ in range(1 + settings.repeats):
            began = time.perf_counter()
            with running_server(home=Path(home)) as server:
                taken.append(time.perf_counter() - began)
                server.stop()
    figures = {HEADRACE: median(taken[1:])}
    notes = {HEADRACE: f"{show(taken[0])} the first time, with the tables to be made"}
    if settings.peers:
        from benchmarks.peers.prefect3_server import prefect_figures

        figures[PEERS["prefect3"]] = prefect_figures(quick=settings.quick).seconds_to_healthy
    return rows_of("a server's start until it is ready", "s", figures, target=target, notes=notes)


def idle(settings: Settings, *, cpu: Target, memory: Target) -> list[Row]:
    """Measure a server on which agents wait and nothing else happens."""
    seconds = QUICK_IDLE if settings.quick else IDLE
    with measured_server() as server:
        before, after = asyncio.run(_wait_around(server.url, server.pid, seconds))
    share = {HEADRACE: (after.cpu - before.cpu) / seconds * 100}
    resident = {HEADRACE: after.resident / MEGA}
    if settings.peers:
        from benchmarks.peers.prefect3_server import prefect_figures

        theirs = prefect_figures(quick=settings.quick)
        label = PEERS["prefect3"]
        share[label] = theirs.idle_cpu
        resident[label] = theirs.idle_memory / MEGA
    name = f"an idle server, {AGENTS} agents waiting"
    note = {HEADRACE: f"over {seconds:g} s"}
    proportional = {HEADRACE: f"{show(after.proportional / MEGA)} of it its own (PSS)"}
    return [
        *rows_of(f"{name}: CPU", "% of a core", share, target=cpu, notes=note),
        *rows_of(f"{name}: memory", "MiB", resident, target=memory, notes=proportional),
    ]


async def _wait_around(url: str, pid: int, seconds: float) -> tuple[Usage, Usage]:
    """Let agents wait, and return what the server has used before and after a while of that."""
    over = asyncio.Event()

    def polls(number: int) -> Iterator[bytes]:
        claim = Claim(
            agent=f"agent-{number}",
            name=f"agent {number}",
            kind="local",
            labels=["bench", f"host-{number}"],
            wait=seconds + REST,
        )
        while not over.is_set():
            yield encode("POST", "/api/claims", msgspec.json.encode(claim))

    waiting = asyncio.create_task(drive(url, [polls(number) for number in range(AGENTS)]))
    await asyncio.sleep(REST if seconds >= IDLE else 0.5)
    before = usage(pid)
    await asyncio.sleep(seconds)
    after = usage(pid)
    over.set()
    measured = await waiting
    if set(measured.statuses) != {200}:
        raise SystemExit(f"The server answered {dict(measured.statuses)}: {measured.problems[:3]}")
    return before, after

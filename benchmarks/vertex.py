"""What the Vertex AI agent costs: for each job that it makes, and while it watches many."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

from benchmarks.comparisons import Settings
from benchmarks.deployments import IN_FLIGHT, LIVE, PLATFORM_SECONDS, watch_rows
from benchmarks.report import HEADRACE, Row, Target, rows_of, show
from benchmarks.servers import measured_server
from headrace.agents.environment import run_environment
from headrace.agents.vertex.api import VertexApi
from headrace.agents.vertex.job import JobDefaults, job_of
from headrace.agents.vertex.launcher import VertexLauncher
from headrace.testing import LauncherContract
from headrace.wire.claims import ClaimedRun
from tests.support.agents import RunningAgent, running_agent

T = TypeVar("T")

_AGENT = "bench"
_REGION = "europe-west4"
_RUNS = 200
_QUICK_RUNS = 100
#: How often each side has its turn; the best counts, as others may use the machine, too.
_ROUNDS = 5
_PATIENCE = 120.0


def vertex_overhead(settings: Settings, *, target: Target) -> list[Row]:
    """Measure what the agent adds to the request that makes a job, with many in flight at once.

    In each of its places one deployment follows another. The time that passes between two, less the
    time that it is if nothing but the request is made there, is what the agent adds.
    """
    count = _QUICK_RUNS if settings.quick else _RUNS
    runs = [LauncherContract.run_that("succeed") for _ in range(count)]
    defaults = JobDefaults(image="headrace:test")
    with (
        _endpoint("--seconds", str(PLATFORM_SECONDS)) as (url, env),
        mock.patch.dict(os.environ, env),
    ):
        api = VertexApi(None, _REGION, endpoint=url)
        launcher = VertexLauncher(api, api_url="https://server", defaults=defaults)
        for _ in launcher.recover(_AGENT):
            pass
        rounds = []
        for _ in range(_ROUNDS):
            theirs = _in_a_place(launcher.deploy, runs)
            jobs = [_job(run, defaults) for run in runs]
            rounds.append((theirs, _in_a_place(api.create, jobs)))
            for run in runs:
                run.attempt += 1
        launcher.close()
    (agents, used), (alone, bare) = map(min, zip(*rounds, strict=True))
    note = (
        f"the request alone {show(alone * 1000)} ms; "
        f"CPU {show(used * 1000)} and {show(bare * 1000)} ms"
    )
    return rows_of(
        f"Vertex AI agent's overhead for a job, {IN_FLIGHT} in flight, "
        f"Vertex AI's own call {PLATFORM_SECONDS * 1000:g} ms",
        "ms",
        {HEADRACE: (agents - alone) * 1000},
        target=target,
        notes={HEADRACE: note},
    )


def _job(run: ClaimedRun, defaults: JobDefaults) -> dict[str, Any]:
    return job_of(run, run_environment(run, "https://server"), _AGENT, defaults)


def _in_a_place(call: Callable[[T], object], given: Sequence[T]) -> tuple[float, float]:
    """Make all calls, and return how many seconds each took in its place, and of this process."""
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        used, began = time.process_time(), time.monotonic()
        for _ in pool.map(call, given):
            pass
        took, used = time.monotonic() - began, time.process_time() - used
    return took / len(given) * IN_FLIGHT, used / len(given)


def vertex_watching(settings: Settings, *, cpu: Target, memory: Target) -> list[Row]:
    """Measure what the Vertex AI agent costs while it watches many jobs that run."""
    with _endpoint("--live", str(LIVE)) as (url, env), measured_server() as server:
        env |= {"HEADRACE_AGENT_ID": _AGENT}
        options = ["--region-name", _REGION, "--endpoint", url]
        with running_agent(server, "bench", options=options, env=env, kind="vertex") as agent:
            _wait_until_found(agent)
            return watch_rows("the Vertex AI agent", agent, settings, cpu=cpu, memory=memory)


@contextmanager
def _endpoint(*options: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Have a Vertex AI in a process of its own; yield its URL, and what its credentials are found by."""
    command = [sys.executable, "-m", "benchmarks.vertex_endpoint", "--agent", _AGENT, *options]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url, _, key_file = process.stdout.readline().strip().partition(" ")
        try:
            yield url, {"GOOGLE_APPLICATION_CREDENTIALS": key_file}
        finally:
            process.stdin.close()


def _wait_until_found(agent: RunningAgent) -> None:
    until = time.monotonic() + _PATIENCE
    while agent.log.count("Found flow run") < LIVE:
        if time.monotonic() > until:
            raise SystemExit(f"Not all jobs were found:\n{agent.log[-2000:]}")
        time.sleep(0.1)
    time.sleep(6.0)  # for the first looks, which are closer together

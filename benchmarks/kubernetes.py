"""What the Kubernetes agent costs: for each job that it makes, and while it watches many."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.comparisons import Settings
from benchmarks.deployments import IN_FLIGHT, LIVE, PLATFORM_SECONDS, watch_rows
from benchmarks.kubernetes_endpoint import IMAGE
from benchmarks.report import HEADRACE, Row, Target, rows_of, show
from benchmarks.servers import measured_server
from headrace.agents.kubernetes.api import KubernetesApi
from headrace.agents.kubernetes.jobs import JobDefaults, job_of
from headrace.agents.kubernetes.launcher import KubernetesLauncher
from headrace.testing import LauncherContract
from headrace.wire.claims import ClaimedRun
from tests.support.agents import RunningAgent, running_agent

T = TypeVar("T")

_AGENT = "bench"
_SERVER = "https://headrace.example.com"
_DEFAULTS = JobDefaults(default_image=IMAGE)
#: Jobs of which nothing comes: what is measured is not the work of the cluster that tests have.
_SUSPENDED = JobDefaults(default_image=IMAGE, template={"spec": {"suspend": True}})
_RUNS = 200
_QUICK_RUNS = 50
#: How often each side has its turn; the best counts, as others may use the machine, too.
_ROUNDS = 5
_PATIENCE = 240.0


def kubernetes_overhead(settings: Settings, *, target: Target) -> list[Row]:
    """Measure what the launcher adds to the request that makes a job, with many in flight at once.

    In each of its places one deployment follows another. The time that passes between two, less the
    time that it is if nothing but the request is made there, is what the launcher adds.
    """
    count = _QUICK_RUNS if settings.quick else _RUNS
    runs = [LauncherContract.run_that("succeed") for _ in range(count)]
    with _cluster("--seconds", str(PLATFORM_SECONDS)) as kubeconfig:
        api = KubernetesApi(kubeconfig=kubeconfig)
        launcher = KubernetesLauncher(api, api_url=_SERVER, defaults=_SUSPENDED)
        for _ in launcher.recover(_AGENT):
            pass
        rounds = []
        for _ in range(_ROUNDS):
            theirs = _in_a_place(launcher.deploy, runs)
            for run in runs:
                run.attempt += 1
            jobs = [_job(run) for run in runs]
            rounds.append((theirs, _in_a_place(lambda job: _post(api, job), jobs)))
            for run in runs:
                run.attempt += 1
        launcher.close()
    (agents, used), (alone, bare) = map(min, zip(*rounds, strict=True))
    note = (
        f"the request alone {show(alone * 1000)} ms; "
        f"CPU {show(used * 1000)} and {show(bare * 1000)} ms"
    )
    return rows_of(
        f"Kubernetes agent's overhead for a job, {IN_FLIGHT} in flight, "
        f"the cluster's own call {PLATFORM_SECONDS * 1000:g} ms",
        "ms",
        {HEADRACE: (agents - alone) * 1000},
        target=target,
        notes={HEADRACE: note},
    )


def kubernetes_watching(settings: Settings, *, cpu: Target, memory: Target) -> list[Row]:
    """Measure what the Kubernetes agent costs while it watches many jobs that run."""
    with _cluster() as kubeconfig, measured_server() as server:
        launcher = KubernetesLauncher(
            KubernetesApi(kubeconfig=kubeconfig), api_url=_SERVER, defaults=_DEFAULTS
        )
        for _ in launcher.recover(_AGENT):
            pass
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            runs = [LauncherContract.run_that("wait") for _ in range(LIVE)]
            for _ in pool.map(launcher.deploy, runs):
                pass
        launcher.close()
        options = ["--kubeconfig", kubeconfig, "--api-url", server.url]
        with running_agent(
            server,
            "bench",
            options=options,
            env={"HEADRACE_AGENT_ID": _AGENT},
            kind="kubernetes",
        ) as agent:
            _wait_until_found(agent)
            return watch_rows("the Kubernetes agent", agent, settings, cpu=cpu, memory=memory)


def _job(run: ClaimedRun) -> dict[str, Any]:
    return job_of(run, agent=_AGENT, namespace="default", api_url=_SERVER, defaults=_SUSPENDED)


def _post(api: KubernetesApi, job: dict[str, Any]) -> None:
    # The cluster has the same to check as when the launcher asks.
    api.call("POST", api.path("jobs"), query={"fieldValidation": "Strict"}, body=job)


def _in_a_place(call: Callable[[T], object], given: Sequence[T]) -> tuple[float, float]:
    """Make all calls, and return how many seconds each took in its place, and of this process."""
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        used, began = time.process_time(), time.monotonic()
        for _ in pool.map(call, given):
            pass
        took, used = time.monotonic() - began, time.process_time() - used
    return took / len(given) * IN_FLIGHT, used / len(given)


@contextmanager
def _cluster(*options: str) -> Iterator[str]:
    """Have a cluster in a process of its own, and yield the path of its kubeconfig."""
    command = [sys.executable, "-m", "benchmarks.kubernetes_endpoint", *options]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def _wait_until_found(agent: RunningAgent) -> None:
    until = time.monotonic() + _PATIENCE
    while agent.log.count("Found flow run") < LIVE:
        if time.monotonic() > until:
            raise SystemExit(f"Not all jobs were found:\n{agent.log[-2000:]}")
        time.sleep(0.1)
    time.sleep(10.0)  # for pods that are still being started, and claims that are asked about first

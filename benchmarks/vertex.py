"""What the Vertex AI agent costs: for each job that it makes, and while it watches many."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

from benchmarks.comparisons import Settings
from benchmarks.deployments import LIVE, PLATFORM_SECONDS, watch_rows
from benchmarks.launchers import endpoint, overhead_rows, wait_until_found
from benchmarks.report import Row, Target
from benchmarks.servers import measured_server
from headrace.agents.environment import run_environment
from headrace.agents.vertex.api import VertexApi
from headrace.agents.vertex.job import JobDefaults, job_of
from headrace.agents.vertex.launcher import VertexLauncher
from headrace.wire.claims import ClaimedRun
from tests.support.agents import running_agent

_AGENT = "bench"
_REGION = "europe-west4"


def vertex_overhead(settings: Settings, *, target: Target) -> list[Row]:
    """Measure what the launcher adds to the request that makes a job."""
    defaults = JobDefaults(image="headrace:test")
    with (
        _endpoint("--seconds", str(PLATFORM_SECONDS)) as (url, env),
        mock.patch.dict(os.environ, env),
    ):
        api = VertexApi(None, _REGION, endpoint=url)
        launcher = VertexLauncher(api, api_url="https://server", defaults=defaults)
        for _ in launcher.recover(_AGENT):
            pass
        rows = overhead_rows(
            "Vertex AI agent's overhead for a job",
            settings,
            deploy=launcher.deploy,
            made=partial(_job, defaults),
            alone=api.create,
            target=target,
        )
        launcher.close()
    return rows


def _job(defaults: JobDefaults, run: ClaimedRun) -> dict[str, Any]:
    return job_of(run, run_environment(run, "https://server"), _AGENT, defaults)


def vertex_watching(settings: Settings, *, cpu: Target, memory: Target) -> list[Row]:
    """Measure what the Vertex AI agent costs while it watches many jobs that run."""
    with _endpoint("--live", str(LIVE)) as (url, env), measured_server() as server:
        env |= {"HEADRACE_AGENT_ID": _AGENT}
        options = ["--region-name", _REGION, "--endpoint", url]
        with running_agent(server, "bench", options=options, env=env, kind="vertex") as agent:
            wait_until_found(agent, settling=6.0)  # the first looks are closer together
            return watch_rows("the Vertex AI agent", agent, settings, cpu=cpu, memory=memory)


@contextmanager
def _endpoint(*options: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Have a Vertex AI in a process of its own; yield its URL, and what its credentials are found by."""
    with endpoint("benchmarks.vertex_endpoint", "--agent", _AGENT, *options) as said:
        url, _, key_file = said.partition(" ")
        yield url, {"GOOGLE_APPLICATION_CREDENTIALS": key_file}

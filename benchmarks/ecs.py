"""What the ECS agent costs: for each task that it starts, and while it watches many."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

from benchmarks.claims import register_empty
from benchmarks.comparisons import Settings
from benchmarks.deployments import IN_FLIGHT, LIVE, PLATFORM_SECONDS, watch_rows
from benchmarks.report import HEADRACE, Row, Target, rows_of, show
from benchmarks.servers import measured_server
from headrace.agents.ecs.api import PAGE, EcsApi
from headrace.agents.ecs.definition import Defaults
from headrace.agents.ecs.launcher import ECSLauncher
from headrace.agents.ecs.run_task import arguments_of
from headrace.agents.environment import run_environment
from headrace.client import Client
from headrace.testing import LauncherContract
from headrace.wire.claims import Activate, ClaimedRun
from headrace.wire.flow_runs import CreateFlowRun
from tests.integration.components.ecs import aws_environment
from tests.integration.components.ecs_fake import CLUSTER, REGION
from tests.support.agents import running_agent

T = TypeVar("T")

_AGENT = "bench"
_RUNS = 200
#: How often each side has its turn; the best counts, as others may use the machine, too.
_ROUNDS = 5
_QUICK_RUNS = 100
_PATIENCE = 120.0
#: How many seconds pass until each task was seen to run, and the agent knows that all have begun.
_SETTLING = 10.0


def ecs_overhead(settings: Settings, *, target: Target) -> list[Row]:
    """Measure what the agent adds to a call of boto3's `run_task`, with many in flight at once.

    In each of its places one deployment follows another. The time that passes between two, less the
    time that it is if nothing but `run_task` is called there, is what the agent adds.
    """
    count = _QUICK_RUNS if settings.quick else _RUNS
    runs = [LauncherContract.run_that("succeed") for _ in range(count + 1)]
    defaults = Defaults(image="headrace:1", launch_type="EC2", cluster=CLUSTER)
    with (
        _endpoint("--seconds", str(PLATFORM_SECONDS)) as env,
        mock.patch.dict(os.environ, env),
        tempfile.TemporaryDirectory() as folder,
    ):
        api = EcsApi()
        launcher = ECSLauncher(
            api, api_url="https://server", defaults=defaults, folder=Path(folder)
        )
        for _ in launcher.recover(_AGENT):
            pass
        launcher.deploy(runs.pop())  # what is registered once is not to be measured
        rounds = []
        for _ in range(_ROUNDS):
            theirs = _in_a_place(launcher.deploy, runs)
            alone = _in_a_place(api.run_task, [_arguments(run, defaults) for run in runs])
            rounds.append((theirs, alone))
            for run in runs:
                run.attempt += 1
        launcher.close()
    (agents, used), (alone, bare) = map(min, zip(*rounds, strict=True))
    note = (
        f"boto3 alone {show(alone * 1000)} ms; CPU {show(used * 1000)} and {show(bare * 1000)} ms"
    )
    return rows_of(
        f"ECS agent's overhead for a task, {IN_FLIGHT} in flight, "
        f"ECS's own call {PLATFORM_SECONDS * 1000:g} ms",
        "ms",
        {HEADRACE: (agents - alone) * 1000},
        target=target,
        notes={HEADRACE: note},
    )


def _arguments(run: ClaimedRun, defaults: Defaults) -> dict[str, Any]:
    """Return what `run_task` is called with for a run, as another attempt."""
    run.attempt += 1
    made = arguments_of(run, defaults, {}, run_environment(run, "https://server"), _AGENT)
    return made | {"taskDefinition": "bench"}


def _in_a_place(call: Callable[[T], object], given: Sequence[T]) -> tuple[float, float]:
    """Make all calls, and return how many seconds each took in its place, and of this process."""
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        used, began = time.process_time(), time.monotonic()
        for _ in pool.map(call, given):
            pass
        took, used = time.monotonic() - began, time.process_time() - used
    return took / len(given) * IN_FLIGHT, used / len(given)


def ecs_watching(settings: Settings, *, cpu: Target, memory: Target) -> list[Row]:
    """Measure what the ECS agent costs while it watches many tasks that run."""
    options = ["--cluster", CLUSTER, "--launch-type", "EC2"]
    with _endpoint() as env, measured_server() as server:
        flow_id = register_empty(server)
        with Client(server.url, api_key="") as client:
            client.create_flow_runs([CreateFlowRun(flow_id=flow_id, labels=["bench"])] * LIVE)
            with running_agent(server, "bench", options=options, env=env, kind="ecs") as agent:
                _begin_all(client, env)
                time.sleep(_SETTLING)
                rows = watch_rows("the ECS agent", agent, settings, cpu=cpu, memory=memory)
                if "ended" in agent.log:
                    raise SystemExit(f"Tasks have ended:\n{agent.log[-2000:]}")
    return rows


def _begin_all(client: Client, env: dict[str, str]) -> None:
    """Wait until all runs are deployed, and have their processes begin, as the server sees it."""
    import boto3

    with mock.patch.dict(os.environ, env):
        ecs = boto3.client("ecs")
    pages = ecs.get_paginator("list_tasks")
    until = time.monotonic() + _PATIENCE
    arns: list[str] = []
    while len(arns) < LIVE:
        if time.monotonic() > until:
            raise SystemExit("Not all runs were deployed in time.")
        time.sleep(0.5)
        arns = [arn for page in pages.paginate(cluster=CLUSTER) for arn in page["taskArns"]]
    for start in range(0, LIVE, PAGE):
        answer = ecs.describe_tasks(cluster=CLUSTER, tasks=arns[start : start + PAGE])
        for task in answer["tasks"]:
            (flow,) = task["overrides"]["containerOverrides"]
            told = {each["name"]: each["value"] for each in flow["environment"]}
            beginning = Activate(attempt=int(told["HEADRACE_RUN_ATTEMPT"]), nonce=task["taskArn"])
            client.activate(told["HEADRACE_RUN_ID"], beginning, token=told["HEADRACE_RUN_TOKEN"])
    ecs.close()


@contextmanager
def _endpoint(*options: str) -> Iterator[dict[str, str]]:
    """Have an ECS in a process of its own, and yield what boto3 needs to speak to it."""
    command = [sys.executable, "-m", "benchmarks.ecs_endpoint", *options]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            yield aws_environment(url, REGION)
        finally:
            process.stdin.close()

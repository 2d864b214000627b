"""What the ECS agent costs: for each task that it starts, and while it watches many."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.claims import register_empty
from benchmarks.comparisons import Settings
from benchmarks.deployments import LIVE, PLATFORM_SECONDS, watch_rows
from benchmarks.launchers import endpoint, overhead_rows
from benchmarks.report import Row, Target
from benchmarks.servers import measured_server
from headrace.agents.ecs.api import PAGE, EcsApi
from headrace.agents.ecs.aws import Aws
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

_AGENT = "bench"
_PATIENCE = 120.0
#: How many seconds pass until each task was seen to run, and the agent knows that all have begun.
_SETTLING = 10.0


def ecs_overhead(settings: Settings, *, target: Target) -> list[Row]:
    """Measure what the launcher adds to a call of boto3's `run_task`."""
    defaults = Defaults(image="headrace:1", launch_type="EC2", cluster=CLUSTER)
    with (
        _endpoint("--seconds", str(PLATFORM_SECONDS)) as env,
        mock.patch.dict(os.environ, env),
        tempfile.TemporaryDirectory() as folder,
    ):
        api = EcsApi(Aws())
        launcher = ECSLauncher(
            api, api_url="https://server", defaults=defaults, folder=Path(folder)
        )
        for _ in launcher.recover(_AGENT):
            pass
        # What is registered once is not to be measured.
        launcher.deploy(LauncherContract.run_that("succeed"))
        rows = overhead_rows(
            "ECS agent's overhead for a task",
            settings,
            deploy=launcher.deploy,
            made=partial(_arguments, defaults),
            alone=api.run_task,
            target=target,
        )
        launcher.close()
    return rows


def _arguments(defaults: Defaults, run: ClaimedRun) -> dict[str, Any]:
    """Return what `run_task` is called with for a run."""
    made = arguments_of(run, defaults, {}, run_environment(run, "https://server"), _AGENT)
    return made | {"taskDefinition": "bench"}


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
    with endpoint("benchmarks.ecs_endpoint", *options) as url:
        yield aws_environment(url, REGION)

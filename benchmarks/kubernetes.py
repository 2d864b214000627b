"""What the Kubernetes agent costs: for each job that it makes, and while it watches many."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from benchmarks.comparisons import Settings
from benchmarks.deployments import IN_FLIGHT, LIVE, PLATFORM_SECONDS, watch_rows
from benchmarks.kubernetes_endpoint import IMAGE
from benchmarks.launchers import endpoint, overhead_rows, wait_until_found
from benchmarks.report import Row, Target
from benchmarks.servers import measured_server
from headrace.agents.kubernetes.api import KubernetesApi
from headrace.agents.kubernetes.jobs import JobDefaults, job_of
from headrace.agents.kubernetes.launcher import KubernetesLauncher
from headrace.testing import LauncherContract
from headrace.wire.claims import ClaimedRun
from tests.support.agents import running_agent

_AGENT = "bench"
_SERVER = "https://headrace.example.com"
_DEFAULTS = JobDefaults(default_image=IMAGE)
#: Jobs of which nothing comes: what is measured is not the work of the cluster that tests have.
_SUSPENDED = JobDefaults(default_image=IMAGE, template={"spec": {"suspend": True}})
_CLUSTER = "benchmarks.kubernetes_endpoint"


def kubernetes_overhead(settings: Settings, *, target: Target) -> list[Row]:
    """Measure what the launcher adds to the request that makes a job."""
    with endpoint(_CLUSTER, "--seconds", str(PLATFORM_SECONDS)) as kubeconfig:
        api = KubernetesApi(kubeconfig=kubeconfig)
        launcher = KubernetesLauncher(api, api_url=_SERVER, defaults=_SUSPENDED)
        for _ in launcher.recover(_AGENT):
            pass
        rows = overhead_rows(
            "Kubernetes agent's overhead for a job",
            settings,
            deploy=launcher.deploy,
            made=_job,
            alone=partial(_post, api),
            target=target,
        )
        launcher.close()
    return rows


def kubernetes_watching(settings: Settings, *, cpu: Target, memory: Target) -> list[Row]:
    """Measure what the Kubernetes agent costs while it watches many jobs that run."""
    with endpoint(_CLUSTER) as kubeconfig, measured_server() as server:
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
            # Pods are still being started, and claims asked about, for some seconds.
            wait_until_found(agent, settling=10.0)
            return watch_rows("the Kubernetes agent", agent, settings, cpu=cpu, memory=memory)


def _job(run: ClaimedRun) -> dict[str, Any]:
    return job_of(run, agent=_AGENT, namespace="default", api_url=_SERVER, defaults=_SUSPENDED)


def _post(api: KubernetesApi, job: dict[str, Any]) -> None:
    # The cluster has the same to check as when the launcher asks.
    api.call("POST", api.path("jobs"), query={"fieldValidation": "Strict"}, body=job)

"""The launcher of Kubernetes does what every launcher must, on a cluster whose nodes run processes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from headrace.agents.kubernetes.api import KubernetesApi as Cluster
from headrace.agents.kubernetes.jobs import JobDefaults
from headrace.agents.kubernetes.launcher import KubernetesLauncher
from headrace.agents.kubernetes.records import Bounds
from headrace.agents.launcher import Deployment, Launcher
from headrace.testing import LauncherContract, LauncherPlatform
from headrace.wire.claims import ClaimedRun

IMAGE = "headrace:contract"
TEMPLATE = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 5}}}}


class KubernetesPlatform(LauncherPlatform):
    """The fake cluster, in which `headrace` is the contract's program."""

    def __init__(self, api, folder: Path) -> None:
        self.api = api
        program = folder / "headrace"
        program.write_text(LauncherContract.PROGRAM)
        program.chmod(0o755)
        api.add_image(IMAGE, env={"PATH": f"{folder}:{os.environ['PATH']}"})

    def launcher(self) -> Launcher:
        return KubernetesLauncher(
            Cluster(kubeconfig=str(self.api.kubeconfig)),
            api_url="http://127.0.0.1:4200",
            defaults=JobDefaults(default_image=IMAGE, template=TEMPLATE),
            bounds=Bounds(grace=0.5),
        )

    def run(self, does: str) -> ClaimedRun:
        return LauncherContract.run_that(does)

    def is_running(self, deployment: Deployment) -> bool:
        return any(
            "running" in status["state"]
            for pod in self.api.pods_of(deployment.handle)
            for status in pod["status"].get("containerStatuses", [])
        )

    def kill(self, deployment: Deployment) -> None:
        (pod,) = self.api.pods_of(deployment.handle)
        os.kill(self.api.pid(pod["metadata"]["name"]), 9)

    def marks(self, deployment: Deployment) -> Iterable[str]:
        (pod,) = self.api.pods_of(deployment.handle)
        for found in (pod, self.api.get("jobs", deployment.handle)):
            yield from found["metadata"]["labels"].values()
            yield from found["metadata"].get("annotations", {}).values()

    def impossible(self) -> ClaimedRun | None:
        return LauncherContract.run_that("succeed", {"type": "KubernetesRun", "image": "none:1"})


class TestKubernetesLauncher(LauncherContract):
    patience = 90.0

    @pytest.fixture
    def platform(self, kubernetes_api, tmp_path: Path) -> LauncherPlatform:
        return KubernetesPlatform(kubernetes_api, tmp_path)

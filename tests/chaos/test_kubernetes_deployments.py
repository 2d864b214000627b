"""Jobs of Kubernetes, broken in all ways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.chaos.deployments import BrokenDeployments
from tests.chaos.fakes import Kubernetes
from tests.chaos.platforms import Platform
from tests.chaos.stage import Scene, scene, stage

if TYPE_CHECKING:
    from tests.integration.components.kubernetes.kubernetes_api import KubernetesApi

__all__ = ["scene", "stage"]


@pytest.fixture(scope="module")
def platform(
    kubernetes_cluster: KubernetesApi, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    platform = Kubernetes(kubernetes_cluster, tmp_path_factory.mktemp("broken"))
    yield platform
    platform.close()


class TestKubernetes(BrokenDeployments):
    """See `BrokenDeployments`."""

    def test_cancelling_while_an_image_is_pulled(
        self, scene: Scene, kubernetes_cluster: KubernetesApi
    ) -> None:
        kubernetes_cluster.add_image("slow:1", pull_seconds=60)
        with scene.agent():
            run = scene.start(image="slow:1")
            scene.until(
                lambda: kubernetes_cluster.pods_of(f"headrace-{run.id}-1"), "no pod is made"
            )
            scene.client.cancel_flow_run(run.id)
            scene.ended(run, "Cancelled")
            scene.released()
        assert run.marks("first") == []

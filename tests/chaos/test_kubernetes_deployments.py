"""Jobs of Kubernetes, broken in all ways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.chaos.deployments import BrokenDeployments, scene, stage
from tests.chaos.platforms import Kubernetes, Platform
from tests.integration.components.kubernetes.fixture import kubernetes_cluster

if TYPE_CHECKING:
    from tests.integration.components.kubernetes.kubernetes_api import KubernetesApi

__all__ = ["kubernetes_cluster", "scene", "stage"]


@pytest.fixture(scope="module")
def platform(
    kubernetes_cluster: KubernetesApi, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    platform = Kubernetes(kubernetes_cluster, tmp_path_factory.mktemp("broken"))
    yield platform
    platform.close()


class TestKubernetes(BrokenDeployments):
    """See `BrokenDeployments`."""

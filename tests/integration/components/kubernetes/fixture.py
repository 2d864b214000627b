"""The fixture `kubernetes_api`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.components.kubernetes.kubernetes_api import KubernetesApi


@pytest.fixture(scope="session")
def kubernetes_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesApi]:
    """A cluster that tests of one process share."""
    # It is imported where it is needed: every integration test imports this module.
    from tests.integration.components.kubernetes.kubernetes_api import KubernetesApi

    api = KubernetesApi(tmp_path_factory.mktemp("kubernetes"))
    yield api
    api.close()


@pytest.fixture
def kubernetes_api(kubernetes_cluster: KubernetesApi) -> Iterator[KubernetesApi]:
    """A cluster, empty but for its node; what the test leaves in it is deleted afterwards."""
    # Of a file before, whose agent went on when its last test was over.
    kubernetes_cluster.reset()
    yield kubernetes_cluster
    kubernetes_cluster.reset()

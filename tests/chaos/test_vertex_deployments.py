"""Jobs of Vertex AI, broken in all ways."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.deployments import BrokenDeployments
from tests.chaos.fakes import Vertex
from tests.chaos.platforms import Platform
from tests.chaos.stage import scene, stage
from tests.integration.components.vertex import REGION, FakeVertex, vertex

__all__ = ["scene", "stage", "vertex"]


@pytest.fixture(scope="module")
def platform(vertex: FakeVertex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = Vertex(vertex, REGION, tmp_path_factory.mktemp("broken"))
    yield platform
    platform.close()


class TestVertex(BrokenDeployments):
    """See `BrokenDeployments`."""

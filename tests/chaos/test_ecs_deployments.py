"""Tasks of ECS, broken in all ways."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.deployments import BrokenDeployments
from tests.chaos.platforms import Ecs, Platform
from tests.chaos.stage import scene, stage
from tests.integration.components.ecs import MiniStack, ministack

__all__ = ["ministack", "scene", "stage"]


@pytest.fixture(scope="module")
def platform(
    ministack: MiniStack,
    headrace_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Platform]:
    platform = Ecs(ministack, headrace_image, tmp_path_factory.mktemp("broken"))
    yield platform
    platform.close()


class TestEcs(BrokenDeployments):
    """See `BrokenDeployments`."""

"""Containers of the Docker engine, broken in all ways."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.chaos.deployments import BrokenDeployments
from tests.chaos.gate import gate_to
from tests.chaos.platforms import Docker, Platform
from tests.chaos.stage import Scene, scene, stage
from tests.integration.components.base_image import build_tiny_image
from tests.integration.components.docker_engine import DockerEngine
from tests.integration.components.registry import Registry

__all__ = ["scene", "stage"]


@pytest.fixture(scope="module")
def platform(
    docker_engine: DockerEngine,
    headrace_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Platform]:
    platform = Docker(docker_engine, headrace_image, tmp_path_factory.mktemp("broken"))
    yield platform
    platform.close()


class TestDocker(BrokenDeployments):
    """See `BrokenDeployments`."""

    def test_cancelling_while_an_image_is_pulled(
        self, scene: Scene, docker_engine: DockerEngine, registry: Registry
    ) -> None:
        where = urlsplit(f"http://{registry.address}")
        gate = gate_to(where.hostname or "", where.port or 0)
        images = docker_engine.client.images
        there, image = f"{registry.address}/slow:1", f"{gate.address}/slow:1"
        build_tiny_image(docker_engine, there)
        images.push(there)
        images.remove(there)
        try:
            with scene.agent() as agent:
                with gate.holding("request", lambda request: "/blobs/" in request) as hold:
                    run = scene.start(image=image)
                    assert hold.met.wait(30)
                    scene.until(lambda: scene.says(run, f"the image {image} is pulled"), "no word")
                    scene.client.cancel_flow_run(run.id)
                    scene.ended(run, "Cancelled")
                    # Others do not wait for it.
                    other = scene.start(goes=True)
                    scene.succeeded(other)
                scene.until(lambda: f"{run.id} is not to begin" in agent.log, "it is forgotten")
                scene.released()
        finally:
            gate.close()

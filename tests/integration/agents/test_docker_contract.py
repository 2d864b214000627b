"""What every launcher must do, by that of Docker: containers of a real engine."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from headrace.agents.docker.api import DockerApi
from headrace.agents.docker.container import ContainerDefaults
from headrace.agents.docker.launcher import DockerLauncher
from headrace.testing import LauncherContract, LauncherPlatform
from tests.integration.components.base_image import build_image

IMAGE = "headrace-contract-docker:1"


class Docker(LauncherPlatform):
    def __init__(self, engine, folder):
        self._engine = engine
        self._folder = folder

    def launcher(self):
        return DockerLauncher(
            DockerApi(self._engine.url),
            api_url="http://127.0.0.1:4200",
            defaults=ContainerDefaults(image=IMAGE),
            folder=self._folder,
        )

    def run(self, does):
        return LauncherContract.run_that(does)

    def is_running(self, deployment):
        found = self._engine.client.api.containers(filters={"name": f"^/{deployment.handle}$"})
        return any(each["State"] == "running" for each in found)

    def kill(self, deployment):
        self._engine.client.api.kill(deployment.handle)

    def marks(self, deployment):
        return self._engine.client.api.inspect_container(deployment.handle)["Config"][
            "Labels"
        ].values()

    def impossible(self):
        return LauncherContract.run_that("succeed", {"type": "DockerRun", "image": "No Image!"})


@pytest.fixture(scope="module")
def image(docker_engine, python_image):
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "headrace"
        program.write_text(LauncherContract.PROGRAM)
        program.chmod(0o755)
        (Path(folder) / "Dockerfile").write_text(
            f"FROM {python_image}\nCOPY headrace /usr/local/bin/\n"
        )
        build_image(docker_engine, Path(folder), IMAGE)
    return IMAGE


class TestTheLauncherOfDocker(LauncherContract):
    patience = 30.0
    many = 20

    @pytest.fixture
    def platform(self, docker_engine, image, tmp_path):
        yield Docker(docker_engine, tmp_path)
        # Tests of other agents may have left theirs in the engine.
        ours = {"label": "io.headrace.flow-run"}
        assert docker_engine.client.api.containers(all=True, filters=ours) == []

"""What every launcher must do, by that of ECS: tasks of MiniStack, in real containers."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import docker.errors
import pytest

from headrace.agents.ecs.api import EcsApi
from headrace.agents.ecs.aws import Aws
from headrace.agents.ecs.definition import Defaults
from headrace.agents.ecs.launcher import ECSLauncher
from headrace.testing import LauncherContract, LauncherPlatform
from tests.integration.components.base_image import build_image

IMAGE = "headrace-contract-ecs:1"
DEFINITION = {
    "networkMode": "host",
    "containerDefinitions": [
        {
            "name": "flow",
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": "flows",
                    "awslogs-create-group": "true",
                    "awslogs-stream-prefix": "run",
                },
            },
        }
    ],
}


class Ecs(LauncherPlatform):
    def __init__(self, ministack, folder):
        self._ministack = ministack
        self._folder = folder
        self._ecs = ministack.client("ecs")

    def launcher(self):
        defaults = Defaults(
            image=IMAGE,
            launch_type="EC2",
            cluster=self._ministack.cluster,
            definition=DEFINITION,
        )
        return ECSLauncher(
            EcsApi(Aws()),
            api_url="http://127.0.0.1:4200",
            defaults=defaults,
            folder=self._folder,
            look=0.3,
        )

    def run(self, does):
        return LauncherContract.run_that(does)

    def is_running(self, deployment):
        container = self._ministack.container_of(deployment.handle)
        return container is not None and container.status == "running"

    def kill(self, deployment):
        with contextlib.suppress(docker.errors.NotFound):
            self._ministack.container_of(deployment.handle).kill()

    def marks(self, deployment):
        answer = self._ecs.describe_tasks(
            cluster=self._ministack.cluster, tasks=[deployment.handle], include=["TAGS"]
        )
        return [tag["value"] for tag in answer["tasks"][0]["tags"]]

    def impossible(self):
        return LauncherContract.run_that(
            "succeed", {"type": "ECSRun", "task_definition_arn": "nobody-registered-this:7"}
        )

    def close(self):
        self._ecs.close()


@pytest.fixture(scope="module")
def contract_image(docker_engine, python_image):
    """An image in which `headrace execute` is the contract's program."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "headrace").write_text(LauncherContract.PROGRAM)
        (Path(folder) / "headrace").chmod(0o755)
        (Path(folder) / "Dockerfile").write_text(
            f"FROM {python_image}\nCOPY headrace /usr/local/bin/headrace\n"
        )
        build_image(docker_engine, Path(folder), IMAGE)
    yield
    for container in docker_engine.client.containers.list(
        all=True, filters={"ancestor": IMAGE}, ignore_removed=True
    ):
        with contextlib.suppress(docker.errors.APIError):  # it is on its way out
            container.remove(force=True)
    docker_engine.client.images.remove(IMAGE, force=True)


class TestECSLauncher(LauncherContract):
    patience = 90.0
    many = 8  # a container takes a loaded machine with two cores half a second

    @pytest.fixture
    def platform(self, ministack, contract_image, tmp_path, monkeypatch):
        for name, value in ministack.env.items():
            monkeypatch.setenv(name, value)
        found = Ecs(ministack, tmp_path)
        yield found
        found.close()

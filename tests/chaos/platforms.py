"""What deployments are broken on: each platform behind a gate, and what only it knows how to do."""

from __future__ import annotations

import json
import re
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from tests.chaos.gate import Gate, Refusal, gate_to, gate_to_socket

if TYPE_CHECKING:
    from tests.integration.components.docker_engine import DockerEngine
    from tests.integration.components.ecs import MiniStack


class Platform(ABC):
    """What an agent deploys to.

    Attributes:
        kind: What its agents are called.
        folder: A folder that its deployments share.
        gate: What stands before it.
        options: What its agents are started with.
        env: Likewise.
        soon: How many seconds it may take until a run shows that its process was killed: where a
            platform tells of it, 2; where it has to be asked, a look later.
        keeps: Whether what is in a container that has ended can be had.
        starts_later: Whether what is made runs only once another request says so.
        removes: Whether what is over stays until it is removed.
    """

    kind: str
    soon = 2.0
    keeps = False
    starts_later = False
    removes = True

    def __init__(
        self, folder: Path, gate: Gate, options: list[str], env: dict[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.gate = gate
        self.options = options
        self.env = env or {}

    @abstractmethod
    def makes(self, request: str) -> bool:
        """Tell by its first line and headers whether a request makes a deployment."""

    @abstractmethod
    def refusal(self, busy: bool) -> Refusal:
        """Return an answer of the platform that something is wrong with it, or that it is asked too much."""

    @abstractmethod
    def left(self) -> list[str]:
        """Return what there is of deployments, but for what the platform itself keeps of them."""

    @abstractmethod
    def kill(self, run: str, attempt: int = 1) -> None:
        """Kill a deployment's process, as who has access to the machine could."""

    @abstractmethod
    def is_over(self, run: str) -> bool:
        """Tell whether the process of a run's first attempt has ended."""

    @abstractmethod
    def twin(self, run: str) -> int:
        """Start a copy of what runs by hand, and return its exit code."""

    def clear(self) -> None:  # noqa: B027 - tests leave nothing where all is well
        """Leave nothing for the next test."""

    def close(self) -> None:
        """Let go of it."""
        self.gate.close()


class Docker(Platform):
    """The Docker engine."""

    kind = "docker"
    keeps = True
    starts_later = True

    def __init__(self, engine: DockerEngine, image: str, folder: Path) -> None:
        gate = gate_to_socket(str(engine.socket))
        options = [
            *("--base-url", f"tcp://{gate.address}", "--image", image),
            *("--volume", f"{folder}:{folder}"),
        ]
        super().__init__(folder, gate, options)
        self._engine = engine

    def makes(self, request: str) -> bool:
        return re.match(r"POST \S*/containers/create\b", request) is not None

    def refusal(self, busy: bool) -> Refusal:
        return Refusal(429 if busy else 500, b'{"message": "injected"}')

    def left(self) -> list[str]:
        # Those of MiniStack, where it shares the engine, are others'.
        names = [each["Names"][0] for each in self._engine.client.api.containers(all=True)]
        return [name for name in names if name.startswith("/headrace-")]

    def kill(self, run: str, attempt: int = 1) -> None:
        self._engine.client.containers.get(f"headrace-{run}-{attempt}").kill()

    def is_over(self, run: str) -> bool:
        found = self._engine.client.containers.list(
            all=True, filters={"name": f"headrace-{run}-1", "status": "running"}
        )
        return not found

    def twin(self, run: str) -> int:
        containers = self._engine.client.containers
        first = containers.get(f"headrace-{run}-1").attrs["Config"]
        twin = containers.run(
            first["Image"],
            first["Cmd"],
            environment=first["Env"],
            network_mode="host",
            volumes=[f"{self.folder}:{self.folder}"],
            detach=True,
        )
        code: int = twin.wait(timeout=60)["StatusCode"]
        twin.remove()
        return code

    def clear(self) -> None:
        self._engine.remove_containers()


class Ecs(Platform):
    """ECS, as MiniStack plays it."""

    kind = "ecs"
    removes = False
    soon = 10.0

    def __init__(self, ministack: MiniStack, image: str, folder: Path) -> None:
        where = urlsplit(ministack.url)
        gate = gate_to(where.hostname or "", where.port or 0)
        flow = {
            "name": "flow",
            "mountPoints": [{"sourceVolume": "files", "containerPath": str(folder)}],
        }
        definition = {
            "networkMode": "host",
            "volumes": [{"name": "files", "host": {"sourcePath": str(folder)}}],
            "containerDefinitions": [flow],
        }
        (folder / "task.yaml").write_text(yaml.safe_dump(definition))
        options = [
            *("--cluster", ministack.cluster, "--launch-type", "EC2", "--image", image),
            *("--task-definition", str(folder / "task.yaml")),
        ]
        super().__init__(folder, gate, options, ministack.env | {"AWS_ENDPOINT_URL": gate.url})
        self._ministack = ministack
        self._ecs = ministack.client("ecs")

    def makes(self, request: str) -> bool:
        return re.search(r"(?i)x-amz-target: \S+\.RunTask\b", request) is not None

    def refusal(self, busy: bool) -> Refusal:
        if busy:
            name, status = "ThrottlingException", 400
        else:
            name, status = "ServerException", 500
        body = json.dumps({"__type": name, "message": "injected"}).encode()
        return Refusal(status, body, ("Content-Type: application/x-amz-json-1.1",))

    def left(self) -> list[str]:
        return [task["taskArn"] for task in self._tasks() if task["lastStatus"] != "STOPPED"]

    def kill(self, run: str, attempt: int = 1) -> None:
        for task in self._of(run, attempt):
            container = self._ministack.container_of(task["taskArn"])
            if container is not None:
                container.kill()

    def is_over(self, run: str) -> bool:
        (task,) = self._of(run, 1)
        container = self._ministack.container_of(task["taskArn"])
        return container is None or container.status != "running"

    def twin(self, run: str) -> int:
        task = self._of(run, 1)[0]
        (twin,) = self._ecs.run_task(
            cluster=self._ministack.cluster,
            taskDefinition=task["taskDefinitionArn"],
            launchType="EC2",
            overrides=task["overrides"],
        )["tasks"]
        asked = {"cluster": self._ministack.cluster, "tasks": [twin["taskArn"]]}
        until = time.monotonic() + 60
        while True:
            (shown,) = self._ecs.describe_tasks(**asked)["tasks"]
            code: int | None = shown["containers"][0].get("exitCode")
            if code is not None:
                return code
            assert time.monotonic() < until, shown
            time.sleep(0.05)

    def clear(self) -> None:
        for arn in self.left():
            self._ecs.stop_task(cluster=self._ministack.cluster, task=arn)

    def close(self) -> None:
        self._ecs.close()
        super().close()

    def _tasks(self) -> list[dict[str, Any]]:
        cluster = self._ministack.cluster
        arns = [
            arn
            for status in ("RUNNING", "STOPPED")
            for arn in self._ecs.list_tasks(cluster=cluster, desiredStatus=status)["taskArns"]
        ]
        if not arns:
            return []
        asked = {"cluster": cluster, "tasks": arns[:100], "include": ["TAGS"]}
        found: list[dict[str, Any]] = self._ecs.describe_tasks(**asked)["tasks"]
        return found

    def _of(self, run: str, attempt: int) -> list[dict[str, Any]]:
        found = []
        for task in self._tasks():
            values = [tag["value"] for tag in task.get("tags", [])]
            if run in values and str(attempt) in values:
                found.append(task)
        return found

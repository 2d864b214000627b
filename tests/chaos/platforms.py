"""What deployments are broken on: each platform behind a gate, and what only it knows how to do."""

from __future__ import annotations

import json
import os
import re
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from tests.chaos.gate import Gate, Refusal, gate_to, gate_to_socket
from tests.support.servers import PROGRAM

if TYPE_CHECKING:
    from tests.integration.components.docker_engine import DockerEngine
    from tests.integration.components.ecs import MiniStack
    from tests.integration.components.kubernetes.kubernetes_api import KubernetesApi
    from tests.integration.components.vertex import FakeVertex

#: The image that the fakes know.
_IMAGE = "headrace:test"


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
    """

    kind: str
    soon = 2.0
    keeps = False
    starts_later = False

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
        return [each["Names"][0] for each in self._engine.client.api.containers(all=True)]

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


class Kubernetes(Platform):
    """The fake Kubernetes, whose pods are processes of this machine."""

    kind = "kubernetes"

    def __init__(self, api: KubernetesApi, folder: Path) -> None:
        where = urlsplit(api.url)
        gate = gate_to(where.hostname or "", where.port or 0)
        config = yaml.safe_load(api.kubeconfig.read_text())
        config["clusters"][0]["cluster"] = {"server": gate.url}
        (folder / "kubeconfig").write_text(yaml.safe_dump(config))
        api.add_image(_IMAGE, env={"PATH": f"{Path(PROGRAM).parent}:{os.environ['PATH']}"})
        options = ["--kubeconfig", str(folder / "kubeconfig"), "--image", _IMAGE]
        super().__init__(folder, gate, [*options, "--env", f"HEADRACE_HOME={folder / 'pods'}"])
        self._api = api

    def makes(self, request: str) -> bool:
        return re.match(r"POST \S*/jobs\b", request) is not None

    def refusal(self, busy: bool) -> Refusal:
        if busy:
            return Refusal(429, b"Too many requests", ("Content-Type: text/plain",))
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        more = {"message": "injected", "reason": "InternalError", "code": 500}
        return Refusal(500, json.dumps(status | more).encode())

    def left(self) -> list[str]:
        return [job["metadata"]["name"] for job in self._api.objects("jobs")]

    def kill(self, run: str, attempt: int = 1) -> None:
        (pod,) = self._api.pods_of(f"headrace-{run}-{attempt}")
        pid = self._api.pid(pod["metadata"]["name"])
        assert pid is not None
        os.kill(pid, 9)

    def is_over(self, run: str) -> bool:
        pods = self._api.pods_of(f"headrace-{run}-1")
        return all(pod["status"].get("phase") in ("Succeeded", "Failed") for pod in pods)

    def twin(self, run: str) -> int:
        job = self._api.get("jobs", f"headrace-{run}-1")
        assert job is not None
        spec = {"backoffLimit": 0, "template": {"spec": job["spec"]["template"]["spec"]}}
        name = f"twin-of-{run}"
        twin = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}
        self._api.create(twin)
        ended = ("Failed", "Succeeded")
        pod = self._api.wait_for_pod(name, lambda pod: pod["status"].get("phase") in ended)
        self._api.delete("jobs", name)
        (status,) = pod["status"]["containerStatuses"]
        code: int = status["state"]["terminated"]["exitCode"]
        return code

    def clear(self) -> None:
        for job in self.left():
            self._api.delete("jobs", job, propagationPolicy="Background")


class Vertex(Platform):
    """The fake Vertex AI, whose jobs are processes of this machine."""

    kind = "vertex"
    soon = 10.0

    def __init__(self, fake: FakeVertex, region: str, folder: Path) -> None:
        where = urlsplit(fake.url)
        gate = gate_to(where.hostname or "", where.port or 0)
        options = [
            *("--region-name", region, "--endpoint", gate.url, "--logging-endpoint", gate.url),
            *("--image", _IMAGE, "--env", f"HEADRACE_HOME={folder / 'jobs'}"),
        ]
        super().__init__(
            folder, gate, options, {"GOOGLE_APPLICATION_CREDENTIALS": str(fake.key_file)}
        )
        self._fake = fake

    def makes(self, request: str) -> bool:
        return re.match(r"POST \S*/customJobs[ ?]", request) is not None

    def refusal(self, busy: bool) -> Refusal:
        code, status = (429, "RESOURCE_EXHAUSTED") if busy else (500, "INTERNAL")
        said = {"code": code, "message": "injected", "status": status}
        return Refusal(code, json.dumps({"error": said}).encode())

    def left(self) -> list[str]:
        return [job.message.name for job in self._fake.jobs]

    def kill(self, run: str, attempt: int = 1) -> None:
        for job in self._fake.of(run):
            if job.env["HEADRACE_RUN_ATTEMPT"] == str(attempt):
                job.kill()

    def is_over(self, run: str) -> bool:
        return self._fake.of(run)[0].is_over

    def twin(self, run: str) -> int:
        job = self._fake.of(run)[0]
        message = type(job.message)()
        message.CopyFrom(job.message)
        for field in ("labels", "start_time", "update_time"):
            message.ClearField(field)
        name = job.message.name + "0"
        twin = self._fake.machines.add(name, message, {"QUEUED": 0.0, "PENDING": 0.0})
        until = time.monotonic() + 60
        while not twin.is_over:
            assert time.monotonic() < until, twin.state
            time.sleep(0.02)
        with self._fake.machines.lock:
            del self._fake.machines.jobs[name]
        found = re.search(r"non-zero status of (\d+)", twin.message.error.message)
        return int(found[1]) if found else 0

    def clear(self) -> None:
        with self._fake.machines.lock:
            for job in self._fake.jobs:
                job.kill()
            self._fake.machines.jobs.clear()

"""Platforms whose containers are processes of this machine."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import yaml

from tests.chaos.gate import Refusal, gate_to
from tests.chaos.platforms import Platform
from tests.support.servers import PROGRAM

if TYPE_CHECKING:
    from tests.integration.components.kubernetes.kubernetes_api import KubernetesApi
    from tests.integration.components.vertex import FakeVertex

#: The image that the fakes know.
_IMAGE = "headrace:test"


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

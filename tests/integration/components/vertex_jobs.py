"""Custom jobs whose containers are real processes of this machine, checked by the published protos."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import json_format

#: What `CustomJob.state` and the like are; importing them takes seconds, so only tests that need it do.
from google.cloud.aiplatform_v1.types import CustomJob, JobState  # isort: skip

OVER = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "PARTIALLY_SUCCEEDED")
_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_ACCOUNT = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_NETWORK = re.compile(r"projects/[^/]+/global/networks/[a-z][a-z0-9-]*")
_MACHINE = re.compile(r"[a-z][a-z0-9]*-[a-z0-9-]+")


class Invalid(ValueError):
    """What Vertex AI answers with INVALID_ARGUMENT."""


def parsed(text: bytes) -> Any:
    """Return the job that a request's body describes, once it is seen to be a right one."""
    message = CustomJob.pb(CustomJob())
    try:
        json_format.Parse(text or b"{}", message, ignore_unknown_fields=False)
    except json_format.ParseError as error:
        raise Invalid(f"Invalid JSON payload received. {error}") from None
    for output_only in ("name", "state", "create_time", "start_time", "end_time", "error"):
        message.ClearField(output_only)
    _check(message)
    return message


def _check(job: Any) -> None:
    if not 0 < len(job.display_name.encode()) <= 128:
        raise Invalid("display_name must have 1 to 128 characters")
    if len(job.labels) > 64:
        raise Invalid("at most 64 labels")
    for key, value in job.labels.items():
        if not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
            raise Invalid(f"Invalid label {key!r}: {value!r}")
    spec = job.job_spec
    if not spec.worker_pool_specs:
        raise Invalid("worker_pool_specs must have at least one entry")
    if spec.worker_pool_specs[0].replica_count != 1:
        raise Invalid("replica_count of the first worker pool must be 1")
    for pool in spec.worker_pool_specs:
        if not _MACHINE.fullmatch(pool.machine_spec.machine_type):
            raise Invalid(f"Machine type {pool.machine_spec.machine_type!r} is not supported.")
        if pool.WhichOneof("task") is None:
            raise Invalid("one of container_spec and python_package_spec is needed")
        container = pool.container_spec
        if pool.WhichOneof("task") == "container_spec" and not container.image_uri:
            raise Invalid("container_spec.image_uri is required")
        names = [each.name for each in container.env]
        if "" in names or len(set(names)) < len(names):
            raise Invalid("names in container_spec.env must be unique and not empty")
    if spec.service_account and not _ACCOUNT.fullmatch(spec.service_account):
        raise Invalid(f"Service account {spec.service_account!r} is malformed.")
    if spec.network and not _NETWORK.fullmatch(spec.network):
        raise Invalid(f"network {spec.network!r} is malformed.")
    if spec.scheduling.timeout.ToSeconds() < 0:
        raise Invalid("scheduling.timeout must not be negative")


@dataclass
class Job:
    """A job, its process, and how long it stays in each state before that."""

    message: Any
    log: Path
    waits: dict[str, float]
    process: subprocess.Popen[bytes] | None = None
    changed_at: float = field(default_factory=time.monotonic)
    cancelled_at: float | None = None
    starts: int = 0
    shown: dict[str, Any] | None = None

    @property
    def state(self) -> str:
        return str(JobState(self.message.state).name).removeprefix("JOB_STATE_")

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    @property
    def env(self) -> dict[str, str]:
        """The environment of its first container, as the job asks for it."""
        container = self.message.job_spec.worker_pool_specs[0].container_spec
        return {each.name: each.value for each in container.env}

    def rendered(self) -> dict[str, Any]:
        """Return it as answers have it."""
        if self.shown is None:
            self.shown = json_format.MessageToDict(self.message)
        return self.shown

    def become(self, state: str, code: int = 0, message: str = "") -> None:
        self.shown = None
        self.message.state = getattr(JobState, f"JOB_STATE_{state}")
        self.changed_at = time.monotonic()
        self.message.update_time.GetCurrentTime()
        if state == "RUNNING" and not self.message.HasField("start_time"):
            self.message.start_time.GetCurrentTime()
        if state in OVER:
            self.message.end_time.GetCurrentTime()
            if code:
                self.message.error.code, self.message.error.message = code, message
            self.kill()

    def kill(self) -> None:
        """Kill its container, as a machine that goes away does."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Machines:
    """Moves jobs from state to state, and runs their containers.

    Attributes:
        images: The images that there are; a job with another fails.
        restarts: How often a container that has failed is started again in its job.
        path: Where the programs of containers are looked for.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images = {"headrace:test"}
        self.restarts = 0
        self.path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.jobs: dict[str, Job] = {}
        self.lock = threading.RLock()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def add(self, name: str, message: Any, waits: dict[str, float]) -> Job:
        """Take a job in."""
        message.name = name
        message.create_time.GetCurrentTime()
        job = Job(message, self.folder / f"{name.split('/')[-1]}.log", waits)
        job.become("QUEUED")
        with self.lock:
            self.jobs[name] = job
        return job

    def close(self) -> None:
        """End everything."""
        self._ends.set()
        self._thread.join()
        for job in self.jobs.values():
            job.kill()

    def _work(self) -> None:
        while not self._ends.wait(0.02):
            with self.lock:
                for job in self.jobs.values():
                    if not job.is_over:
                        self._step(job)

    def _step(self, job: Job) -> None:
        here = time.monotonic() - job.changed_at
        if job.state == "CANCELLING":
            if job.process is None or job.process.poll() is not None or here > 10:
                job.become("CANCELLED", 1, "CANCELED")
        elif job.state == "QUEUED" and here >= job.waits["QUEUED"]:
            job.become("PENDING")
        elif job.state == "PENDING" and here >= job.waits["PENDING"]:
            self._start(job)
        elif job.state == "RUNNING":
            timeout = job.message.job_spec.scheduling.timeout.ToMilliseconds() / 1000
            code = job.process.poll() if job.process is not None else 0
            if code is not None:
                self._exited(job, code if code >= 0 else 128 - code)
            elif timeout and here > timeout:
                job.become("EXPIRED", 4, "The job ran longer than its timeout.")

    def _start(self, job: Job) -> None:
        container = job.message.job_spec.worker_pool_specs[0].container_spec
        if container.image_uri not in self.images:
            job.become("FAILED", 5, f"Image {container.image_uri} was not found.")
            return
        base = {"PATH": self.path, "HOME": str(self.folder)}
        try:
            with job.log.open("ab") as log:
                job.process = subprocess.Popen(
                    [*container.command, *container.args],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                    env=base | job.env,
                    executable=shutil.which(container.command[0], path=self.path),
                    start_new_session=True,
                )
        except OSError as error:
            what = f"Termination log message: failed to create containerd task: {error.strerror}"
            job.become("FAILED", 3, _exit_words(128, "StartError", what))
            return
        job.starts += 1
        if job.state != "RUNNING":
            job.become("RUNNING")

    def _exited(self, job: Job, code: int) -> None:
        if code == 0:
            job.become("SUCCEEDED")
        elif job.starts <= self.restarts:
            self._start(job)
        else:
            job.become("FAILED", 3, _exit_words(code, "Error", "To find out more, see the logs."))


def _exit_words(code: int, why: str, more: str) -> str:
    """Say how a container ended, in the words that Vertex AI has for it."""
    return (
        f"The replica workerpool0-0 exited with a non-zero status of {code}. "
        f"Termination reason: {why}. \n{more}"
    )


def masked(value: Any, fields: str) -> Any:
    """Return the part of an answer that the `fields` parameter of Google's interfaces asks for."""
    return _pick(value, _tree(fields)) if fields else value


def _tree(fields: str) -> dict[str, Any]:
    text = re.sub(r"(\w+)", r'"\1": {}', fields)
    text = text.replace("{}(", "{").replace(")", "}")
    found: dict[str, Any] = json.loads(f"{{{text}}}")
    return found


def _pick(value: Any, tree: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_pick(each, tree) for each in value]
    if not tree or not isinstance(value, dict):
        return value
    return {name: _pick(value[name], below) for name, below in tree.items() if name in value}

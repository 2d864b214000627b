"""Tasks as ECS describes them, as far as an agent looks at them; read from JSON in one go.

botocore's own parser takes 20 times as long, which counts when hundreds of tasks are watched.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Tag(msgspec.Struct, gc=False):
    """A tag of a task, or of a task definition."""

    key: str = ""
    value: str = ""


class Container(msgspec.Struct, rename="camel", gc=False):
    """A container of a task."""

    name: str = ""
    last_status: str | None = None
    exit_code: int | None = None
    reason: str | None = None
    runtime_id: str | None = None
    image: str | None = None


class EcsTask(msgspec.Struct, rename="camel"):
    """A task.

    Attributes:
        task_arn: Its full name.
        cluster_arn: That of its cluster.
        last_status: How far it is: PROVISIONING, PENDING, ACTIVATING, RUNNING, ... STOPPED.
        stop_code: Why it was stopped, as one of a few words.
        stopped_reason: Why, in a sentence.
        task_definition_arn: What it was started from.
        launch_type: What it was launched on.
        capacity_provider_name: Which capacity provider it was placed by.
        pull_started_at: When the pull of its images began; None before.
        containers: Its containers.
        tags: Its tags, if they were asked for.
    """

    task_arn: str
    cluster_arn: str = ""
    last_status: str = ""
    stop_code: str | None = None
    stopped_reason: str | None = None
    task_definition_arn: str = ""
    launch_type: str | None = None
    capacity_provider_name: str | None = None
    pull_started_at: Any = None
    containers: list[Container] | None = None
    tags: list[Tag] | None = None

    def container(self, name: str) -> Container | None:
        """Return the container of this name, if there is one."""
        return next((each for each in self.containers or () if each.name == name), None)

    def tag(self, key: str) -> str | None:
        """Return the value of a tag; None if it has no such tag."""
        return next((each.value for each in self.tags or () if each.key == key), None)


class Failure(msgspec.Struct, gc=False):
    """Why a task was not started, or is not described."""

    arn: str | None = None
    reason: str | None = None
    detail: str | None = None


class Tasks(msgspec.Struct):
    """An answer of `RunTask` or `DescribeTasks`."""

    tasks: list[EcsTask] = []
    failures: list[Failure] = []


decode_tasks = msgspec.json.Decoder(Tasks).decode

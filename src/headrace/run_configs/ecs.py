"""The run config of a task on Amazon's ECS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.run_configs.base import RunConfig
from headrace.run_configs.templates import local_template


@dataclass(frozen=True, kw_only=True)
class ECSRun(RunConfig):
    """A task on Amazon's ECS. The flow runs in its container named `flow`.

    Args:
        task_definition: A task definition, as ECS's `register_task_definition` takes it.
        task_definition_path: Where a task definition is. A local file is read here and now, and
            becomes `task_definition`; any other address is read when the task is started.
        task_definition_arn: A task definition that is registered already: `family:revision`, or
            its full name.
        image: The image; by default that of the flow's storage, or else the agent's.
        env: Environment variables for the container.
        cpu: The processor time: ECS's units (1024 to a core), or text such as "1 vcpu".
        memory: The memory: MiB, or text such as "2 GB".
        task_role_arn: The role that the flow runs in.
        execution_role_arn: The role that ECS starts the task in.
        run_task_kwargs: Further arguments of ECS's `run_task`.
        labels: Labels that an agent must have to take the flow run.

    Raises:
        RunConfigError: If an argument has a wrong type, contradicts another, or names a file that
            cannot be read.
    """

    task_definition: Mapping[str, Any] | None = None
    task_definition_path: str | None = None
    task_definition_arn: str | None = None
    image: str | None = None
    cpu: float | str | None = None
    memory: float | str | None = None
    task_role_arn: str | None = None
    execution_role_arn: str | None = None
    run_task_kwargs: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_at_most_one("task_definition", "task_definition_path", "task_definition_arn")
        if self.task_definition_arn is not None and self.image is not None:
            raise self._error(
                "it has task_definition_arn and image, but a task definition that is registered "
                "says its image itself"
            )
        self._check_text("task_definition_path", "task_definition_arn", "image")
        self._check_text("task_role_arn", "execution_role_arn")
        self._check_dicts("task_definition", "run_task_kwargs")
        self._set_amounts("cpu", "memory")
        if self.task_definition_path is not None:
            found = local_template(self.task_definition_path)
            if found is not None:
                self._set("task_definition", found)
                self._set("task_definition_path", None)

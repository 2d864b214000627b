"""The run config of a Kubernetes job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.run_configs.base import RunConfig
from headrace.run_configs.job_templates import objection_to_job
from headrace.run_configs.quantities import objection_to_quantity
from headrace.run_configs.templates import local_template, parse

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_AMOUNTS = ("cpu_limit", "cpu_request", "memory_limit", "memory_request")


@dataclass(frozen=True, kw_only=True)
class KubernetesRun(RunConfig):
    """A Kubernetes job.

    Args:
        job_template_path: Where a job's description is. A local file is read here and now, and
            becomes `job_template`; any other address (`s3://`, `agent://`, ...) is read when the
            job is made.
        job_template: A job's description, as a dict or as YAML.
        image: The image; by default that of the flow's storage, or else the agent's.
        env: Environment variables for the container.
        cpu_limit: The most processor time that the container may take: cores, such as 1.5 or
            "500m".
        cpu_request: The processor time that it is promised.
        memory_limit: The most memory that it may take, such as "2Gi".
        memory_request: The memory that it is promised.
        service_account_name: The service account that the pod runs as.
        image_pull_secrets: Names of secrets by which the image is pulled.
        labels: Labels that an agent must have to take the flow run.
        image_pull_policy: "Always", "IfNotPresent" or "Never".

    Raises:
        RunConfigError: If an argument has a wrong type, contradicts another, is no quantity or no
            description of a job, or names a file that cannot be read.
    """

    job_template_path: str | None = None
    job_template: str | Mapping[str, Any] | None = None
    image: str | None = None
    cpu_limit: float | str | None = None
    cpu_request: float | str | None = None
    memory_limit: str | None = None
    memory_request: str | None = None
    service_account_name: str | None = None
    image_pull_secrets: Iterable[str] | None = None
    image_pull_policy: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_at_most_one("job_template_path", "job_template")
        self._check_text("job_template_path", "image", "memory_limit", "memory_request")
        self._check_text("service_account_name", "image_pull_policy")
        self._set_amounts("cpu_limit", "cpu_request")
        self._set("image_pull_secrets", self._strings("image_pull_secrets"))
        if self.image_pull_policy not in (None, *_PULL_POLICIES):
            raise self._error(
                f"its image_pull_policy is {self.image_pull_policy!r}; "
                f"it can be {', '.join(_PULL_POLICIES)}"
            )
        if isinstance(self.job_template, str):
            self._set("job_template", parse(self.job_template, "the job_template"))
        elif self.job_template_path is not None:
            found = local_template(self.job_template_path)
            if found is not None:
                self._set("job_template", found)
                self._set("job_template_path", None)
        self._check_dicts("job_template")
        if isinstance(self.job_template, Mapping):
            objection = objection_to_job(self.job_template)
            if objection is not None:
                raise self._error(f"its job_template {objection}")
        for field in _AMOUNTS:
            amount = getattr(self, field)
            if amount is not None and (objection := objection_to_quantity(amount)) is not None:
                raise self._error(f"its {field} {objection}")

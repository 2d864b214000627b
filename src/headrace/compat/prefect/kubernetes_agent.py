"""`prefect.agent.kubernetes.KubernetesAgent`, with Headrace's Kubernetes agent behind it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from headrace.agents.kubernetes_agent import KubernetesAgent as OwnAgent
from headrace.compat.prefect.agent_variables import variables


class KubernetesAgent(OwnAgent):
    """Runs flow runs as jobs of Kubernetes.

    Args:
        agent_config_id: Accepted, and not looked at.
        name: Its name.
        labels: Its labels, beside this machine's name.
        env_vars: Environment variables for all its runs.
        max_polls: Accepted, and not looked at: work is handed to the agent, not polled for.
        agent_address: Accepted, and not looked at: the server knows whether the agent is there.
        no_cloud_logs: Whether runs keep their log lines from the server.
        volume_mounts: Mounts of the flow's container, for runs that bring no template.
        volumes: Volumes of the pod, likewise.
        namespace: The namespace of the jobs; by default that of `NAMESPACE`, or `default`.
        service_account_name: The service account of pods whose run config names none; by default
            that of `SERVICE_ACCOUNT_NAME`.
        image_pull_secrets: Names of secrets by which images are pulled; by default those of
            `IMAGE_PULL_SECRETS`.
        job_template_path: Where the description is of jobs of runs that bring none along.
        delete_finished_jobs: Whether jobs that are over are removed. Those that are not stay for
            the time that their template says, or a year.
    """

    def __init__(
        self,
        agent_config_id: str | None = None,
        name: str | None = None,
        labels: Iterable[str] | None = None,
        env_vars: Mapping[str, str] | None = None,
        max_polls: int | None = None,
        agent_address: str | None = None,
        no_cloud_logs: bool | None = None,
        volume_mounts: Sequence[Mapping[str, Any]] | None = None,
        volumes: Sequence[Mapping[str, Any]] | None = None,
        namespace: str | None = None,
        service_account_name: str | None = None,
        image_pull_secrets: Iterable[str] | None = None,
        job_template_path: str | None = None,
        delete_finished_jobs: bool = True,
    ) -> None:
        secrets = os.environ.get("IMAGE_PULL_SECRETS", "")
        super().__init__(
            name=name or "kubernetes",
            labels=labels,
            env_vars=variables(env_vars, no_cloud_logs),
            namespace=namespace or os.environ.get("NAMESPACE") or "default",
            service_account_name=service_account_name or os.environ.get("SERVICE_ACCOUNT_NAME"),
            image_pull_secrets=image_pull_secrets or list(filter(None, secrets.split(","))),
            job_template_path=job_template_path,
            volumes=volumes,
            volume_mounts=volume_mounts,
            keep=not delete_finished_jobs,
        )

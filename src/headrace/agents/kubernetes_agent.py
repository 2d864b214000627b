"""The agent that runs flows as jobs of a Kubernetes cluster, put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from headrace.agents.kubernetes.api import KubernetesApi
from headrace.agents.kubernetes.cluster import SERVICE_ACCOUNT
from headrace.agents.kubernetes.jobs import JobDefaults, with_volumes
from headrace.agents.kubernetes.launcher import KubernetesLauncher
from headrace.agents.kubernetes.records import Bounds
from headrace.agents.loopback import warn_of_loopback
from headrace.agents.named_agent import NamedAgent
from headrace.agents.templates import own_template
from headrace.config import config
from headrace.core.errors import ConfigError
from headrace.run_configs.job_templates import objection_to_job

if TYPE_CHECKING:
    from headrace.agents.identity import AgentDirectory
    from headrace.client.client import Client


_YEAR = 365 * 24 * 3600


class KubernetesAgent(NamedAgent):
    """An agent that runs each flow run as a job of Kubernetes.

    In a pod with a service account it deploys to its own cluster; elsewhere to that of a kubeconfig.

    Args:
        namespace: The namespace of the jobs; by default the pod's own, or the context's.
        service_account_name: The service account of pods whose run config names none.
        image_pull_secrets: Names of secrets by which images are pulled, likewise.
        image_pull_policy: When images are pulled, likewise: `Always`, `IfNotPresent` or `Never`.
        job_template_path: Where the description is of jobs of runs that bring none along: a path, or
            an address (`s3://`, `gs://`, `https://`). By default a plain job.
        image: The image of runs that name none; by default `config.agents.default_image`.
        name: Its name, for people. An agent that is started again under its name, or with the same
            `HEADRACE_AGENT_ID`, finds the jobs that it had made.
        labels: Its labels: it takes runs whose labels are among them.
        env_vars: Environment variables for all its runs.
        limit: How many runs it has at once; None for as many as come.
        hostname_label: Whether this machine's name is one of its labels.
        context: Which context of the kubeconfig to use; by default its current one.
        kubeconfig: Where the kubeconfig is; by default where `KUBECONFIG` says, or
            `~/.kube/config`.
        volumes: Volumes of pods whose run config brings no template, beside the agent's template's.
        volume_mounts: Likewise, mounts of the flow's container.
        keep: Whether jobs that are over stay, rather than being deleted once the server knows their
            end: for a year, or as long as their template says.
        pending_timeout: For how many seconds a run may wait for its pod to start.
        api_url: The server's address, as the agent and its pods see it; by default
            `config.api_url`.
        api_key: The key to identify with; by default `config.api_key`.
        service_account: Where a pod finds its service account.

    Raises:
        ConfigError: If there is no cluster to be found, or no such context, or it does not let the
            agent in; or if the template, an address, its name or a label is none.
        MissingExtraError: If the official client of Kubernetes is not installed.
        OSError: If its directory, below `config.home_dir`, cannot be made.
    """

    def __init__(
        self,
        namespace: str | None = None,
        service_account_name: str | None = None,
        image_pull_secrets: Iterable[str] | None = None,
        image_pull_policy: str | None = None,
        job_template_path: str | None = None,
        image: str | None = None,
        name: str = "kubernetes",
        labels: Iterable[str] | None = None,
        env_vars: Mapping[str, str] | None = None,
        limit: int | None = None,
        hostname_label: bool = True,
        context: str | None = None,
        kubeconfig: str | None = None,
        volumes: Iterable[Mapping[str, Any]] | None = None,
        volume_mounts: Iterable[Mapping[str, Any]] | None = None,
        keep: bool = False,
        pending_timeout: float | None = None,
        api_url: str | None = None,
        api_key: str | None = None,
        service_account: str = SERVICE_ACCOUNT,
    ) -> None:
        def launcher(client: Client, directory: AgentDirectory) -> KubernetesLauncher:
            defaults = JobDefaults(
                image=image,
                default_image=config.agents.default_image,
                template=with_volumes(
                    _template(job_template_path), list(volumes or ()), list(volume_mounts or ())
                ),
                env=dict(env_vars or {}),
                service_account_name=service_account_name,
                image_pull_secrets=list(image_pull_secrets or ()) or None,
                image_pull_policy=image_pull_policy,
                kept_seconds=_YEAR if keep else None,
            )
            api = KubernetesApi(
                namespace=namespace,
                context=context,
                kubeconfig=kubeconfig,
                service_account=service_account,
            )
            try:
                api.check()
            except ConfigError:
                api.close()
                raise
            warn_of_loopback(client.api_url, "a pod")
            bounds = Bounds() if pending_timeout is None else Bounds(pending=pending_timeout)
            return KubernetesLauncher(
                api,
                api_url=client.api_url,
                defaults=defaults,
                bounds=bounds,
                folder=directory.path,
            )

        super().__init__(
            launcher,
            name=name,
            labels=labels,
            limit=limit,
            hostname_label=hostname_label,
            api_url=api_url,
            api_key=api_key,
        )


def _template(address: str | None) -> dict[str, Any] | None:
    template = own_template(address, "The agent's job template")
    if template is not None and (objection := objection_to_job(template)) is not None:
        raise ConfigError(f"The job template {address} {objection}.")
    return template

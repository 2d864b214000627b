"""What a flow run's job holds: a template, with what the agent and the run config say laid over it."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.agents.environment import FLUSH_TIMEOUT, run_config_environment, run_environment
from headrace.agents.images import image_of
from headrace.agents.kubernetes.blanks import blank_of, mapping
from headrace.agents.kubernetes.objects import AGENT, ATTEMPT, CONTAINER, FLOW_RUN, KEPT

if TYPE_CHECKING:
    from headrace.wire.claims import ClaimedRun

#: For how many seconds a job that is over is kept if nobody removes it: its agent does, once the
#: server knows the end, unless it never comes back.
KEPT_SECONDS = 24 * 3600
#: The container that the flow runs in; the first, if none is called so.
FLOW = "flow"
_COMMAND = ["headrace", "execute"]
#: What a command ends with that takes its first argument for a line of a shell.
_SHELL = re.compile(r"-[a-z]*c")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDefaults:
    """What an agent was told to give to all its jobs.

    Attributes:
        image: The image of runs that name none; over that of the agent's own template.
        default_image: The image if nobody names any.
        template: The agent's job template; None for a plain job.
        env: Variables of all runs.
        service_account_name: The service account of pods whose run config names none.
        image_pull_secrets: Likewise, secrets by which images are pulled.
        image_pull_policy: Likewise, when images are pulled.
        kept_seconds: For how many seconds jobs that are over stay whose template does not say it;
            None for until the server knows their end.
    """

    image: str | None = None
    default_image: str
    template: Mapping[str, Any] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    service_account_name: str | None = None
    image_pull_secrets: list[str] | None = None
    image_pull_policy: str | None = None
    kept_seconds: int | None = None


def job_name(run_id: str, attempt: int) -> str:
    """Return what the job of an attempt is called: a second one of this name cannot be made."""
    return f"headrace-{run_id}-{attempt}"


def label_value(text: str) -> str:
    """Return a label that stands for a text: itself, if Kubernetes takes it."""
    if _LABEL.fullmatch(text):
        return text
    return "x" + hashlib.sha256(text.encode()).hexdigest()[:40]


def with_volumes(
    template: Mapping[str, Any] | None, volumes: list[Any], mounts: list[Any]
) -> dict[str, Any] | None:
    """Return a template with more volumes, mounted in the flow's container.

    Args:
        template: The template; None for a plain job.
        volumes: Volumes of the pod.
        mounts: Mounts of the container.
    """
    if template is None and not volumes and not mounts:
        return None
    job = copy.deepcopy(dict(template or {}))
    pod = mapping(mapping(mapping(job, "spec"), "template"), "spec")
    for owner, field_name, more in (
        (pod, "volumes", volumes),
        (_container(pod), "volumeMounts", mounts),
    ):
        if more:
            owner[field_name] = [*(owner.get(field_name) or ()), *more]
    return job


def job_of(
    run: ClaimedRun,
    *,
    agent: str,
    namespace: str,
    api_url: str,
    defaults: JobDefaults,
    template: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the job of a flow run.

    A run's own template takes the place of the agent's. What the agent was told goes over its own
    template; what the run config says goes over everything.

    Args:
        run: The run.
        agent: The agent's id.
        namespace: The namespace that it is made in.
        api_url: The server's address, as the pod sees it.
        defaults: What the agent was told.
        template: The run's own template; None if it has none.

    Raises:
        DeploymentError: If the template is none of a job, or one for another namespace.
    """
    config = run.run_config or {}
    job = blank_of(template if template is not None else defaults.template or {}, namespace)
    metadata, spec = job["metadata"], job["spec"]
    pod = spec["template"]["spec"]
    container = _container(pod)
    labels = {
        "app.kubernetes.io/managed-by": "headrace",
        AGENT: label_value(agent),
        FLOW_RUN: run.id,
        ATTEMPT: str(run.attempt),
        CONTAINER: container["name"],
    }
    kept = spec.get("ttlSecondsAfterFinished")
    kept = defaults.kept_seconds if kept is None else kept
    spec["ttlSecondsAfterFinished"] = KEPT_SECONDS
    if type(kept) is int and kept >= 0:
        # From when the server knows its end: what is gone before cannot be told of, nor its logs.
        spec["ttlSecondsAfterFinished"] = max(kept, KEPT_SECONDS)
        labels[KEPT] = str(kept)
    elif kept is not None:
        spec["ttlSecondsAfterFinished"] = kept  # the cluster has words for what it is not
    metadata["name"] = job_name(run.id, run.attempt)
    metadata["namespace"] = namespace
    for found in (metadata, mapping(spec["template"], "metadata")):
        mapping(found, "labels").update(labels)
        mapping(found, "annotations").update(
            {
                "headrace.io/flow": f"{run.project_name}/{run.flow_name}",
                "headrace.io/flow-run": run.name,
            }
        )

    # Another attempt is ours to make, with its own number: a job must never start its program again.
    spec["backoffLimit"] = 0
    for number in ("parallelism", "completions"):
        if spec.get(number) is not None:
            spec[number] = 1
    pod["restartPolicy"] = "Never"

    given = template is not None
    own = container.get("image")
    below = own or defaults.image if given else defaults.image or own
    container["image"] = image_of(run, below or defaults.default_image)
    policy = config.get("image_pull_policy") or _below(
        defaults.image_pull_policy, given and container.get("imagePullPolicy")
    )
    if policy:
        container["imagePullPolicy"] = policy
    account = config.get("service_account_name") or _below(
        defaults.service_account_name, given and pod.get("serviceAccountName")
    )
    if account:
        pod["serviceAccountName"] = account
        pod.pop("serviceAccount", None)  # the old name of the same
    secrets = config.get("image_pull_secrets")
    if secrets is None and not (given and pod.get("imagePullSecrets")):
        secrets = defaults.image_pull_secrets
    if secrets is not None:
        pod["imagePullSecrets"] = [{"name": each} for each in secrets]
    if not _runs_headrace(container.get("args")):
        is_shell = _SHELL.fullmatch(str((container.get("command") or [""])[-1]))
        container["args"] = [" ".join(_COMMAND)] if is_shell else list(_COMMAND)
    _set_resources(container, config)
    container["env"] = _environment(run, api_url, defaults.env, container.get("env") or [], given)
    return job


def _container(pod: dict[str, Any]) -> dict[str, Any]:
    containers = pod.get("containers") or [{}]
    pod["containers"] = containers
    found: dict[str, Any] = next(
        (each for each in containers if each.get("name") == FLOW), containers[0]
    )
    if not found.get("name"):
        found["name"] = FLOW
    return found


def _below(default: str | None, template: Any) -> str | None:
    """Return the agent's setting, unless the run's own template has one."""
    return None if template else default


def _runs_headrace(args: Any) -> bool:
    """Tell whether a template says itself how the flow run is started, such as from a shell."""
    return bool(args) and " ".join(_COMMAND) in " ".join(map(str, args))


def _set_resources(container: dict[str, Any], config: Mapping[str, Any]) -> None:
    for kind in ("limit", "request"):
        for what in ("cpu", "memory"):
            amount = config.get(f"{what}_{kind}")
            if amount is not None:
                mapping(mapping(container, "resources"), f"{kind}s")[what] = amount


def _environment(
    run: ClaimedRun,
    api_url: str,
    agent: Mapping[str, str],
    entries: list[dict[str, Any]],
    given: bool,
) -> list[dict[str, Any]]:
    named = {entry["name"] for entry in entries}
    if given:
        agent = {name: value for name, value in agent.items() if name not in named}
    ours = run_environment(run, api_url, agent=agent)
    if FLUSH_TIMEOUT in named - agent.keys() - run_config_environment(run.run_config).keys():
        del ours[FLUSH_TIMEOUT]
    # In a template, $(NAME) is another variable's value; in ours, it is text. Ours stand first, so
    # that a template's can refer to them.
    values = [{"name": name, "value": text.replace("$", "$$")} for name, text in ours.items()]
    return [*values, *(entry for entry in entries if entry["name"] not in ours)]

"""A flow run as a custom job of Vertex AI, and what becomes of it: decisions, without any effect."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.agents.exit_codes import end_of
from headrace.agents.images import image_of
from headrace.core.errors import DeploymentError

if TYPE_CHECKING:
    from headrace.wire.claims import ClaimedRun

#: Labels of a job, by which any agent finds it again. Keys with dashes cannot be filtered by.
RUN, ATTEMPT, AGENT = "headrace_run", "headrace_attempt", "headrace_agent"
MACHINE_TYPE = "e2-standard-4"
_COMMAND = ["headrace", "execute"]

#: States of jobs that have ended.
OVER = frozenset(
    {
        "JOB_STATE_SUCCEEDED",
        "JOB_STATE_PARTIALLY_SUCCEEDED",
        "JOB_STATE_FAILED",
        "JOB_STATE_CANCELLED",
        "JOB_STATE_EXPIRED",
    }
)
_WAITS = {
    "JOB_STATE_QUEUED": "Vertex AI has queued the job: it waits for its turn, or for quota",
    "JOB_STATE_PENDING": "Vertex AI prepares the job's machines",
    "JOB_STATE_PAUSED": "the job was paused in Vertex AI",
}
_ENDS = {
    "JOB_STATE_FAILED": "the job has failed",
    "JOB_STATE_CANCELLED": "the job was cancelled",
    "JOB_STATE_EXPIRED": "the job has expired",
}
#: Names of the codes of `google.rpc.Code`, and of those that another attempt would meet again.
_CODES = {
    1: "CANCELLED",
    2: "UNKNOWN",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    6: "ALREADY_EXISTS",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    10: "ABORTED",
    11: "OUT_OF_RANGE",
    12: "UNIMPLEMENTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    15: "DATA_LOSS",
    16: "UNAUTHENTICATED",
}
_FINAL = frozenset({3, 5, 7, 9})
#: How Vertex AI says what the container exited with.
_EXITED = re.compile(r"exited with a non-zero status of (\d+)")
_NO_LABEL = re.compile(r"[^a-z0-9_-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDefaults:
    """What an agent gives to all its jobs.

    Attributes:
        image: The image of runs that name none.
        service_account: The account that they run as; None for the project's own.
        network: The full name of the network that they are peered with.
    """

    image: str
    service_account: str | None = None
    network: str | None = None


def as_label(value: str) -> str:
    """Return what stands for a text in a label's value: lower-case, at most 63 characters."""
    text = _NO_LABEL.sub("-", value.lower())[:63]
    if text == value:
        return text
    # Two texts must not become one.
    return f"{text[:52]}-{hashlib.sha256(value.encode()).hexdigest()[:10]}"


def job_of(
    run: ClaimedRun, env: Mapping[str, str], agent: str, defaults: JobDefaults
) -> dict[str, Any]:
    """Return the job of a flow run, as `customJobs.create` takes it.

    Args:
        run: The flow run.
        env: The environment of its process.
        agent: The agent's id.
        defaults: What the agent gives to all its jobs.

    Raises:
        DeploymentError: If the run config is not for Vertex AI, or contradicts itself; for good.
    """
    config = run.run_config or {}
    kind = config.get("type") or "UniversalRun"
    if kind not in ("VertexRun", "UniversalRun"):
        raise DeploymentError(
            f"its run config is a {kind}; an agent of Vertex AI deploys a VertexRun, or a "
            "UniversalRun",
            is_final=True,
        )
    spec: dict[str, Any] = {"workerPoolSpecs": _pools(run, config, env, defaults)}
    # Recovery is the server's: a job that Vertex AI began again would be an attempt that nobody asked for.
    spec["scheduling"] = {"disableRetries": True, **_camel(config.get("scheduling") or {})}
    for name in ("timeout", "maxWaitDuration"):
        if name in spec["scheduling"]:
            spec["scheduling"][name] = _duration(spec["scheduling"][name])
    if account := config.get("service_account") or defaults.service_account:
        spec["serviceAccount"] = account
    if network := config.get("network") or defaults.network:
        spec["network"] = network
    return {
        "displayName": f"headrace-{run.id}-{run.attempt}",
        "labels": {
            RUN: as_label(run.id),
            ATTEMPT: str(run.attempt),
            AGENT: as_label(agent),
        },
        "jobSpec": spec,
    }


def _pools(
    run: ClaimedRun, config: Mapping[str, Any], env: Mapping[str, str], defaults: JobDefaults
) -> list[Any]:
    machine = {"machineType": config.get("machine_type") or MACHINE_TYPE}
    pools: list[Any] = _camel(config.get("worker_pool_specs") or [{"machineSpec": machine}])
    first = pools[0]
    if "pythonPackageSpec" in first:
        raise DeploymentError(
            "its first worker pool has a python_package_spec, but the flow runs in a container of "
            "its own: put that into a container_spec",
            is_final=True,
        )
    first.setdefault("machineSpec", machine)
    first.setdefault("replicaCount", 1)
    container = first.get("containerSpec") or {}
    entries = container.get("env") or [] if isinstance(container, dict) else None
    if not isinstance(entries, list) or not all(
        isinstance(each, dict) and isinstance(each.get("name"), str) for each in entries
    ):
        # The values may be secrets: they are not repeated.
        raise DeploymentError(
            "the container_spec of its first worker pool has to be a dict, and the env in it a list of "
            'variables: {"name": "STAGE", "value": "test"}',
            is_final=True,
        )
    variables = {each["name"]: each.get("value", "") for each in entries}
    first["containerSpec"] = {
        "imageUri": image_of(run, container.get("imageUri") or defaults.image),
        "command": _COMMAND,
        "env": [{"name": name, "value": value} for name, value in {**variables, **env}.items()],
    }
    return pools


def is_over(job: Mapping[str, Any]) -> bool:
    """Tell whether a job has ended."""
    return job.get("state") in OVER


def waits_for(job: Mapping[str, Any]) -> str | None:
    """Return why a job has not begun; None if it has, or is over."""
    return None if job.get("startTime") else _WAITS.get(job.get("state", ""))


def key_of(job: Mapping[str, Any]) -> tuple[str, int] | None:
    """Return the flow run and attempt that a job is for; None if it is none of Headrace's."""
    labels = job.get("labels", {})
    try:
        return labels[RUN], int(labels[ATTEMPT])
    except (KeyError, ValueError):
        return None


def end_of_job(job: Mapping[str, Any]) -> tuple[str, bool, bool]:
    """Tell how a job that is over has ended.

    Returns:
        How, in Google's own words; whether the server has to be told; and whether another attempt
        would end the same way.
    """
    state = job.get("state", "")
    error = job.get("error") or {}
    message = " ".join(str(error.get("message", "")).split()).rstrip(".")
    if state == "JOB_STATE_SUCCEEDED":
        return (*end_of(0), False)
    if exited := _EXITED.search(message):
        is_memory = "out-of-memory" in message or "OOMKilled" in message
        how, to_report = end_of(int(exited[1]), "out of memory" if is_memory else None)
        # There the program could not even be started: it will not be in this image.
        is_final = "Termination reason: StartError" in message
        # Google's own words say why it could not be started, or where its output is.
        return (f"{how}: {message}" if to_report else how), to_report, is_final
    code = error.get("code", 0)
    how = _ENDS.get(state, f"the job ended as {state}")
    if message:
        how += f": {_CODES.get(code, f'code {code}')}: {message}"
    # What goes wrong with a job that has run may go well the next time.
    is_final = code in _FINAL and not job.get("startTime")
    return how, True, is_final


def _camel(value: Any) -> Any:
    """Return a message with its fields named as JSON has them: users write either way."""
    if isinstance(value, Mapping):
        return {_in_camel(str(name)): _camel(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_camel(each) for each in value]
    return value


def _in_camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def _duration(value: Any) -> Any:
    """Return a time as JSON has it, "3600s", from a number of seconds or from a message's fields."""
    if isinstance(value, Mapping):
        try:
            seconds = float(value.get("seconds", 0)) + float(value.get("nanos", 0)) / 1e9
        except (TypeError, ValueError):
            return value  # which Vertex AI refuses in its own words
        return f"{seconds:g}s" if seconds < 1e5 and seconds % 1 else f"{int(seconds)}s"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value}s"
    return value

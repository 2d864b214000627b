"""What a pod's and a job's state mean for the flow run: pure functions of what the cluster says."""

from __future__ import annotations

import re
from dataclasses import dataclass

from headrace.agents.exit_codes import end_of
from headrace.agents.kubernetes.objects import (
    Condition,
    ContainerStatus,
    Idle,
    Job,
    Pod,
    Terminated,
    condition,
)

#: How many characters of the cluster's words are passed on.
_LONGEST = 1000
#: Where a word begins that is none of an image's name, such as `auth/permission` or `geofence`.
_WORD = r"(?<![\w/.\"-])"
#: Words of an error that the same image, secret or account will give again.
_HOPELESS = re.compile(
    _WORD + r"(?:not found|not present|(?:manifest|name|repository) unknown|unknown authority"
    r"|does not exist|no such|invalid reference|couldn't parse"
    r"|unauthorized|authentication required|denied|forbidden|no match for platform"
    r"|couldn't find key|runAsNonRoot|run as root|violates|invalid value|executable file"
    r"|permission)",
    re.IGNORECASE,
)
#: Words of an error that may pass, whatever else is said in it.
_PASSING = re.compile(
    _WORD + r"(?:timeout|timed out|deadline exceeded|connection re|no such host|toomanyrequests"
    r"|too many|rate limit|EOF\b|TLS handshake|unexpected status.*\b5\d\d\b|exceeded quota"
    r"|failed calling webhook|unavailable|try again|i/o timeout|Client\.Timeout)",
    re.IGNORECASE,
)
#: What a volume says that is made of something that is not there.
_NO_SOURCE = re.compile(
    r'(?:secret|configmap) "[^"]+" not found|references non-existent', re.IGNORECASE
)
#: What a node says of a program that an image does not have. Else a container that cannot be started,
#: such as for want of a cgroup, or of a layer that is "not found", may do so on another node.
_NO_PROGRAM = re.compile(
    r"\bexec:? .*(?:executable file not found|no such file|permission denied|is a directory)"
    r"|exec format error"
)
_PULL = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
#: They name the mistake themselves.
_MISTAKES = frozenset({"InvalidImageName", "ErrImageNeverPull"})
#: What a waiting container is on its way to.
_ON_ITS_WAY = frozenset({"ContainerCreating", "PodInitializing"})
#: Who ends a pod before its time, in our words.
_DISRUPTIONS = {
    "PreemptionByScheduler": "preempted",
    "DeletionByTaintManager": "its node was lost or drained",
    "EvictionByEvictionAPI": "evicted",
    "DeletionByPodGC": "its node is gone",
    "TerminationByKubelet": "ended by its node",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """A pod, or a job, that is over.

    Attributes:
        how: How it ended.
        to_report: Whether the server has to be told.
        is_final: Whether another attempt would end the same way.
        logs_of: The container whose last words tell more; None for the flow's own.
    """

    how: str
    to_report: bool = True
    is_final: bool = False
    logs_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A pod whose flow has not begun.

    Attributes:
        why: What it waits for.
        is_error: Whether something is wrong, and not only slow.
        is_hopeless: Whether it will not mend by itself.
    """

    why: str
    is_error: bool = True
    is_hopeless: bool = False


def is_hopeless(message: str) -> bool:
    """Tell whether an error will be the same when it is tried again."""
    return bool(_HOPELESS.search(message)) and not _PASSING.search(message)


def end_of_pod(pod: Pod, container: str) -> Over | None:
    """Return how a pod's flow ended; None if it has not."""
    status = pod.status
    words = disruption(pod)
    ended = _terminated(status.container_statuses, container)
    if ended is not None:
        return _end_of_container(ended, words)
    if status.phase not in ("Failed", "Succeeded") and status.reason != "NodeLost":
        return None
    for each in _before(pod):
        before = each.state.terminated
        if before is not None and before.exit_code != 0 and words is None:
            over = _end_of_container(before, None)
            return Over(
                how=f"its init container {each.name!r} failed: {over.how}",
                is_final=over.is_final,
                logs_of=each.name,
            )
    return Over(how=words or f"its pod has ended as {status.phase}")


def _end_of_container(ended: Terminated, words: str | None) -> Over:
    message = _cut(ended.message)
    is_final = False
    cause: str | None = None
    if ended.reason == "OOMKilled":
        cause = "out of memory: OOMKilled"
    elif ended.reason in ("StartError", "ContainerCannotRun"):
        cause = f"its container could not be started: {message}"
        is_final = _NO_PROGRAM.search(message) is not None
    elif ended.reason == "ContainerStatusUnknown":
        cause = f"its container is not there any more: {message}"
    elif ended.reason == "DeadlineExceeded":
        cause = "DeadlineExceeded"
    how, to_report = end_of(ended.exit_code, cause)
    if message and cause is None and to_report:
        how = f"{how}: {message}"
    if words is not None:
        how = f"{words}: {how}"
    return Over(how=how, to_report=to_report, is_final=is_final)


def disruption(pod: Pod) -> str | None:
    """Return who ended a pod before its time, and why; None if nobody did."""
    status = pod.status
    if status.reason:
        return _cut(f"{status.reason}: {status.message}" if status.message else status.reason)
    found = condition(status.conditions, "DisruptionTarget")
    if found is None:
        return None
    words = _DISRUPTIONS.get(found.reason or "", "disrupted")
    return _cut(f"{words}: {_said(found)}")


def end_of_job(job: Job) -> Over | None:
    """Return how a job ended by its own account; None if it has not."""
    for kind in ("Failed", "FailureTarget"):
        failed = condition(job.status.conditions, kind)
        if failed is not None:
            return Over(how=f"its job has failed: {_said(failed)}")
    if condition(job.status.conditions, "Complete") is not None:
        return Over(how="its job is complete")
    return None


def cause_of_job(job: Job) -> str | None:
    """Return why a job ended its pod; None if it did not, or only counted that it failed."""
    for kind in ("FailureTarget", "Failed"):
        failed = condition(job.status.conditions, kind)
        if failed is not None and failed.reason != "BackoffLimitExceeded":
            return _said(failed)
    suspended = condition(job.status.conditions, "Suspended")
    return None if suspended is None else f"its job was suspended: {_said(suspended)}"


def ends_itself(pod: Pod) -> bool:
    """Tell whether nothing is left in a pod that could go on: sidecars of its own end with it."""
    statuses = pod.status.container_statuses or []
    ended = bool(statuses) and all(each.state.terminated is not None for each in statuses)
    return ended or pod.status.phase in ("Succeeded", "Failed")


def is_running(pod: Pod, container: str) -> bool:
    """Tell whether the flow's container runs."""
    found = _status(pod.status.container_statuses, container)
    return found is not None and found.state.running is not None


def hold_of_pod(pod: Pod, container: str, warning: str | None, pull_error: str | None) -> Held:
    """Return what keeps a pod's flow from beginning.

    Args:
        pod: The pod; its flow's container does not run.
        container: The flow's container.
        warning: The last warning of the cluster about this pod.
        pull_error: What the last try to pull an image was answered; a pause between two tries does
            not say it.
    """
    status = pod.status
    for each in status.conditions or ():
        if each.type == "PodScheduled" and each.status == "False":
            if each.reason == "SchedulingGated":
                return Held(why=f"its pod is held back: {_said(each)}")
            return Held(why=_cut(f"no node takes its pod: {_said(each)}"))
    for found in _containers(pod):
        waiting = found.state.waiting
        if waiting is not None and waiting.reason and waiting.reason not in _ON_ITS_WAY:
            return _hold_of_container(found, waiting, warning, pull_error, container)
    if warning is not None:
        lacks = _NO_SOURCE.search(warning) is not None
        return Held(why=_cut(f"its pod does not start: {warning}"), is_hopeless=lacks)
    for found in _before(pod):
        if found.state.running is not None:
            return Held(why=f"its init container {found.name!r} runs", is_error=False)
    if pod.spec.node_name is None:
        return Held(why="its pod waits for a node", is_error=False)
    return Held(why=f"its pod is being started on node {pod.spec.node_name}", is_error=False)


def _hold_of_container(
    found: ContainerStatus, waiting: Idle, warning: str | None, pull_error: str | None, own: str
) -> Held:
    reason, message = waiting.reason or "", waiting.message or ""
    whose = "" if found.name == own else f" of its container {found.name!r}"
    if reason in _PULL:
        if reason == "ImagePullBackOff" and "ErrImagePull" not in message:
            message = pull_error or warning or message
        hopeless = reason in _MISTAKES or is_hopeless(message)
        return Held(
            why=_cut(f"the image{whose} is not there: {reason}: {message}"), is_hopeless=hopeless
        )
    if reason == "CreateContainerConfigError":
        hopeless = is_hopeless(message)
    else:
        hopeless = _NO_PROGRAM.search(message) is not None
    why = f"its container {found.name!r} does not start: {reason}: {message}"
    return Held(why=_cut(why), is_hopeless=hopeless)


def pull_error_of(pod: Pod) -> str | None:
    """Return what the last try to pull an image of a pod was answered, if that is what it says."""
    for found in _containers(pod):
        waiting = found.state.waiting
        if waiting is not None and waiting.reason == "ErrImagePull" and waiting.message:
            return waiting.message
    return None


def _containers(pod: Pod) -> list[ContainerStatus]:
    """Return the containers of a pod in the order in which they are started."""
    return [*(pod.status.init_container_statuses or ()), *(pod.status.container_statuses or ())]


def _before(pod: Pod) -> list[ContainerStatus]:
    """Return the init containers of a pod that have to end before its others begin."""
    beside = {one.name for one in pod.spec.init_containers or () if one.restart_policy == "Always"}
    return [each for each in pod.status.init_container_statuses or () if each.name not in beside]


def _status(found: list[ContainerStatus] | None, name: str) -> ContainerStatus | None:
    return next((each for each in found or () if each.name == name), None)


def _terminated(found: list[ContainerStatus] | None, name: str) -> Terminated | None:
    status = _status(found, name)
    return None if status is None else status.state.terminated


def _said(found: Condition) -> str:
    return _cut(": ".join(filter(None, [found.reason, found.message])))


def _cut(text: str | None) -> str:
    text = " ".join((text or "").split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"

"""A pod's status, as the kubelet writes it."""

from typing import Any

from tests.integration.components.kubernetes.answers import Object
from tests.integration.components.kubernetes.store import now

_ORDER = (
    "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled",
)  # fmt: skip


def with_condition(
    pod: Object, type_: str, status: str, reason: str = "", message: str = ""
) -> Object:
    """Return a pod with a condition; its time is that of its last change."""
    conditions = pod["status"].get("conditions", [])
    old = next((one for one in conditions if one["type"] == type_), None)
    new: dict[str, Any] = {"type": type_, "status": status, "lastProbeTime": None}
    if reason:
        new["reason"] = reason
    if message:
        new["message"] = message
    changed = old is None or old["status"] != status
    new["lastTransitionTime"] = now() if changed or old is None else old["lastTransitionTime"]
    if old == new:
        return pod
    rest = [one for one in conditions if one["type"] != type_]
    ordered = sorted(
        [*rest, new],
        key=lambda one: _ORDER.index(one["type"]) if one["type"] in _ORDER else -1,
    )
    return pod | {"status": pod["status"] | {"conditions": ordered}}


def phase_of(spec: dict[str, Any], inits: list[Object], regulars: list[Object]) -> str:
    """Return the phase that containers' states come to."""
    policy = spec["restartPolicy"]
    restartable = {
        one["name"] for one in spec.get("initContainers", []) if one.get("restartPolicy")
    }
    for one in inits:
        if one["name"] in restartable:
            continue
        ended = one["state"].get("terminated")
        if ended is None or ended["exitCode"] != 0:
            return "Failed" if ended is not None and policy == "Never" else "Pending"
    states = [one["state"] for one in regulars]
    beside = [one["state"] for one in inits if one["name"] in restartable]
    if any("running" in state for state in states):
        return "Running"
    if all("terminated" in state for state in states) and any("running" in one for one in beside):
        # Sidecars end last.
        return "Running"
    if all("terminated" in state for state in states):
        codes = [state["terminated"]["exitCode"] for state in states]
        if policy == "Never":
            return "Succeeded" if not any(codes) else "Failed"
        if policy == "OnFailure" and not any(codes):
            return "Succeeded"
        return "Running"
    # A container that waits to be started again has run.
    ran = any(one.get("lastState") or "terminated" in one["state"] for one in regulars)
    return "Running" if ran else "Pending"


def with_containers(
    pod: Object, inits: list[Object], regulars: list[Object], *, phase: str, ready_to_start: bool
) -> Object:
    """Return a pod with its containers' statuses, and the phase and conditions that follow."""
    spec = pod["spec"]
    status = pod["status"] | {"phase": phase, "containerStatuses": regulars}
    if inits:
        status["initContainerStatuses"] = inits
    changed = pod | {"status": status}
    restartable = {
        one["name"] for one in spec.get("initContainers", []) if one.get("restartPolicy")
    }
    unready = [one["name"] for one in regulars if not one["ready"]]
    pending = [
        one["name"]
        for one in inits
        if one["name"] not in restartable
        and one["state"].get("terminated", {"exitCode": 1})["exitCode"] != 0
    ]
    over = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase)
    if phase == "Succeeded":
        changed = with_condition(changed, "Initialized", "True", "PodCompleted")
    elif pending:
        said = f"containers with incomplete status: [{' '.join(pending)}]"
        changed = with_condition(changed, "Initialized", "False", "ContainersNotInitialized", said)
    else:
        changed = with_condition(changed, "Initialized", "True")
    said = f"containers with unready status: [{' '.join(unready)}]"
    for type_ in ("Ready", "ContainersReady"):
        if over:
            changed = with_condition(changed, type_, "False", over)
        elif unready:
            changed = with_condition(changed, type_, "False", "ContainersNotReady", said)
        else:
            changed = with_condition(changed, type_, "True")
    sandbox = "True" if ready_to_start and not over else "False"
    return with_condition(changed, "PodReadyToStartContainers", sandbox)

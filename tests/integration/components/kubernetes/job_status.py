"""What jobs' and their pods' statuses say."""

from typing import Any

from tests.integration.components.kubernetes.answers import Object
from tests.integration.components.kubernetes.store import now

TRACKING = "batch.kubernetes.io/job-tracking"


def set_condition(status: dict[str, Any], type_: str, reason: str, message: str) -> None:
    if condition_of(status, type_) is None:
        at = now()
        new = {
            "type": type_,
            "status": "True",
            "lastProbeTime": at,
            "lastTransitionTime": at,
            "reason": reason,
            "message": message,
        }
        status["conditions"] = [*status.get("conditions", []), new]


def condition_of(status: dict[str, Any], type_: str) -> Object | None:
    for one in status.get("conditions", []):
        if one["type"] == type_ and one["status"] == "True":
            return dict(one)
    return None


def finished(job: Object) -> Object | None:
    status = job.get("status", {})
    return condition_of(status, "Complete") or condition_of(status, "Failed")


def phase(pod: Object) -> str:
    return str(pod["status"].get("phase", ""))


def tracked(pod: Object) -> bool:
    return TRACKING in pod["metadata"].get("finalizers", [])


def has_ended(pod: Object, only_failed: bool) -> bool:
    """Tell whether a pod counts; one that is being deleted does, as it may never say more."""
    if phase(pod) in ("Succeeded", "Failed"):
        return True
    return "deletionTimestamp" in pod["metadata"] and not only_failed


def is_ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def end_time(pod: Object) -> str:
    ends = [
        one["state"]["terminated"]["finishedAt"]
        for one in pod["status"].get("containerStatuses", [])
        if "terminated" in one["state"]
    ]
    return max(ends, default=pod["metadata"].get("deletionTimestamp") or now())

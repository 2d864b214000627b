"""The status of one container, as a pod's status holds it."""

from typing import Any

from tests.integration.components.kubernetes.answers import Object
from tests.integration.components.kubernetes.store import now

#: What stands for the start of a container that never started.
NEVER = "1970-01-01T00:00:00Z"


def waiting(container: Object, reason: str) -> Object:
    """Return the status of a container that is to be started."""
    return {
        "name": container["name"],
        "state": {"waiting": {"reason": reason}},
        "lastState": {},
        "ready": False,
        "restartCount": 0,
        "image": container["image"],
        "imageID": "",
        "started": False,
    }


def ended(
    code: int, reason: str, started: str, status: Object, message: str = ""
) -> dict[str, Any]:
    """Return the state of a container that is over."""
    state: dict[str, Any] = {
        "exitCode": code,
        "reason": reason,
        "startedAt": started,
        "finishedAt": now() if reason != "ContainerStatusUnknown" else NEVER,
        "containerID": status.get("containerID", ""),
    }
    if message:
        state["message"] = message
    return state

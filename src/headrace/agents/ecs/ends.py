"""How a task is going, and how it ended: ECS's words, and what the server is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.agents.ecs.definition import FLOW_CONTAINER
from headrace.agents.ecs.errors import never_starts
from headrace.agents.exit_codes import end_of
from headrace.agents.launcher import Deployment, Ended

if TYPE_CHECKING:
    from headrace.agents.ecs.tasks import Container, EcsTask

#: What a task waits for before its container runs. See "Amazon ECS task lifecycle".
_WAITS = {
    "PROVISIONING": "ECS prepares it, or waits for capacity",
    "PENDING": "ECS waits for its machine to have room and to start its container",
    "ACTIVATING": "ECS starts it",
}


def why_it_waits(task: EcsTask) -> str | None:
    """Return what a task waits for, in words; None once its container has been started."""
    words = _WAITS.get(task.last_status)
    if words is None:
        return None
    flow = task.container(FLOW_CONTAINER)
    if task.pull_started_at is not None and flow is not None and flow.image:
        words = f"ECS pulls the image {flow.image}"
    told = f"{task.last_status}: {words}"
    if task.capacity_provider_name:
        told += f", from the capacity provider {task.capacity_provider_name}"
    return f"{told} ({flow.reason})" if flow is not None and flow.reason else told


def is_over(task: EcsTask) -> bool:
    """Tell whether a task is over, or at least the container that the flow runs in."""
    if task.last_status in ("STOPPED", "DELETED"):
        return True
    flow = task.container(FLOW_CONTAINER)
    return flow is not None and flow.last_status == "STOPPED" and flow.exit_code is not None


def ended(deployment: Deployment, task: EcsTask) -> Ended:
    """Say how a task that is over has ended."""
    flow = task.container(FLOW_CONTAINER)
    code = flow.exit_code if flow is not None else None
    if code is None or flow is None:
        how = _without_code(task, flow)
        is_final = never_starts(how) and task.stop_code in ("TaskFailedToStart", None, "")
        return Ended(deployment=deployment, how=how, to_report=True, is_final=is_final)
    # That an essential container has exited is what its exit code says, and better.
    by_itself = task.stop_code in ("EssentialContainerExited", None, "")
    cause = flow.reason or (None if by_itself else _said(task))
    how, to_report = end_of(code, cause or None)
    if not by_itself:
        to_report = True  # whoever stopped it may not have let the process say so
    never = code in (126, 127) or (code != 0 and never_starts(flow.reason or ""))
    return Ended(deployment=deployment, how=how, to_report=to_report, is_final=never)


def gone(deployment: Deployment) -> Ended:
    """Say of a task that ECS does not know any more that it is over."""
    how = "ECS does not know its task any more: it has stopped, an hour ago or longer"
    return Ended(deployment=deployment, how=how, to_report=True)


def _without_code(task: EcsTask, flow: Container | None) -> str:
    reason = flow.reason if flow is not None else None
    said = _said(task)
    others = [
        f"{each.name}: {each.reason}"
        for each in task.containers or ()
        if each.reason and each is not flow and each.reason not in said
    ]
    parts = [said, *([reason] if reason and reason not in said else []), *others]
    return "; ".join(filter(None, parts)) or "its task was stopped, and ECS does not say why"


def _said(task: EcsTask) -> str:
    """Return why ECS says that it has stopped a task."""
    return ": ".join(filter(None, [task.stop_code, task.stopped_reason]))

"""What a container has printed, as far as it can be had: from CloudWatch Logs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.agents.ecs.definition import FLOW_CONTAINER, flow_container

if TYPE_CHECKING:
    from headrace.agents.ecs.api import EcsApi
    from headrace.agents.ecs.tasks import EcsTask

#: How much of it is returned, in bytes: its end.
_MOST = 65536
#: How many seconds later it is asked for again: what was said last comes a little later.
_AGAIN = 1.0


def log_of(task: EcsTask, definition: Mapping[str, Any], api: EcsApi) -> str:
    """Return the last words of a task's container.

    Args:
        task: The task.
        definition: What it was started from.
        api: What speaks to AWS.

    Returns:
        At most 64 KiB; or one line that says why they are out of reach. Empty if the container has
        printed nothing, or never begun.

    Raises:
        DeploymentError: If AWS does not tell.
    """
    found = flow_container(definition) or {}
    flow = task.container(FLOW_CONTAINER)
    settings = found.get("logConfiguration") or {}
    options = settings.get("options") or {}
    if flow is None or flow.exit_code is None:
        return ""
    if settings.get("logDriver") != "awslogs" or not options.get("awslogs-group"):
        driver = settings.get("logDriver")
        where = f"to {driver}" if driver else "nowhere that it could be read from"
        return (
            f"What the container printed went {where}: give it the log driver awslogs in the task "
            "definition, and it is shown here.\n"
        )
    prefix = options.get("awslogs-stream-prefix")
    task_id = task.task_arn.rpartition("/")[2]
    stream = f"{prefix}/{FLOW_CONTAINER}/{task_id}" if prefix else flow.runtime_id
    if not stream:
        return ""
    place = (options["awslogs-group"], stream, options.get("awslogs-region"))
    text = api.log_tail(*place)
    if not text:
        time.sleep(_AGAIN)
        text = api.log_tail(*place)
    return text.encode()[-_MOST:].decode(errors="ignore")

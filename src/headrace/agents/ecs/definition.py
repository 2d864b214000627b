"""What is registered as a task definition: the agent's own or the run config's, made complete.

Nothing here speaks to AWS: dictionaries come in, dictionaries go out.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.agents.ecs.quantities import cpu_units, mebibytes
from headrace.agents.images import image_of
from headrace.core.errors import DeploymentError

if TYPE_CHECKING:
    from headrace.wire.claims import ClaimedRun

#: The container that the flow runs in.
FLOW_CONTAINER = "flow"
#: The tag that holds the hash of what was registered.
DEFINITION_TAG = "headrace.io/definition"

#: What an agent without a definition of its own gives to a run: one core and 2 GiB.
_CPU = "1024"
_MEMORY = "2048"
#: What ECS answers in a description, and refuses in a registration.
_READ_ONLY = (
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "deregisteredAt",
    "deleteRequestedAt",
    "registeredBy",
)
#: ECS takes 255 letters, numbers, underscores and hyphens.
_LONGEST_FAMILY = 255
_NOT_IN_FAMILY = re.compile(r"[^A-Za-z0-9_-]+")
#: What tags are made of: letters, numbers, spaces and a few signs; 256 of them at most.
_NOT_IN_TAG = re.compile(r"[^\w\s.:/=+\-@]")
_LONGEST_TAG = 256


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What an agent gives to runs that do not ask for anything else.

    Attributes:
        image: The image.
        launch_type: `FARGATE`, `EC2` or `EXTERNAL`.
        cluster: The cluster's name, or its ARN; None for ECS's own default.
        definition: The task definition.
        run_task: Arguments of `run_task`.
        task_role_arn: The role that flows run in.
        execution_role_arn: The role that ECS starts tasks in.
        env: Environment variables.
    """

    image: str
    launch_type: str = "FARGATE"
    cluster: str | None = None
    definition: Mapping[str, Any] = field(default_factory=dict)
    run_task: Mapping[str, Any] = field(default_factory=dict)
    task_role_arn: str | None = None
    execution_role_arn: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def own_cluster(self) -> str:
        """The cluster of runs that ask for no other."""
        return str(self.cluster or self.run_task.get("cluster") or "default")


def definition_of(
    run: ClaimedRun,
    given: Mapping[str, Any] | None,
    defaults: Defaults,
    launch_type: str | None,
) -> dict[str, Any]:
    """Make the task definition of a flow run.

    Args:
        run: The run.
        given: The definition that its run config brings along; None for the agent's.
        defaults: What the agent gives.
        launch_type: What the run is launched on; None if a capacity provider says so.

    Returns:
        The arguments of `register_task_definition`.

    Raises:
        DeploymentError: If the definition is none, or an amount is no amount; it is final.
    """
    asked = run.run_config or {}
    made = copy.deepcopy(dict(defaults.definition if given is None else given))
    for name in _READ_ONLY:
        made.pop(name, None)
    if given is None or not made.get("family"):
        made["family"] = family_of(run)
    flow = _flow_container(made)
    flow["image"] = image_of(run, flow.get("image") or defaults.image)
    flow["essential"] = True  # else the task would go on, and cost, when the flow has ended
    for name, amount_of in (("cpu", cpu_units), ("memory", mebibytes)):
        amount = asked.get(name) or made.get(name)
        if amount is not None:
            made[name] = amount_of(amount)
    _set_role(made, "taskRoleArn", asked.get("task_role_arn"), defaults.task_role_arn, given)
    _set_role(
        made,
        "executionRoleArn",
        asked.get("execution_role_arn"),
        defaults.execution_role_arn,
        given,
    )
    if launch_type is not None and "requiresCompatibilities" not in made:
        made["requiresCompatibilities"] = [launch_type]
    if launch_type == "FARGATE":
        made.setdefault("networkMode", "awsvpc")  # Fargate knows no other
        made.setdefault("cpu", _CPU)
    if launch_type == "FARGATE" or not all(map(_says_memory, made["containerDefinitions"])):
        made.setdefault("memory", _MEMORY)
    return _tagged(made, run)


def family_of(run: ClaimedRun) -> str:
    """Return the family of a flow's task definitions: its name, as far as ECS takes it.

    Flows of different projects, and flows whose names differ by what ECS does not take, have
    families of their own.
    """
    whole = f"{run.project_name}\n{run.flow_name}"
    number = hashlib.sha256(whole.encode()).hexdigest()[:8]
    name = _NOT_IN_FAMILY.sub("-", run.flow_name).strip("-")
    room = _LONGEST_FAMILY - len("headrace--") - len(number)
    return "-".join(["headrace", *filter(None, [name[:room].rstrip("-")]), number])


def flow_container(definition: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the container of a definition that the flow runs in; None if it has none."""
    for container in definition.get("containerDefinitions") or ():
        if isinstance(container, dict) and container.get("name") == FLOW_CONTAINER:
            return container
    return None


def tag_text(text: str) -> str:
    """Return a text as far as AWS takes it for a tag's value."""
    return _NOT_IN_TAG.sub("_", text)[:_LONGEST_TAG]


def hash_of(definition: Mapping[str, Any]) -> str:
    """Return a hash of all that is registered but for tags, the same in every process."""
    told = {name: value for name, value in definition.items() if name != "tags"}
    # What is no JSON is no task definition either, which botocore says better.
    text = json.dumps(told, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def _flow_container(definition: dict[str, Any]) -> dict[str, Any]:
    containers = definition.setdefault("containerDefinitions", [])
    if not isinstance(containers, list):
        raise DeploymentError(
            # What stands there may be variables: it is not repeated.
            "its task definition's containerDefinitions have to be a list",
            is_final=True,
        )
    found = flow_container(definition)
    if found is None:
        found = {"name": FLOW_CONTAINER}
        containers.append(found)
    return found


def _set_role(
    definition: dict[str, Any],
    name: str,
    asked: str | None,
    default: str | None,
    given: Mapping[str, Any] | None,
) -> None:
    """Set a role: the run config's goes first, then its definition's, the agent's, its definition's."""
    theirs = definition.get(name) if given is not None else None
    role = asked or theirs or default or definition.get(name)
    if role:
        definition[name] = role


def _says_memory(container: Any) -> bool:
    return isinstance(container, dict) and bool(
        container.get("memory") or container.get("memoryReservation")
    )


def _tagged(definition: dict[str, Any], run: ClaimedRun) -> dict[str, Any]:
    ours = {
        DEFINITION_TAG: hash_of(definition),
        "headrace.io/flow": tag_text(run.flow_name),
        "headrace.io/project": tag_text(run.project_name),
    }
    theirs = definition.get("tags") or []
    if not isinstance(theirs, list):
        raise DeploymentError("its task definition's tags have to be a list", is_final=True)
    kept = [tag for tag in theirs if not isinstance(tag, dict) or tag.get("key") not in ours]
    definition["tags"] = kept + [{"key": key, "value": value} for key, value in ours.items()]
    return definition

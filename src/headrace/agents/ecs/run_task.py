"""What ECS is told when a task is started: the arguments of `run_task`.

Nothing here speaks to AWS: dictionaries come in, dictionaries go out.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from headrace.agents.ecs.definition import FLOW_CONTAINER
from headrace.agents.ecs.quantities import cpu_units, mebibytes
from headrace.core.errors import DeploymentError

if TYPE_CHECKING:
    from headrace.agents.ecs.definition import Defaults
    from headrace.wire.claims import ClaimedRun

#: The tags by which a task's run, attempt and agent are known.
RUN_TAG = "headrace.io/flow-run-id"
ATTEMPT_TAG = "headrace.io/attempt"
AGENT_TAG = "headrace.io/agent-id"

#: What runs in the container of a flow.
_COMMAND = ["headrace", "execute"]
#: Arguments that are the agent's alone.
RESERVED = ("taskDefinition", "count", "clientToken", "startedBy")
#: How many characters all overrides of a task may have, as JSON:
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
_LONGEST_OVERRIDES = 8192
#: ECS takes 128 letters, numbers, hyphens, slashes and underscores.
_STARTED_BY = re.compile(r"[A-Za-z0-9/_-]{1,119}")
#: ECS takes 64 characters.
_LONGEST_TOKEN = 64


def started_by(agent: str) -> str:
    """Return what the tasks of an agent are listed by."""
    if not _STARTED_BY.fullmatch(agent):
        agent = hashlib.sha256(agent.encode()).hexdigest()
    return f"headrace/{agent}"


def client_token(flow_run_id: str, attempt: int) -> str:
    """Return what makes ECS start a task once, however often it is told to start this attempt."""
    token = f"{flow_run_id}-{attempt}"
    if len(token) > _LONGEST_TOKEN:
        token = hashlib.sha256(token.encode()).hexdigest()
    return token


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay arguments of `run_task` over others.

    Overrides are merged: containers' by their name, variables by theirs, tags by their key. All
    else is replaced; a launch type and a capacity provider's strategy replace each other.
    """
    found = copy.deepcopy(dict(under))
    for one, other in (
        ("launchType", "capacityProviderStrategy"),
        ("capacityProviderStrategy", "launchType"),
    ):
        if over.get(one) and not over.get(other):
            found.pop(other, None)
    for name, value in copy.deepcopy(dict(over)).items():
        if name == "overrides" and isinstance(value, dict):
            found[name] = _merged_overrides(found.get(name) or {}, value)
        elif name == "tags" and isinstance(value, list):
            found[name] = _merged_by("key", found.get(name) or [], value)
        else:
            found[name] = value
    return found


def launch_type_of(arguments: Mapping[str, Any], default: str) -> str | None:
    """Return what a task is launched on; None if a capacity provider of one's own says so."""
    strategy = arguments.get("capacityProviderStrategy")
    if not strategy:
        return str(arguments.get("launchType") or default)
    providers = {each.get("capacityProvider") for each in strategy if isinstance(each, dict)}
    return "FARGATE" if providers <= {"FARGATE", "FARGATE_SPOT"} else None


def arguments_of(
    run: ClaimedRun,
    defaults: Defaults,
    arguments: Mapping[str, Any],
    environment: Mapping[str, str],
    agent: str,
    *,
    registered: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Make the arguments of `run_task`, all but the task definition.

    Args:
        run: The run.
        defaults: What the agent gives.
        arguments: The agent's arguments with the run config's laid over them.
        environment: The environment of the run.
        agent: The agent's id.
        registered: The task definition, if the run config names one that is registered already:
            what it does not say is given along.

    Raises:
        DeploymentError: If the overrides are more than ECS takes; it is final.
    """
    asked = run.run_config or {}
    made = dict(arguments)
    if not made.get("capacityProviderStrategy"):
        made.setdefault("launchType", defaults.launch_type)
    made.setdefault("cluster", defaults.own_cluster)
    overrides = made.get("overrides") or {}
    if not isinstance(overrides, dict) or not isinstance(
        overrides.get("containerOverrides", []), list
    ):
        raise DeploymentError(
            # What stands there may be variables: it is not repeated.
            "the overrides of its run_task_kwargs have to be a dict, and their containerOverrides "
            "a list",
            is_final=True,
        )
    overrides = dict(overrides)
    for each in overrides.get("containerOverrides", []):
        if isinstance(each, dict) and not isinstance(each.get("environment") or [], list):
            raise DeploymentError(
                f"the environment of the container {each.get('name')!r} in the overrides of its "
                'run_task_kwargs has to be a list: {"name": "STAGE", "value": "test"}',
                is_final=True,
            )
    for name, amount_of in (("cpu", cpu_units), ("memory", mebibytes)):
        amount = overrides.get(name)
        if asked.get(name) and (registered is not None or amount is not None):
            amount = asked[name]
        if amount is not None:
            overrides[name] = amount_of(amount)
    for name, field in (
        ("taskRoleArn", "task_role_arn"),
        ("executionRoleArn", "execution_role_arn"),
    ):
        if asked.get(field):
            overrides[name] = asked[field]
        elif registered is not None and not registered.get(name) and getattr(defaults, field):
            overrides.setdefault(name, getattr(defaults, field))
    flow = {"name": FLOW_CONTAINER, "environment": _pairs(environment.items())}
    overrides = _merged_overrides(
        {"containerOverrides": [{"name": FLOW_CONTAINER, "command": _COMMAND}]},
        _merged_overrides(overrides, {"containerOverrides": [flow]}),
    )
    # Of ours alone: what else stands there is for botocore to judge.
    size = len(json.dumps(overrides, separators=(",", ":"), default=repr))
    if size > _LONGEST_OVERRIDES:
        raise DeploymentError(
            f"its environment variables and other overrides have {size} characters, and ECS takes "
            f"{_LONGEST_OVERRIDES}: put long ones into the `environment` of the container 'flow' "
            "in a task definition",
            is_final=True,
        )
    tags = {
        RUN_TAG: run.id,
        ATTEMPT_TAG: str(run.attempt),
        AGENT_TAG: agent,
    }
    ours = [{"key": key, "value": value} for key, value in tags.items()]
    if not isinstance(made.get("tags") or [], list):
        raise DeploymentError("the tags of its run_task_kwargs have to be a list", is_final=True)
    return made | {
        "count": 1,
        "overrides": overrides,
        "tags": _merged_by("key", made.get("tags") or [], ours),
        "startedBy": started_by(agent),
        "clientToken": client_token(run.id, run.attempt),
    }


def _merged_overrides(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    found = {**under, **over}
    below, above = under.get("containerOverrides"), over.get("containerOverrides")
    if isinstance(below, list) and isinstance(above, list):
        containers: list[Any] = []
        for each in _merged_by("name", below, above):
            name = each.get("name") if isinstance(each, dict) else None
            variables = [
                container["environment"]
                for container in (*below, *above)
                if isinstance(container, dict)
                and container.get("name") == name
                and isinstance(container.get("environment"), list)
            ]
            merged_variables: list[Any] = []
            for some in variables:
                merged_variables = _merged_by("name", merged_variables, some)
            containers.append(each | {"environment": merged_variables} if variables else each)
        found["containerOverrides"] = containers
    return found


def _merged_by(key: str, under: Iterable[Any], over: Iterable[Any]) -> list[Any]:
    """Lay a list of dicts over another: those with the same name are merged."""
    found: dict[Any, Any] = {}
    for each in (*under, *over):
        if not isinstance(each, dict):
            found[id(each)] = each  # botocore says what is wrong with it
            continue
        name = each.get(key)
        found[name] = {**found.get(name, {}), **each}
    return list(found.values())


def _pairs(variables: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in variables]

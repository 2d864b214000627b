"""Whether there is an agent that would run a flow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from headrace.core.errors import ClientError
from headrace.registration.finding import Finding
from headrace.registration.message import labels_of

if TYPE_CHECKING:
    from headrace.client import Client
    from headrace.flow import Flow

#: What kind of agent deploys which run config; of the others any agent does.
_KINDS = {
    "LocalRun": "local",
    "DockerRun": "docker",
    "KubernetesRun": "kubernetes",
    "ECSRun": "ecs",
    "VertexRun": "vertex",
}


def check_agents(flow: Flow, labels: Iterable[str] | None, client: Client) -> Iterator[Finding]:
    """Yield whether no agent that is online would take the flow's runs."""
    if flow.storage is None:
        return
    wanted = labels_of(flow, flow.storage, labels)
    try:
        agents = client.agents()
    except ClientError as error:
        yield Finding(
            level="note",
            subject="agents",
            message=f"The server was not asked for its agents: {error}",
            remedy="",
        )
        return
    kind = _KINDS.get(type(flow.run_config).__name__)
    online = [agent for agent in agents if agent.is_online and kind in (None, agent.kind)]
    if any(set(wanted) <= set(agent.labels) for agent in online):
        return
    served = {label for agent in online for label in agent.labels}
    missing = [label for label in wanted if label not in served]
    what = f"{kind} agent" if kind else "agent"
    if not online:
        message = f"No {what} is online, so its runs will wait."
    elif missing:
        message = f"No {what} that is online has the label {', '.join(map(repr, missing))}."
    else:
        message = f"No single {what} that is online has all of its labels: {', '.join(wanted)}."
    options = "".join(f" --label {label}" for label in wanted)
    yield Finding(
        level="warning",
        subject="labels",
        message=message,
        remedy=f"Start one: headrace agent {kind or 'local'} start{options}",
    )

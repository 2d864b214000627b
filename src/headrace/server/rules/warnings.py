"""What somebody who registers a flow should know."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.server.rules.kinds import ANY
from headrace.server.rules.waiting import AgentFacts, start_agent


def labels_unserved(labels: frozenset[str], kind: str, agents: Sequence[AgentFacts]) -> list[str]:
    """Warn if no agent that is online would take the flow's runs.

    Args:
        labels: The labels of the flow.
        kind: The kind of agent that it needs.
        agents: All agents that are known.
    """
    suiting = [a for a in agents if kind in (ANY, a.kind) and labels <= a.labels]
    if any(agent.is_online for agent in suiting):
        return []
    wanted = "agent" if kind == ANY else f"{kind} agent"
    if labels:
        wanted += f" with the label{'' if len(labels) == 1 else 's'} {', '.join(sorted(labels))}"
    return [
        f"No {wanted} is online: its runs will wait until there is one: {start_agent(kind, labels)}"
    ]

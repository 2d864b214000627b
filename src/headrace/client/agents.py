"""Agents."""

from __future__ import annotations

from headrace.client.resource import Resource, path
from headrace.wire.agents import Agent


class Agents(Resource):
    """What can be asked about agents."""

    def agents(self) -> list[Agent]:
        """Return all agents that the server has heard of."""
        return self._transport.request("GET", "/agents", answer=list[Agent])

    def delete_agent(self, agent_id: str) -> None:
        """Forget an agent. One that asks for work again is known again.

        Raises:
            NotFound: If there is none of this id.
        """
        self._transport.request("DELETE", path("agents", agent_id))

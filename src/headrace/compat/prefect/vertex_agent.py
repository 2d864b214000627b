"""`prefect.agent.vertex.VertexAgent`, with Headrace's Vertex AI agent behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headrace.agents.vertex_agent import VertexAgent as OwnAgent
from headrace.compat.prefect.agent_variables import variables


class VertexAgent(OwnAgent):
    """Runs flow runs as custom jobs of Vertex AI.

    Args:
        project: The project's id; by default that of the credentials.
        region_name: The region.
        service_account: The account that jobs run as whose run configs name none.
        agent_config_id: Accepted, and not looked at.
        name: Its name.
        labels: Its labels, beside this machine's name.
        env_vars: Environment variables for all its runs.
        max_polls: Accepted, and not looked at: work is handed to the agent, not polled for.
        agent_address: Accepted, and not looked at: the server knows whether the agent is there.
        no_cloud_logs: Whether runs keep their log lines from the server.
    """

    def __init__(
        self,
        project: str | None = None,
        region_name: str | None = None,
        service_account: str | None = None,
        agent_config_id: str | None = None,
        name: str | None = None,
        labels: Iterable[str] | None = None,
        env_vars: Mapping[str, str] | None = None,
        max_polls: int | None = None,
        agent_address: str | None = None,
        no_cloud_logs: bool | None = None,
    ) -> None:
        super().__init__(
            project=project,
            region_name=region_name,
            service_account=service_account,
            name=name or "vertex",
            labels=labels,
            env_vars=variables(env_vars, no_cloud_logs),
        )

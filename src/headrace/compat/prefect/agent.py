"""`prefect.agent.local.LocalAgent`, with Headrace's local agent behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headrace.agents.local_agent import LocalAgent as OwnAgent
from headrace.compat.prefect.agent_variables import variables


class LocalAgent(OwnAgent):
    """Runs flow runs on this machine, each in a process of its own.

    Args:
        agent_config_id: Accepted, and not looked at.
        name: Its name.
        labels: Its labels, beside this machine's name.
        env_vars: Environment variables for all its runs.
        max_polls: Accepted, and not looked at: work is handed to the agent, not polled for.
        agent_address: Accepted, and not looked at: the server knows whether the agent is there.
        no_cloud_logs: Whether runs keep their log lines from the server.
        import_paths: Folders in which its runs look for modules before all others.
        show_flow_logs: Accepted, and not looked at: `headrace flow-run logs --follow` shows them.
        hostname_label: Whether this machine's name is one of its labels.
    """

    def __init__(
        self,
        agent_config_id: str | None = None,
        name: str | None = None,
        labels: Iterable[str] | None = None,
        env_vars: Mapping[str, str] | None = None,
        import_paths: Iterable[str] | None = None,
        show_flow_logs: bool = False,
        hostname_label: bool = True,
        max_polls: int | None = None,
        agent_address: str | None = None,
        no_cloud_logs: bool | None = None,
    ) -> None:
        super().__init__(
            name=name or "local",
            labels=labels,
            env_vars=variables(env_vars, no_cloud_logs),
            import_paths=import_paths,
            hostname_label=hostname_label,
        )

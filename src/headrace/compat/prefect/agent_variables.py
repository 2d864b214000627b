"""What all of Prefect 1's agents have in common: the variables that their runs get.

Their arguments each says itself. Programs give them by position, too, and the order is another one
for some kinds.
"""

from __future__ import annotations

from collections.abc import Mapping

#: The setting `cloud.send_flow_run_logs`.
_SEND_LOGS = "HEADRACE__CLOUD__SEND_FLOW_RUN_LOGS"


def variables(env_vars: Mapping[str, str] | None, no_cloud_logs: bool | None) -> dict[str, str]:
    """Return the variables of an agent's runs.

    Args:
        env_vars: Those that the agent was given.
        no_cloud_logs: Whether runs keep their log lines from the server.
    """
    return {**({_SEND_LOGS: "false"} if no_cloud_logs else {}), **(env_vars or {})}

"""How an agent finds the flow runs of an earlier process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from headrace.agents.pauses import FIRST_PAUSE, LONGEST_PAUSE

if TYPE_CHECKING:
    from logging import Logger
    from threading import Event

    from headrace.agents.launcher import Deployment, Launcher

#: For how many seconds a platform that is away at the start is asked for runs of earlier.
_RECOVERY_SECONDS = 30.0


def recover(
    launcher: Launcher,
    agent: str,
    *,
    found: Callable[[Deployment], None],
    stopping: Event,
    log: Logger,
) -> None:
    """Find deployments of earlier, even if the platform is not up yet.

    Args:
        launcher: What finds them.
        agent: The agent's id.
        found: What is done with each.
        stopping: Set when the agent is to end.
        log: The agent's log.
    """
    until = time.monotonic() + _RECOVERY_SECONDS
    pause = FIRST_PAUSE
    said = ""
    while not stopping.is_set():
        try:
            for deployment in launcher.recover(agent):
                found(deployment)
                log.info(
                    "Found flow run %s (attempt %d) again.",
                    deployment.flow_run_id,
                    deployment.attempt,
                )
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, new runs can still be deployed
            if time.monotonic() > until:
                log.error("Runs of earlier may not be found: %s", error)  # noqa: TRY400 - the words say it
                return
            if str(error) != said:
                said = str(error)
                log.warning("Runs of earlier cannot be looked for yet: %s", said)
            stopping.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

"""What a local agent that has ended has left behind: its runs, and its fork server."""

from __future__ import annotations

import signal
import time

from headrace.agents.fork_client import ForkClient
from headrace.agents.identity import AgentDirectory
from headrace.engine.run_directory import RunSpec, SupervisorRecord, run_directories


def end_all(home: str, name: str, seconds: float) -> int:
    """End the runs of an agent that has ended, and its fork server. The runs go on elsewhere, or later.

    Args:
        home: Headrace's home directory.
        name: The agent's name.
        seconds: How long to wait for them.

    Returns:
        How many have not ended in that time.
    """
    agent = AgentDirectory(home, name)
    try:
        supervisors = [
            record.process
            for directory in run_directories(home)
            if (spec := directory.read(RunSpec)) is not None
            and spec.agent == agent.id
            and (record := directory.read(SupervisorRecord)) is not None
            and record.process.is_here()
        ]
        for process in supervisors:
            process.signal(signal.SIGTERM)
        ForkClient(agent.path).retire()
        until = time.monotonic() + seconds
        while (left := sum(each.is_alive() for each in supervisors)) and time.monotonic() < until:
            time.sleep(0.05)
        return left
    finally:
        agent.close()

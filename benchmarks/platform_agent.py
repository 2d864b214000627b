"""An agent of a platform whose own call takes a fixed time: ``python -m benchmarks.platform_agent``.

What is left of the time that it takes is the agent's.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from headrace.agents.launcher import Deployment, Launcher, News
from headrace.agents.named_agent import NamedAgent
from headrace.wire.claims import ClaimedRun


class FixedPlatform(Launcher):
    """Takes a run after a fixed time, and keeps it for good.

    Args:
        seconds: How long it takes.
        notes: A file that gets a line for each run: its id, when the call began, when it ended.
        live: How many runs are found there at the start.
    """

    kind = "fixed"

    def __init__(self, seconds: float, notes: Path, live: int) -> None:
        self._seconds = seconds
        self._notes = notes.open("a", buffering=1, encoding="utf-8")
        self._live = live

    def recover(self, agent: str) -> Iterable[Deployment]:
        """Find as many as it was told."""
        for number in range(self._live):
            yield Deployment(flow_run_id=f"found-{number}", attempt=1, handle=str(number))

    def deploy(self, run: ClaimedRun) -> Deployment:
        """Take the time."""
        began = time.monotonic()
        time.sleep(self._seconds)
        self._notes.write(f"{run.id} {began} {time.monotonic()}\n")
        return Deployment(flow_run_id=run.id, attempt=run.attempt, handle=run.id)

    def watch(self, seconds: float) -> list[News]:
        """Wait: nothing ever ends."""
        threading.Event().wait(seconds)
        return []

    def has_begun(self, deployment: Deployment) -> bool:
        """Say that it has: nothing is left to be done."""
        return True

    def early_logs(self, deployment: Deployment) -> str:
        """Return nothing."""
        return ""

    def release(self, deployment: Deployment) -> None:
        """Do nothing."""

    def cancel(self, deployment: Deployment) -> None:
        """Do nothing."""


def main() -> None:
    """Work until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--label", action="append", default=[])
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--live", type=int, default=0)
    given = parser.parse_args()
    NamedAgent(
        lambda _client, _directory: FixedPlatform(given.seconds, given.notes, given.live),
        name="fixed",
        labels=given.label,
    ).start()


if __name__ == "__main__":
    main()

"""Where a launcher under test deploys to, as `LauncherContract` sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.agents.launcher import Deployment, Launcher
    from headrace.wire.claims import ClaimedRun


class LauncherPlatform(ABC):
    """Where the launcher under test deploys to, as the tests see it. One is made for each test."""

    @abstractmethod
    def launcher(self) -> Launcher:
        """Make the launcher, as an agent does when it starts.

        A test that calls it again has closed the first, as if the agent had been started again: what
        the first has deployed must be within reach of the second.
        """

    @abstractmethod
    def run(self, does: str) -> ClaimedRun:
        """Make a flow run, of an id of its own, whose process does as it is told.

        Either all that `headrace execute` needs is there, a server with flows that do it; or, in its
        place, the platform starts `LauncherContract.PROGRAM`, and `LauncherContract.run_that(does)`
        makes the run.

        Args:
            does: `succeed`: it ends with exit code 0. `fail`: it ends with exit code 3; the program
                prints `LauncherContract.LAST_WORDS` before. `wait`: it runs until it is ended.
        """

    @abstractmethod
    def is_running(self, deployment: Deployment) -> bool:
        """Tell whether the process of a deployment runs now, as the platform itself knows."""

    @abstractmethod
    def kill(self, deployment: Deployment) -> None:
        """Have a running process end by force from outside, as an operator or the kernel does."""

    @abstractmethod
    def marks(self, deployment: Deployment) -> Iterable[str]:
        """Return the values of all labels, tags or the like that the platform keeps of a deployment.

        They are what a launcher finds it by that remembers nothing.
        """

    def impossible(self) -> ClaimedRun | None:
        """Make a flow run that can never be deployed, or return None if there is no such thing."""
        return None

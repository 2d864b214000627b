"""What an agent asks of whatever it deploys flow runs to: a small contract, one class for each kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.wire.claims import ClaimedRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A flow run that was deployed.

    Attributes:
        flow_run_id: The flow run.
        attempt: The attempt. Together they name the deployment: whoever sees it knows whose it is.
        handle: What the launcher finds it by: a directory, a container's name, a job's.
    """

    flow_run_id: str
    attempt: int
    handle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A deployment that is over.

    Attributes:
        deployment: Which one.
        how: How it ended, in the platform's own words: "exit code 137", "image pull failed".
        to_report: Whether the server has to be told so by the agent; not if the run's own process
            has said how it ended.
        is_final: Whether another attempt would end the same way, as with an image that does not
            exist: the run fails at once.
    """

    deployment: Deployment
    how: str
    to_report: bool
    is_final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """A deployment whose process has not begun yet, and why: no room, an image that is pulled.

    Attributes:
        deployment: Which one.
        why: What it waits for, in the platform's own words; the run shows it.
    """

    deployment: Deployment
    why: str


News = Ended | Waits


class Launcher(ABC):
    """Deploys flow runs to one kind of infrastructure.

    An agent calls `recover` once, before anything else; then `watch` again and again from one
    thread, and the others from several. `headrace.testing.LauncherContract` is the test of one.
    """

    #: What it deploys to, as the server and people call it: `local`, `docker`, `kubernetes`.
    kind: str
    #: How many calls of `deploy` may be under way at once.
    at_once: int = 50

    @abstractmethod
    def recover(self, agent: str) -> Iterable[Deployment]:
        """Find what an earlier process of this agent has deployed and what still runs.

        What has ended meanwhile is told by `watch`.

        Args:
            agent: The agent's id.
        """

    @abstractmethod
    def deploy(self, run: ClaimedRun) -> Deployment:
        """Start a process, container or job that runs `headrace execute` for a flow run.

        Returns once the platform has taken it. Deploying the same attempt twice is no harm: the
        server lets one of them begin.

        Raises:
            DeploymentError: If it cannot be deployed, with the reason in the platform's own words;
                with `is_final` if another attempt could not be either.
        """

    @abstractmethod
    def watch(self, seconds: float) -> list[News]:
        """Wait until there is news of deployments, and return it.

        The end of each is told once; why one waits is told when it changes.

        Args:
            seconds: How long to wait at most; then the list is empty.
        """

    def has_begun(self, deployment: Deployment) -> bool:
        """Tell whether it is known here that the run's process has begun, or is over.

        Until then the agent keeps the claim alive. The server knows too, and tells the agent: by
        default nothing is known here.
        """
        return False

    @abstractmethod
    def early_logs(self, deployment: Deployment) -> str:
        """Return what a deployment that has ended has printed, at most its last 64 KiB.

        It is asked for those whose end has to be reported: their process may never have got as far
        as to speak to the server. Empty if there is nothing, or it is out of reach.
        """

    @abstractmethod
    def release(self, deployment: Deployment) -> None:
        """Let go of what is kept of a deployment that has ended: the server knows its end.

        Until then an agent that is started again has to find that it has ended.
        """

    @abstractmethod
    def cancel(self, deployment: Deployment) -> None:
        """End a deployment whose process does not end itself; does nothing if it is over."""

    def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of what the launcher holds; what it has deployed goes on."""

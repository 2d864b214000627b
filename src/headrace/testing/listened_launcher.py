"""A launcher under test that is listened to, as an agent does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from headrace.agents.launcher import Deployment, Ended, Waits
from headrace.testing.launcher_platform import LauncherPlatform
from headrace.wire.claims import ClaimedRun


class ListenedLauncher:
    """A launcher, started in an agent's name, whose news are heard.

    Args:
        platform: Where it deploys to.
        agent: The agent's id.
        patience: For how many seconds anything is waited for.

    Attributes:
        launcher: The launcher.
        found: The deployments that it has found again.
        deployed: Those that it was asked for.
        problems: What `watch` has raised.
    """

    def __init__(self, platform: LauncherPlatform, agent: str, patience: float) -> None:
        self.launcher = platform.launcher()
        self.found = list(self.launcher.recover(agent))
        self.deployed: list[Deployment] = []
        self.problems: list[BaseException] = []
        self._platform = platform
        self._patience = patience
        self._ended: list[Ended] = []
        self._heard = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._listen, name="watch")
        self._thread.start()

    def deploy(self, run: ClaimedRun) -> Deployment:
        """Deploy a run."""
        deployment = self.launcher.deploy(run)
        self.deployed.append(deployment)
        return deployment

    def running(self) -> Deployment:
        """Deploy a run that waits, and see it run."""
        deployment = self.deploy(self._platform.run("wait"))
        self.begun(deployment)
        return deployment

    def begun(self, *deployments: Deployment) -> None:
        """See one of these deployments run."""
        self._until(lambda: any(map(self._platform.is_running, deployments)), "it does not begin")

    def gone(self, deployment: Deployment) -> None:
        """See that a deployment runs no more."""
        self._until(lambda: not self._platform.is_running(deployment), "it runs on")

    def ends_of(self, deployment: Deployment) -> list[Ended]:
        """Return what was told of a deployment's end."""
        with self._heard:
            return [each for each in self._ended if each.deployment == deployment]

    def end_of(self, deployment: Deployment) -> Ended:
        """Return what is told first of a deployment's end, once it is."""
        with self._heard:
            self._heard.wait_for(lambda: self.ends_of(deployment), self._patience)
            ends = self.ends_of(deployment)
        assert ends, f"the end of {deployment} is not told within {self._patience} s"
        return ends[0]

    def close(self) -> None:
        """Listen no more, and close the launcher."""
        if not self._closing:
            self._closing = True
            self._thread.join()
            self.launcher.close()

    def _until(self, condition: Callable[[], bool], problem: str) -> None:
        until = time.monotonic() + self._patience
        while not condition():
            assert time.monotonic() < until, f"{problem}, for {self._patience} s"
            time.sleep(0.05)

    def _listen(self) -> None:
        while not self._closing:
            try:
                news = self.launcher.watch(0.2)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test is to show it
                self.problems.append(error)
                return
            with self._heard:
                for each in news:
                    assert isinstance(each, Ended | Waits)
                    if isinstance(each, Ended):
                        self._ended.append(each)
                self._heard.notify_all()


#: Starts a launcher and listens to it.
Start = Callable[[], ListenedLauncher]

"""Deploys each flow run as a container of a Docker engine."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from headrace.agents.docker.api import DockerApi, EngineAway, EngineRefusal
from headrace.agents.docker.container import (
    AGENT,
    OVER,
    Container,
    ContainerDefaults,
    container_of,
    deployment_of,
    ended_container,
)
from headrace.agents.docker.events import EventStream
from headrace.agents.docker.known import Known, Seen
from headrace.agents.docker.output import Outputs
from headrace.agents.docker.pulls import Pulls
from headrace.agents.docker.salvage import Salvage
from headrace.agents.docker.starting import is_final, make, start
from headrace.agents.launcher import Deployment, Ended, Launcher, News, Waits
from headrace.config.logging import get_logger
from headrace.core.errors import DeploymentError
from headrace.engine.supervisor import Ending

if TYPE_CHECKING:
    from headrace.wire.claims import ClaimedRun

T = TypeVar("T")

#: How many seconds a cancelled container has from SIGTERM to SIGKILL.
_GRACE = 10
#: How many seconds pass between two looks at all containers, beside the events: one question, which
#: bounds for how long an event that an engine never sent is missed.
_LOOK = 30.0
#: After how many seconds they are looked at if something could not be asked or done.
_LOOK_SOON = 5.0
#: For how many seconds a container that was found may be made and not started: a request of the agent's
#: earlier process, or of another agent that has its id by mistake, may be on its way.
_TO_START = 1.0
#: How many seconds pass until an engine that is away is asked again, at first and at most.
_AGAIN, _AGAIN_AT_MOST = 0.2, 5.0
#: How long after its end the engine may notice that a process was killed for want of memory.
_OOM_SECONDS = 0.2
_SIGKILLED = 137


class DockerLauncher(Launcher):
    """Starts a container for each flow run, and follows the engine's events.

    A container is removed once the server knows its end, so that an agent that is started again
    learns from the containers that are there all that it has to.

    Args:
        api: The engine.
        api_url: The server's address, as the agent sees it.
        defaults: What all containers are given.
        folder: A folder of the agent's own.
        pull: Whether images are fetched from their registries.
        keep: Whether to keep containers that are over.
        show: Called with each line that a container prints, and whose it is; None for no such.
    """

    kind = "docker"

    def __init__(
        self,
        api: DockerApi,
        *,
        api_url: str,
        defaults: ContainerDefaults,
        folder: Path,
        pull: bool = True,
        keep: bool = False,
        show: Callable[[Deployment, str], None] | None = None,
    ) -> None:
        self._api = api
        self._api_url = api_url
        self._defaults = defaults
        self._keep = keep
        self._outputs = Outputs(api, show)
        self._agent = "none"
        self._log = get_logger("agent")
        self._pulls = Pulls(api) if pull else None
        self._salvage = Salvage(api, folder, api_url)
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._known = Known()
        self._events: EventStream | None = None
        self._looking = threading.Lock()
        #: When each container that is made and not started was found.
        self._unstarted: dict[str, float] = {}
        #: Those that have ended, of which the engine did not say how.
        self._unasked: set[str] = set()
        self._look_at = time.monotonic() + _LOOK
        self._hurried = threading.Event()
        # Removing takes time, and no end of another run is to wait for that.
        self._aside = ThreadPoolExecutor(8, "docker-aside")

    def recover(self, agent: str) -> Iterable[Deployment]:
        """Find the agent's containers; those that have ended come out of `watch`."""
        self._agent = agent
        try:
            self._look()
        except EngineAway as error:
            hint = "start it, or name another by --base-url or DOCKER_HOST"
            raise DeploymentError(f"{error} ({hint})") from error
        except EngineRefusal as error:
            raise DeploymentError(str(error)) from error
        self._follow()
        return self._known.live

    # -- deploying ------------------------------------------------------------------------------

    def deploy(self, run: ClaimedRun) -> Deployment:
        """Start a container; one of this attempt that is there already is found.

        While the engine is away it is waited for.
        """
        container = container_of(run, self._api_url, self._agent, self._defaults)
        deployment = container.deployment
        self._known.starts(deployment)
        had_ended = False
        try:
            had_ended = self._patiently(deployment, lambda: self._start(container))
        except EngineRefusal as refusal:
            self._look_soon()  # an engine that fails may have done what it was asked for
            raise DeploymentError(str(refusal), is_final=is_final(refusal)) from refusal
        finally:
            has_ended = self._known.started(deployment)
        if had_ended or has_ended:
            self._aside.submit(self._ended_already, deployment.handle)
        else:
            self._outputs.follow(deployment)
        return deployment

    def hurry(self) -> None:
        """Wait for the engine no more: the agent ends."""
        self._hurried.set()

    def _patiently(self, deployment: Deployment, attempt: Callable[[], T]) -> T:
        pause = _AGAIN
        while True:
            try:
                return attempt()
            except EngineAway as away:
                self._news.put(Waits(deployment=deployment, why=str(away)))
                if self._hurried.wait(pause):
                    raise DeploymentError(str(away)) from away
                pause = min(pause * 2, _AGAIN_AT_MOST)

    def _start(self, container: Container) -> bool:
        """Make a container and start it; return whether one that was there has ended already."""
        deployment = container.deployment
        if self._pulls is not None:
            waits = Waits(deployment=deployment, why=f"the image {container.image} is pulled")
            self._pulls.see_to(container.image, lambda: self._news.put(waits))
        state = make(self._api, container, self._agent, pulls=self._pulls is not None)
        self._known.made(deployment)
        if state != "created":
            return state not in ("running", "paused")
        try:
            start(self._api, container)
        except EngineRefusal:
            self._known.unmade(deployment)
            raise
        return False

    # -- watching -------------------------------------------------------------------------------

    def watch(self, seconds: float) -> list[News]:
        """Wait until the engine's events bring news."""
        self._follow()
        if time.monotonic() > self._look_at:
            try:
                self._look()
            except (EngineAway, EngineRefusal) as error:
                self._log.warning("Containers are looked at later: %s.", error)
        found: list[News] = []
        try:
            found.append(self._news.get(timeout=seconds))
            while True:
                found.append(self._news.get_nowait())
        except queue.Empty:
            return found

    def _follow(self) -> None:
        if self._events is None:
            self._events = EventStream(self._api, f"{AGENT}={self._agent}", self._look, self._heard)

    def _heard(self, event: Mapping[str, Any]) -> None:
        attributes = event.get("Actor", {}).get("Attributes", {})
        code = attributes.get("exitCode", "")
        self._ended_or_later(attributes.get("name", ""), int(code) if code.isdecimal() else None)

    def _look(self) -> None:
        """Look at all containers of this agent: what no event has told is seen here."""
        with self._looking:  # no list is read after one that was asked for later
            self._look_at = time.monotonic() + _LOOK_SOON  # if there is no answer
            known, released = self._known.settled, self._known.released
            there = {
                each["Names"][0].removeprefix("/") if each["Names"] else each["Id"]: each
                for each in self._api.containers(f"{AGENT}={self._agent}")
            }
            self._look_at = time.monotonic() + _LOOK
            names = there.keys()
            self._unstarted = {
                name: self._unstarted.get(name, time.monotonic())
                for name, each in there.items()
                if each["State"] == "created"
            }
            for name, each in there.items():
                deployment = deployment_of(each["Labels"], name)
                if deployment is not None and not name.endswith(OVER):
                    self._see(deployment, each["State"])
            for name in known - names:
                self._gone(name)
            for name in list(self._unasked):  # whatever the list says, which may be late
                self._ended_or_later(name)
            self._known.forget(released - names)

    def _look_soon(self, seconds: float | None = None) -> None:
        later = _LOOK_SOON if seconds is None else seconds
        self._look_at = min(self._look_at, time.monotonic() + later)

    def _see(self, deployment: Deployment, state: str) -> None:
        name = deployment.handle
        seen = self._known.see(deployment)
        if seen is Seen.OTHERWISE:
            return
        if seen is Seen.RELEASED:
            self._aside.submit(self._remove, name)
        elif state == "created" and time.monotonic() - self._unstarted[name] < _TO_START:
            self._look_soon(_TO_START)
        elif state in ("created", "exited", "dead"):
            self._ended_or_later(name, is_listed=True)
        elif seen is Seen.NEW:
            self._outputs.follow(deployment)

    def _gone(self, name: str) -> None:
        if (deployment := self._known.ending(name)) is not None:
            self._end(Ended(deployment=deployment, how="its container was removed", to_report=True))

    def _ended(self, name: str, code: int | None = None, *, is_listed: bool = False) -> None:
        """Find out how a container has ended, and tell it."""
        if (deployment := self._known.ending(name)) is None:
            self._unasked.discard(name)
            return
        found = self._api.inspect(name)
        self._unasked.discard(name)
        if is_listed and not found:
            # The engine lists one that it is still making, or has just removed: the next list tells.
            self._look_soon()
            return
        state = found.get("State", {})
        if code is None and state.get("Status") == "created":
            self._end(Ended(deployment=deployment, how="it was never started", to_report=True))
            return
        if state.get("Running"):
            # It has been started since, or the event tells of an earlier one of its name.
            self._look_soon()
            return
        was_killed = state.get("ExitCode") == _SIGKILLED and not state["OOMKilled"]
        if was_killed and found["HostConfig"].get("Memory"):
            time.sleep(_OOM_SECONDS)
            state = self._api.inspect(name).get("State", state)
        if code is None:
            code = state.get("ExitCode")
        if code is None:
            self._gone(name)
        elif code == Ending.UNDELIVERED:
            if self._known.tell(name):
                # It may take as long as the server is away.
                threading.Thread(target=self._settle, args=[deployment, state], daemon=True).start()
        else:
            self._end(ended_container(deployment, code, state))

    def _ended_or_later(
        self, name: str, code: int | None = None, *, is_listed: bool = False
    ) -> None:
        """Do that, or see to it that it is done soon: one refusal hides no other container."""
        try:
            self._ended(name, code, is_listed=is_listed)
        except EngineRefusal as refusal:
            self._ended_later(name, refusal)

    def _ended_already(self, name: str) -> None:
        try:
            self._ended(name)
        except (EngineAway, EngineRefusal) as error:
            self._ended_later(name, error)

    def _ended_later(self, name: str, error: Exception) -> None:
        self._log.warning("How the container %s ended is looked at soon: %s.", name, error)
        self._unasked.add(name)
        self._look_soon()

    def _end(self, ended: Ended) -> None:
        if self._known.over(ended.deployment.handle):
            self._news.put(ended)

    def _settle(self, deployment: Deployment, state: Mapping[str, Any]) -> None:
        try:
            how = self._salvage.settle(deployment)
        except InterruptedError:
            return
        except Exception:  # noqa: BLE001 - a container may have left anything; its end is to be told
            self._log.exception("What %s still had to say is lost.", deployment.handle)
            how = None
        if how is None:
            self._end(ended_container(deployment, Ending.UNDELIVERED, state))
        else:
            self._end(Ended(deployment=deployment, how=how, to_report=False))

    def early_logs(self, deployment: Deployment) -> str:
        """Return the last of what the container has printed."""
        return self._outputs.last(deployment)

    # -- ending ---------------------------------------------------------------------------------

    def release(self, deployment: Deployment) -> None:
        """Remove the container, or rename it if containers are kept."""
        self._known.release(deployment.handle)
        self._aside.submit(self._remove, deployment.handle)

    def cancel(self, deployment: Deployment) -> None:
        """Have the container's process end, which takes 10 s if it has to be killed.

        Raises:
            EngineAway: If the engine does not answer.
            EngineRefusal: If it refuses.
        """
        self._api.stop(deployment.handle, _GRACE)

    def close(self) -> None:
        """Let go of the engine; containers go on."""
        self._hurried.set()
        self._salvage.close()
        if self._events is not None:
            self._events.close()
        self._aside.shutdown(wait=True)
        self._api.close()

    def _remove(self, name: str) -> None:
        try:
            if self._keep:
                self._api.rename(name, f"{name}{OVER}")
            else:
                self._api.remove(name)
        except (EngineAway, EngineRefusal) as error:
            # It is seen again at the next look, which is soon, or by the agent's next process.
            self._log.warning("The container %s is over, and stays: %s.", name, error)
            self._look_soon()

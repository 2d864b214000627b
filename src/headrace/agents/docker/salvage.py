"""Tells the server what a container could not tell it any more, from the run's directory in it."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from headrace.agents.docker.api import DockerApi, EngineAway, EngineRefusal
from headrace.agents.docker.container import DIRECTORY
from headrace.agents.launcher import Deployment
from headrace.config.logging import get_logger
from headrace.core.errors import ClientError
from headrace.engine.process_identity import ProcessIdentity
from headrace.engine.run_directory import RunDirectory, RunSpec, SupervisorRecord
from headrace.engine.settling import settle

#: How many seconds pass until the server is asked again, at first and at most.
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
#: No process: those in the container had numbers that mean others here.
_NOBODY = ProcessIdentity(pid=0, start="", boot="", host="")


class Salvage:
    """Settles runs whose containers ended before the server knew everything.

    Args:
        api: The engine.
        folder: A folder of the agent's own.
        api_url: The server's address, as the agent sees it.
    """

    def __init__(self, api: DockerApi, folder: Path, api_url: str) -> None:
        self._api = api
        self._folder = folder
        self._api_url = api_url
        self._log = get_logger("agent")
        self._closed = False
        for left in folder.glob("salvage-*"):  # by one that was killed
            shutil.rmtree(left, ignore_errors=True)

    def close(self) -> None:
        """Give up what is under way; the containers stay, and the agent's next start finds them."""
        self._closed = True

    def settle(self, deployment: Deployment) -> str | None:
        """Deliver what is in a container that has ended; however long the server is away.

        Returns:
            How the run's process ended, once the server knows everything; None if there is nothing
            in the container that could be delivered.

        Raises:
            InterruptedError: If this is closed before.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="salvage-", dir=self._folder) as name:
            directory = self._copied(deployment, Path(name))
            if directory is None:
                return None
            pause = _FIRST_PAUSE
            while True:
                try:
                    ended = settle(directory)
                    return ended.reason if ended is not None else None
                except ClientError as error:
                    self._log.warning(
                        "What container %s still had to say is told later: %s",
                        deployment.handle,
                        error,
                    )
                except OSError as error:
                    self._log.error("What container %s had to say: %s", deployment.handle, error)
                    return None
                self._wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _copied(self, deployment: Deployment, target: Path) -> RunDirectory | None:
        """Copy the run's directory, as one that was written here."""
        pause = _FIRST_PAUSE
        while True:
            try:
                if not self._api.copy_out(deployment.handle, DIRECTORY, target):
                    return None
                break
            except EngineAway:
                self._wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            except (EngineRefusal, OSError) as error:
                self._log.error("%s cannot be taken out: %s", deployment.handle, error)
                return None
        directory = RunDirectory(target)
        spec, supervisor = directory.read(RunSpec), directory.read(SupervisorRecord)
        if spec is None or (spec.flow_run_id, spec.attempt) != (
            deployment.flow_run_id,
            deployment.attempt,
        ):
            return None
        directory.write(
            RunSpec(
                flow_run_id=spec.flow_run_id,
                attempt=spec.attempt,
                api_url=self._api_url,
                token=spec.token,
            )
        )
        if supervisor is not None:
            directory.write(
                SupervisorRecord(nonce=supervisor.nonce, process=_NOBODY, activated=True)
            )
        return directory

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._closed:
                raise InterruptedError
            time.sleep(0.2)

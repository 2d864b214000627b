"""Deploys flow runs as processes on the agent's own machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.agents.environment import read_at_start, run_config_environment, run_environment
from headrace.agents.fork_client import ForkClient
from headrace.agents.fork_messages import Start
from headrace.agents.fork_server import spawn
from headrace.agents.launcher import Deployment, Ended, Launcher, News
from headrace.config.logging import get_logger
from headrace.core.errors import ClientError, DeploymentError
from headrace.engine.run_directory import (
    RUN_DIRECTORY,
    ExitRecord,
    Reaped,
    RunDirectory,
    RunSpec,
    SupervisorRecord,
    run_directories,
)
from headrace.engine.settling import BEGIN_SECONDS, BEGIN_SECONDS_ALONE, is_over, settle

if TYPE_CHECKING:
    from headrace.wire.claims import ClaimedRun

#: How many seconds pass between two looks at all runs: news of the fork server come at once.
_LOOK = 2.0
#: How many seconds pass until a run that could not be settled is tried again, at first and at most.
_AGAIN = 5.0
_AGAIN_AT_MOST = 300.0
#: For how many seconds the directories of runs that are over are kept.
_KEEP = 24 * 3600.0
#: How many seconds pass between two looks for such directories.
_SWEEP = 3600.0


class LocalLauncher(Launcher):
    """Starts a supervisor for each flow run: a copy of the fork server, or a new program.

    Args:
        home: Headrace's home directory; runs are kept in it.
        folder: The agent's own directory.
        api_url: The server's address.
        env: Variables that all runs get.
        import_paths: Folders in which runs look for modules before all others.
        forks: Whether there is a fork server: on Linux, by default.
    """

    kind = "local"
    #: The fork server starts one after the other; what it could not start soon is left to others.
    at_once = 8

    def __init__(
        self,
        home: str,
        folder: Path,
        api_url: str,
        *,
        env: Mapping[str, str] | None = None,
        import_paths: Sequence[str] = (),
        forks: bool = sys.platform == "linux",
    ) -> None:
        self._home = home
        self._api_url = api_url
        self._env = dict(env or {})
        self._import_paths = [os.path.abspath(path) for path in import_paths]
        self._forks = ForkClient(folder) if forks else None
        self._agent: str | None = None
        self._lock = threading.Lock()
        self._running: dict[str, Deployment] = {}
        #: When each is tried again, and how long to wait if that fails too.
        self._unsettled: dict[str, tuple[float, float]] = {}
        #: Those that an earlier process of this agent has started, or was about to start.
        self._found: set[str] = set()
        #: Those to be ended whose supervisor has not written itself down yet.
        self._to_end: set[str] = set()
        self._looked_at = self._swept_at = 0.0
        self._log = get_logger("agent")

    def recover(self, agent: str) -> Iterable[Deployment]:
        """Find the runs that an earlier process of this agent has started."""
        self._agent = agent
        for directory, spec in self._sweep():
            deployment = _deployment(spec, directory)
            with self._lock:
                self._running[deployment.handle] = deployment
            self._found.add(deployment.handle)
            yield deployment
        if self._forks is not None:
            # It is there when the first run comes.
            self._forks.hello()

    def deploy(self, run: ClaimedRun) -> Deployment:
        """Start a supervisor for a flow run.

        Raises:
            DeploymentError: If it cannot be started.
        """
        working_dir = (run.run_config or {}).get("working_dir") or os.getcwd()
        if not os.path.isdir(working_dir):
            raise DeploymentError(f"there is no working directory {working_dir} on this machine")
        environment = run_environment(
            run,
            self._api_url,
            base=os.environ,
            agent=self._env,
            import_paths=self._import_paths,
        )
        spec = RunSpec(
            flow_run_id=run.id,
            attempt=run.attempt,
            api_url=self._api_url,
            token=run.token,
            agent=self._agent,
        )
        try:
            directory = RunDirectory.create(self._home, run.id, run.attempt)
            directory.write(spec)
        except OSError as error:
            raise DeploymentError(f"its directory cannot be made: {error}") from error
        environment[RUN_DIRECTORY] = str(directory.path)
        deployment = _deployment(spec, directory)
        with self._lock:
            self._running[deployment.handle] = deployment
        try:
            start = Start(
                directory=str(directory.path),
                environment=environment,
                working_dir=working_dir,
                import_paths=self._import_paths,
                command=None if self._may_fork(run, environment) else _COMMAND,
            )
            self._start(start)
        except (DeploymentError, OSError) as error:
            with self._lock:
                self._running.pop(deployment.handle, None)
            shutil.rmtree(directory.path, ignore_errors=True)
            raise DeploymentError(str(error)) from error
        return deployment

    def watch(self, seconds: float) -> list[News]:
        """Wait until supervisors end; see to it that the server knows all that they knew."""
        if self._forks is not None:
            gone = self._forks.gone(seconds)
        else:
            time.sleep(min(seconds, 0.2))
            gone = []
        ended: list[News] = [each for path in gone if (each := self._ended(path)) is not None]
        if time.monotonic() - self._looked_at >= _LOOK:
            self._looked_at = time.monotonic()
            with self._lock:
                paths = list(self._running)
                to_end = list(self._to_end)
            self._to_end.difference_update([path for path in to_end if self._end(path)])
            ended += [each for path in paths if (each := self._look(path)) is not None]
        if time.monotonic() - self._swept_at >= _SWEEP:
            for _ in self._sweep():
                pass  # what is not over is known
        for path, (due, _) in list(self._unsettled.items()):
            if time.monotonic() >= due:
                self._settle(path)
        return ended

    def has_begun(self, deployment: Deployment) -> bool:
        """Tell whether the server has let the run's process begin, or has heard how it ended."""
        directory = RunDirectory(deployment.handle)
        record = directory.read(SupervisorRecord)
        return (record is not None and record.activated) or directory.read(ExitRecord) is not None

    def early_logs(self, deployment: Deployment) -> str:
        """Return the last that a run's supervisor and runner have written."""
        directory = RunDirectory(deployment.handle)
        files = (directory.stdout, directory.stderr, directory.log)
        return "\n".join(line for file in files for line in directory.last_lines(file))

    def release(self, deployment: Deployment) -> None:
        """Forget a run that is over. Its files stay for a day, for people."""
        with self._lock:
            self._running.pop(deployment.handle, None)

    def cancel(self, deployment: Deployment) -> None:
        """Have a supervisor end its runner, and itself."""
        if not self._end(deployment.handle):
            with self._lock:
                if deployment.handle in self._running:
                    self._to_end.add(deployment.handle)

    def close(self) -> None:
        """Let go of the fork server; it goes on, and so do the runs."""
        if self._forks is not None:
            self._forks.close()

    # -- within -------------------------------------------------------------------------------

    def _may_fork(self, run: ClaimedRun, environment: Mapping[str, str]) -> bool:
        """Tell whether a copy of the fork server can still be given this environment."""
        if self._forks is None:
            return False
        wanted, there = read_at_start(environment), self._forks.hello().at_start
        asked = self._env.keys() | run_config_environment(run.run_config).keys()
        if "PYTHONPATH" not in asked:
            # Import paths can be added later, and so they are.
            wanted = {name: value for name, value in wanted.items() if name != "PYTHONPATH"}
            there = {name: value for name, value in there.items() if name != "PYTHONPATH"}
        return wanted == there

    def _start(self, start: Start) -> None:
        if self._forks is not None:
            self._forks.start(start)
        else:
            pid = spawn(start)
            threading.Thread(target=_reap, args=[pid, start.directory], daemon=True).start()

    def _end(self, path: str) -> bool:
        """Have a supervisor end if it has written itself down; tell whether it has."""
        record = RunDirectory(path).read(SupervisorRecord)
        if record is not None and record.process.is_here():
            record.process.signal(signal.SIGTERM)
        return record is not None

    def _look(self, path: str) -> Ended | None:
        begins_within = BEGIN_SECONDS_ALONE if path in self._found else BEGIN_SECONDS
        return self._ended(path) if is_over(RunDirectory(path), begins_within) else None

    def _ended(self, path: str) -> Ended | None:
        with self._lock:
            deployment = self._running.pop(path, None)
            self._to_end.discard(path)
        self._found.discard(path)
        if deployment is None:
            return None
        directory = RunDirectory(path)
        how = self._settle(path)
        if how is None:
            record = directory.read(ExitRecord)
            how = record.reason if record is not None else "it has ended"
        return Ended(deployment=deployment, how=how, to_report=False)

    def _settle(self, path: str) -> str | None:
        """Tell the server what it does not know of a run that is over; later, if it is away."""
        _, pause = self._unsettled.pop(path, (0.0, _AGAIN))
        directory = RunDirectory(path)
        if directory.read(Reaped) is None and directory.read(ExitRecord) is None:
            time.sleep(0.2)  # for its parent to write down how it ended
        try:
            ended = settle(directory)
        except (ClientError, OSError) as error:
            longer = min(pause * 2, _AGAIN_AT_MOST)
            self._unsettled[path] = (time.monotonic() + pause, longer)
            self._log.warning("The end of the run in %s is to be told later: %s", path, error)
            return None
        return ended.reason if ended is not None else None

    def _sweep(self) -> Iterator[tuple[RunDirectory, RunSpec]]:
        """Yield the agent's runs that are not settled; remove what is kept of others for too long."""
        self._swept_at = time.monotonic()
        for directory in run_directories(self._home):
            spec = directory.read(RunSpec)
            if spec is None or spec.agent != self._agent:
                continue
            ended = directory.read(ExitRecord)
            if ended is None or not ended.reported or not is_over(directory):
                yield directory, spec
            elif time.time() - ended.at > _KEEP:
                shutil.rmtree(directory.path, ignore_errors=True)
                with contextlib.suppress(OSError):  # another attempt of the same run is still kept
                    directory.path.parent.rmdir()


#: What a new program is started with: never with the agent's folder among its modules.
_COMMAND = [sys.executable, "-P", "-m", "headrace.cli", "execute"]


def _deployment(spec: RunSpec, directory: RunDirectory) -> Deployment:
    return Deployment(
        flow_run_id=spec.flow_run_id, attempt=spec.attempt, handle=str(directory.path)
    )


def _reap(pid: int, path: str) -> None:
    """Wait for a child of the agent itself, and write down how it ended."""
    from headrace.engine.process_identity import ProcessIdentity, how_it_ended, identity_of

    process = identity_of(pid) or ProcessIdentity(pid=pid, start="", boot="", host="")
    _, status = os.waitpid(pid, 0)
    reason = how_it_ended(os.waitstatus_to_exitcode(status))
    RunDirectory(path).write(Reaped(process=process, reason=reason, at=time.time()))

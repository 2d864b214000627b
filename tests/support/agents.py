"""A real local agent, in a process of its own, for tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.servers import PROGRAM, STOP_SECONDS, RunningServer


class RunningAgent:
    """An agent that a test may kill, stop and start again, with the same home and labels.

    Args:
        server: The server that it asks.
        arguments: What follows `headrace agent KIND start`.
        env: Its environment variables over those of this process.
        kind: What it deploys to.
    """

    def __init__(
        self,
        server: RunningServer,
        arguments: list[str],
        env: dict[str, str],
        kind: str = "local",
    ) -> None:
        self._kind = kind
        self.env = {**server.env, **env}
        self.home = Path(self.env["HEADRACE_HOME"])
        self._server = server
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the agent does not run"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """All that it has said, over all its starts."""
        return (self.home / "agent.log").read_text(errors="replace")

    def start(self) -> None:
        assert self._process is None, "the agent runs already"
        command = [str(PROGRAM), "agent", self._kind, "start", *self._arguments]
        # If the test run itself is killed, the agent goes with it.
        if setpriv := shutil.which("setpriv"):
            command = [setpriv, "--pdeathsig", "TERM", "--", *command]
        with (self.home / "agent.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.env},
                cwd=self.home,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it by force; its flow runs go on."""
        assert self._process is not None, "the agent does not run"
        self._process.kill()
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """Ask it to end, and see that it does so in order; its flow runs go on."""
        assert self._process is not None, "the agent does not run"
        process, self._process = self._process, None
        process.terminate()
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"SIGTERM did not end the agent:\n{self.log[-4000:]}") from None
        assert code == 0, f"the agent ended with exit code {code}:\n{self.log[-4000:]}"

    def processes(self) -> list[int]:
        """Return what it has started and what that has started: fork server, supervisors, runners."""
        known = {self._server.process_id, self._process.pid if self._process else None}
        return [pid for pid in processes_of(self.home) if pid not in known]

    def close(self) -> None:
        """End it and all that it has started, by force."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self.kill()
        until = time.monotonic() + STOP_SECONDS
        while (left := self.processes()) and time.monotonic() < until:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        if "PYTEST_CURRENT_TEST" in os.environ:  # it shows what was printed only beside a failure
            print(f"--- what the agent said:\n{self.log[-8000:]}")


@contextmanager
def running_agent(
    server: RunningServer,
    *labels: str,
    options: list[str] | None = None,
    env: dict[str, str] | None = None,
    kind: str = "local",
) -> Iterator[RunningAgent]:
    """Run `headrace agent KIND start` for the length of a `with` block, in the server's home.

    Args:
        server: The server that it asks.
        labels: Its labels.
        options: More options of the command.
        env: Its environment variables over those of the server's clients.
        kind: What it deploys to.
    """
    arguments = [word for label in labels for word in ("--label", label)] + (options or [])
    agent = RunningAgent(server, arguments, env or {}, kind)
    agent.start()
    try:
        yield agent
    finally:
        agent.close()


def processes_of(home: Path) -> list[int]:
    """Return the processes that have this home directory in their environment, but for this one."""
    wanted = f"HEADRACE_HOME={home}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return [pid for pid in found if pid != os.getpid()]

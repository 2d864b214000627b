"""A real agent of any kind, in a process of its own, for tests."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.processes import STOP_SECONDS, RunningProgram
from tests.support.servers import PROGRAM, RunningServer


class RunningAgent(RunningProgram):
    """An agent that a test may kill, stop and start again, with the same home and labels.

    Its end by force, or in order, leaves its flow runs alone; only `close` does not.

    Args:
        server: The server that it asks.
        command: How it is started.
        env: Its environment variables over those of the server's clients.
    """

    def __init__(self, server: RunningServer, command: list[str], env: dict[str, str]) -> None:
        own = {**server.env, **env}
        super().__init__("agent", command, Path(own["HEADRACE_HOME"]), own, death="TERM")
        self._server = server

    def processes(self) -> list[int]:
        """Return what it has started and what that has started: fork server, supervisors, runners."""
        known = {self._server.process_id, self.process_id}
        return [pid for pid in processes_of(self.home) if pid not in known]

    def close(self) -> None:
        """End it and all that it has started, by force."""
        super().close()
        until = time.monotonic() + STOP_SECONDS
        while (left := self.processes()) and time.monotonic() < until:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)


@contextmanager
def running_agent(
    server: RunningServer,
    *labels: str,
    kind: str = "local",
    options: list[str] | None = None,
    env: dict[str, str] | None = None,
    program: list[str] | None = None,
) -> Iterator[RunningAgent]:
    """Run `headrace agent KIND start` for the length of a `with` block, in the server's home.

    Args:
        server: The server that it asks.
        labels: Its labels.
        kind: What it deploys to: `local`, `docker`, `kubernetes`, `ecs`, `vertex`.
        options: More options of the command.
        env: Its environment variables over those of the server's clients.
        program: What is run in place of `headrace agent KIND start`.
    """
    command = list(program or [str(PROGRAM), "agent", kind, "start"])
    command += [word for label in labels for word in ("--label", label)] + (options or [])
    agent = RunningAgent(server, command, env or {})
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

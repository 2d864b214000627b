"""A real Headrace server, in a process of its own, for tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.integration.components.server import free_ports
from tests.support.processes import RunningProgram

#: The command line, as it is installed beside this Python.
PROGRAM = Path(sys.executable).with_name("headrace")
#: A loaded machine with two cores has needed 5 s.
START_SECONDS = 120.0


def headrace(*arguments: str, env: Mapping[str, str] | None = None, check: bool = True) -> str:
    """Run the command line as a user does.

    Args:
        arguments: What follows `headrace`.
        env: Environment variables over those of this process.
        check: Whether it has to succeed.

    Returns:
        What it wrote to its standard output.
    """
    done = subprocess.run(
        [PROGRAM, *arguments],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if check:
        assert done.returncode == 0, f"headrace {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done.stdout


class RunningServer(RunningProgram):
    """A server that a test may kill, stop and start again: at the same address, on the same data.

    Args:
        program: What starts it, such as `headrace server start`.
        arguments: What follows that.
        port: The port that it listens on.
        home: Its home directory, in which its log is kept too.
        env: Environment variables over those of this process.
    """

    def __init__(
        self,
        program: list[str],
        arguments: list[str],
        port: int,
        home: Path,
        env: dict[str, str],
    ) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        # What a client of this server, or an agent, has in its environment.
        shared = {"HEADRACE_HOME": str(home), "HEADRACE_API_URL": self.url, **env}
        super().__init__("server", [*program, *arguments], home, shared)

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it is ready.

        Args:
            wait: Whether to wait; else it may not even listen yet.
        """
        super().start()
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until it says that it can serve."""
        until = time.monotonic() + START_SECONDS
        while not self.answers("/ready"):
            code = self._running().poll()
            assert code is None, f"the server ended with exit code {code}:\n{self._tail}"
            assert time.monotonic() < until, f"the server does not get ready:\n{self._tail}"
            time.sleep(0.02)

    def answers(self, path: str = "/health") -> bool:
        """Tell whether a path is answered with success."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False

    def restart(self, *, kill: bool = False) -> None:
        """End it if it runs, in order or by force, and start it again."""
        if self.process_id is not None:
            self.kill() if kill else self.stop()
        self.start()


@contextmanager
def running_server(
    database_url: str | None = None,
    home: Path | None = None,
    env: Mapping[str, str] | None = None,
    lease: float | None = None,
    **options: object,
) -> Iterator[RunningServer]:
    """Run `headrace server start` on a free port of 127.0.0.1 for the length of a `with` block.

    Args:
        database_url: The database; by default SQLite in `home`.
        home: Its home directory; by default a new one, removed afterwards.
        env: Environment variables over those of this process, for settings.
        lease: How many seconds the process of a flow run owns it without a word, where what the
            command offers is too long for a test.
        options: More options of the command: `allow_anything=True` is `--allow-anything`, `a=1` is
            `--a 1`.
    """
    (port,) = free_ports(1)
    arguments = ["--host", "127.0.0.1", "--port", str(port)]
    if database_url is not None:
        arguments += ["--database-url", database_url]
    for name, value in options.items():
        arguments.append(f"--{name.replace('_', '-')}")
        if value is not True:
            arguments.append(str(value))
    own = Path(tempfile.mkdtemp(prefix="headrace-server-")) if home is None else None
    program = [str(PROGRAM), "server", "start"]
    if lease is not None:
        program = [sys.executable, str(Path(__file__).with_name("impatient_server.py"))]
        arguments += ["--lease", str(lease)]
    server = RunningServer(program, arguments, port, own or home or Path(), dict(env or {}))
    try:
        server.start()
        yield server
    finally:
        server.close()
        if own is not None:
            shutil.rmtree(own, ignore_errors=True)

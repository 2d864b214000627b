"""A real Headrace server, in a process of its own, for tests."""

from __future__ import annotations

import os
import shutil
import signal
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

#: The command line, as it is installed beside this Python.
PROGRAM = Path(sys.executable).with_name("headrace")
#: A loaded machine with two cores has needed 5 s.
START_SECONDS = 60.0
STOP_SECONDS = 20.0


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


class RunningServer:
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
        self.home = home
        #: What a client of this server, or an agent, has in its environment.
        self.env = {"HEADRACE_HOME": str(home), "HEADRACE_API_URL": self.url, **env}
        self._program = program
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server does not run"
        return self._process.pid

    @property
    def process_id(self) -> int | None:
        """Its process id, or None while it does not run."""
        return None if self._process is None else self._process.pid

    @property
    def log(self) -> str:
        """All that it has said, over all its starts."""
        try:
            return (self.home / "server.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it is ready.

        Args:
            wait: Whether to wait; else it may not even listen yet.
        """
        assert self._process is None, "the server runs already"
        command = [*self._program, *self._arguments]
        # If the test run itself is killed, the server goes with it.
        if setpriv := shutil.which("setpriv"):
            command = [setpriv, "--pdeathsig", "KILL", "--", *command]
        with (self.home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.env},
                cwd=self.home,
                start_new_session=True,
            )
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until it says that it can serve."""
        assert self._process is not None
        until = time.monotonic() + START_SECONDS
        while not self.answers("/ready"):
            code = self._process.poll()
            assert code is None, f"the server ended with exit code {code}:\n{self.log[-4000:]}"
            assert time.monotonic() < until, f"the server does not get ready:\n{self.log[-4000:]}"
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

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None, "the server does not run"
        self._process.kill()
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """Ask it to end, and see that it does so in order."""
        assert self._process is not None, "the server does not run"
        process, self._process = self._process, None
        process.terminate()
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"SIGTERM did not end the server:\n{self.log[-4000:]}") from None
        assert code == 0, f"the server ended with exit code {code}:\n{self.log[-4000:]}"

    def restart(self, *, kill: bool = False) -> None:
        """End it if it runs, in order or by force, and start it again."""
        if self._process is not None:
            self.kill() if kill else self.stop()
        self.start()

    def close(self) -> None:
        """End it if it runs, even if it is stopped by a signal, and show what it said if the test fails."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self.kill()
        if "PYTEST_CURRENT_TEST" in os.environ:  # it shows what was printed only beside a failure
            print(f"--- what the server at {self.url} said:\n{self.log[-8000:]}")


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

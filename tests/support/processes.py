"""A real program in a process of its own, for tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

STOP_SECONDS = 60.0


class RunningProgram:
    """A program that a test may kill, stop and start again.

    Args:
        what: What it is, for people; its log is called so, too.
        command: How it is started.
        home: Its home directory, in which it works and its log is kept.
        env: Its environment variables over those of this process.
        death: The signal that ends it if the test run itself is killed.
    """

    def __init__(
        self, what: str, command: list[str], home: Path, env: dict[str, str], death: str = "KILL"
    ) -> None:
        self.home = home
        self.env = env
        self._what = what
        self._command = command
        self._death = death
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def process_id(self) -> int | None:
        """Its process id, or None while it does not run."""
        return None if self._process is None else self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """All that it has said, over all its starts."""
        try:
            return self._log_file.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def start(self) -> None:
        """Start it; it may not be ready yet."""
        assert self._process is None, f"the {self._what} runs already"
        command = self._command
        # If the test run itself is killed, it goes with it.
        if setpriv := shutil.which("setpriv"):
            command = [setpriv, "--pdeathsig", self._death, "--", *command]
        with self._log_file.open("ab") as log:
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
        """End it by force, as a power cut would."""
        process = self._running()
        process.kill()
        process.wait()
        self._process = None

    def stop(self) -> None:
        """Ask it to end, and see that it does so in order."""
        process = self._running()
        self._process = None
        process.terminate()
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"SIGTERM did not end the {self._what}:\n{self._tail}") from None
        assert code == 0, f"the {self._what} ended with exit code {code}:\n{self._tail}"

    def close(self) -> None:
        """End it if it runs, even if it is stopped by a signal, and show what it said if the test fails."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            RunningProgram.kill(self)
        if "PYTEST_CURRENT_TEST" in os.environ:  # it shows what was printed only beside a failure
            print(f"--- what the {self._what} said:\n{self.log[-8000:]}")

    @property
    def _log_file(self) -> Path:
        return self.home / f"{self._what}.log"

    @property
    def _tail(self) -> str:
        return self.log[-4000:]

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, f"the {self._what} does not run"
        return self._process

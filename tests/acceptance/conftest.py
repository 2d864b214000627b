import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.terminal import Terminal

HEADRACE = [sys.executable, "-c", "import sys; from headrace.cli import main; sys.exit(main())"]
_IN_TERMINAL = str(Path(__file__).parent.parent / "support" / "in_terminal.py")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], str]:
    """Writes a file into the folder that commands run in, and returns its name."""

    def _write(name: str, text: str) -> str:
        (tmp_path / name).write_text(textwrap.dedent(text))
        return name

    return _write


@pytest.fixture
def headrace(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command in a process of its own, with its output in pipes."""

    def _headrace(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*HEADRACE, *args],
            cwd=tmp_path,
            env=os.environ | env,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    return _headrace


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Begins a command in a process of its own; what still runs at the end is ended."""
    processes: list[subprocess.Popen[str]] = []

    def _begin(*args: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*HEADRACE, *args],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield _begin
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


class OnTerminal:
    """A command that runs on a terminal.

    Attributes:
        terminal: What a person sees.
        raw: All that was written to it.
    """

    def __init__(self, command: list[str], cwd: Path, columns: int, rows: int) -> None:
        self.terminal = Terminal(columns, rows)
        self.raw = b""
        self._process = subprocess.Popen(
            [sys.executable, _IN_TERMINAL, str(columns), str(rows), *command],
            cwd=cwd,
            env=os.environ | {"TERM": "xterm-256color"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)

    def until(self, seen: Callable[[], bool], seconds: float = 120.0) -> None:
        """Look on until something is seen."""
        deadline = time.monotonic() + seconds
        while not seen():
            assert time.monotonic() < deadline, self.terminal.text
            assert self._look() or seen(), self.terminal.text

    def type(self, text: str) -> None:
        """Press keys; "\x03" is Ctrl-C."""
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())

    def end(self) -> int:
        """Look on until the command is over, and return its exit code."""
        while self._look():
            pass
        return self._process.wait(60)

    def stop(self) -> None:
        """End whatever still runs."""
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(60)

    def _look(self) -> bool:
        """Take what is shown now; tell whether there may be more to come."""
        assert self._process.stdout is not None
        data = self._process.stdout.read(65536)
        if data is None:
            time.sleep(0.01)
            return True
        self.raw += data
        self.terminal.feed(data)
        return bool(data)


@pytest.fixture
def on_terminal(tmp_path: Path) -> Iterator[Callable[..., OnTerminal]]:
    """Begins a command on a terminal of its own."""
    begun: list[OnTerminal] = []

    def _on_terminal(*args: str, columns: int = 80, rows: int = 24) -> OnTerminal:
        begun.append(OnTerminal([*HEADRACE, *args], tmp_path, columns, rows))
        return begun[-1]

    yield _on_terminal
    for each in begun:
        each.stop()

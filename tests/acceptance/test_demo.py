"""`make demo`: a server, an agent and a tracked run, and afterwards nothing is left of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parents[2]


class Demo:
    """A demo that runs, with a folder for temporary files that nobody else uses."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.output = folder / "out"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self._environment = os.environ | {
            "HEADRACE_HOME": str(folder / "home"),
            "TMPDIR": str(self.temporary),
        }
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "examples", "--folder", str(self.output), *options],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def wait(self) -> int:
        return self.process.wait(240)

    def wait_until_it_says(self, text: str) -> None:
        until = time.monotonic() + 120
        while text not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < until, self.said
            time.sleep(0.02)

    def left(self) -> list[int]:
        """Return the processes that have its folder in their environment."""
        wanted = f"TMPDIR={self.temporary}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found

    def is_gone(self, seconds: float = 60) -> bool:
        """Tell whether no process and no file of it is left, soon."""
        until = time.monotonic() + seconds
        while self.left() or list(self.temporary.iterdir()):
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True


@pytest.fixture
def demo(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Demo]:
    begun = Demo(tmp_path, *request.param)
    yield begun
    for pid in begun.left():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    begun.process.wait()


#: The second half alone: the first has its own test, among the examples.
TRACKED = ["--executor"]


@pytest.mark.parametrize("demo", [["--executor", "local", "--months", "9"]], indirect=True)
def test_a_tracked_run_gives_what_a_plain_one_gives(demo: Demo):
    assert demo.wait() == 0, demo.said
    assert "$ headrace register --project demo" in demo.said
    assert "Success" in demo.said
    assert "27,574 flights" in demo.said
    assert "same numbers" not in demo.said, "only a difference would be worth a word"
    assert (demo.output / "flights.png").read_bytes().startswith(b"\x89PNG")
    assert demo.is_gone(), demo.left()


@pytest.mark.parametrize("demo", [[*TRACKED, "--months", "13"]], indirect=True)
def test_a_run_that_fails_leaves_nothing(demo: Demo):
    assert demo.wait() == 1, demo.said
    assert "Failed" in demo.said
    assert demo.is_gone(), demo.left()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("demo", [[*TRACKED, "--months", *map(str, range(1, 13))]], indirect=True)
def test_an_interrupt_leaves_nothing(demo: Demo, how: signal.Signals):
    demo.wait_until_it_says("$ headrace run --project demo")
    if how == signal.SIGINT:
        os.killpg(demo.process.pid, how)  # as a terminal sends it
    else:
        demo.process.send_signal(how)
    assert demo.wait() == 130, demo.said
    assert demo.is_gone(), demo.left()


@pytest.mark.parametrize("demo", [[*TRACKED, "--months", "2", "--keep"]], indirect=True)
def test_what_is_kept_can_be_used_and_ended(demo: Demo):
    assert demo.wait() == 0, demo.said
    found = re.search(r"address +(http://\S+)", demo.said)
    assert found, demo.said
    with urlopen(f"{found[1]}/health", timeout=60) as answer:
        assert answer.status == 200
    ending = re.search(r"to end it +(kill .*)", demo.said)
    assert ending, demo.said
    subprocess.run(ending[1], shell=True, check=True)
    assert demo.is_gone(), demo.left()

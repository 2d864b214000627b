"""Starts real servers for tests: on a free port of 127.0.0.1, ended by their process id."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

#: A loaded machine with two cores starts the slowest of them in about 10 s.
START_SECONDS = 120
#: Ports that the system gives nobody who takes any (see `ip_local_port_range`): one of those could be
#: somebody else's between the moment it is chosen and that in which a server listens on it.
_PORTS = range(20_000, 32_000)
#: The number of the last of them that was given to a test, whichever process runs it.
_LAST = Path(tempfile.gettempdir()) / f"headrace-tests-ports-{os.getuid()}"


def could_not_run(reason: str) -> None:
    """End the test as one that could not run; the suite lists these at its end."""
    pytest.skip(f"COULD NOT RUN: {reason}")


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, and that no other test on this machine is given soon."""
    found: list[int] = []
    with _LAST.open("a+") as file:
        # Test processes that run side by side go round together.
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        last = int(file.read() or os.getpid() * 101)
        while len(found) < count:
            last += 1
            port = _PORTS[last % len(_PORTS)]
            try:
                socket.create_server(("127.0.0.1", port)).close()
            except OSError:
                continue
            found.append(port)
        file.truncate(0)
        file.write(str(last))
    return found


@contextmanager
def serving(
    command: Sequence[str | Path],
    is_ready: Callable[[], bool],
    log: Path,
    environ: dict[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server for the length of a `with` block.

    Args:
        command: What starts it, in the foreground.
        is_ready: Tells whether it answers; asked until it does.
        log: Where its output goes.
        environ: Environment variables over those of this process.

    Raises:
        RuntimeError: If it ends, or does not answer in `START_SECONDS`; with the end of its log.
    """
    argv = [str(part) for part in command]
    # If the test run itself is killed, the server goes with it.
    if setpriv := shutil.which("setpriv"):
        argv = [setpriv, "--pdeathsig", "KILL", "--", *argv]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | (environ or {}),
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait(process, is_ready, log, argv)
            yield process
        finally:
            _end(process)


def answers(url: str) -> bool:
    """Tell whether anything at all is answered at this address."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False


def _wait(
    process: subprocess.Popen[bytes], is_ready: Callable[[], bool], log: Path, argv: list[str]
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_ready():
        code = process.poll()
        if code is not None or time.monotonic() > deadline:
            what = "does not answer" if code is None else f"ended with exit code {code}"
            tail = log.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"{' '.join(argv)} {what}. Its last words:\n{tail}")
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    # Its session holds nothing but what this test run started, and no data that is worth a wait.
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(2)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue

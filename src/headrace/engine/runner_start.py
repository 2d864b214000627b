"""How a supervisor starts its runner: by a fork where it can, else as a new interpreter."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

#: Starts a runner, given the runner's end of the channel and the files that are to be its stdout
#: and stderr; returns its process id. It is a child of the caller, and leads a process group.
Spawn = Callable[[socket.socket, int, int], int]

_PR_SET_PDEATHSIG = 1

#: What supervisors import, also what is imported only when it is needed.
_OF_SUPERVISORS = (
    "encodings.idna",
    "headrace.config.loading",
    "headrace.engine.supervisor",
    "headrace.results.local",
    "http.client",
    "tomllib",
    "urllib3.connection",
)


def fork_runner(channel: socket.socket, stdout: int, stderr: int) -> int:
    """Start a runner as a copy of this process, which has imported what runners need.

    The process must have one thread only.
    """
    parent = os.getpid()
    # Loaded before the fork: the child is to do as little as it can before it dies with its parent.
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    pid = os.fork()
    if pid:
        return pid
    try:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        _run(channel, stdout, stderr)
    finally:
        os._exit(1)


def _run(channel: socket.socket, stdout: int, stderr: int) -> NoReturn:
    os.setpgid(0, 0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    close_all_but(0, 1, 2, channel.fileno())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    standard_streams()
    reseed()
    code = 1
    try:
        from headrace.engine.runner_process import main

        code = main(channel)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - whatever it is, it ends this process and goes to stderr
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        # What cannot be written any more must not hide how the run ended.
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def spawn_runner(channel: socket.socket, stdout: int, stderr: int) -> int:
    """Start a runner as a new interpreter, where a process cannot be copied."""
    command = [sys.executable, "-m", "headrace.engine.runner_process", str(channel.fileno())]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        pass_fds=[channel.fileno()],
        process_group=0,
    )
    # Whoever called waits for it by its id; the object would, too, when it is thrown away.
    process.returncode = 0
    return process.pid


def preload() -> None:
    """Import what supervisors and runners need, so that a fork has it."""
    from importlib import import_module

    from headrace.engine.runner_process import PRELOAD

    for name in (*_OF_SUPERVISORS, *PRELOAD):
        import_module(name)


# -- after a fork -----------------------------------------------------------------------------


def close_all_but(*kept: int) -> None:
    """Close all files of this process but these."""
    start = 0
    for number in sorted(kept):
        if start < number:  # Python 3.11 takes the empty range before 0 for all numbers
            os.closerange(start, number)
        start = number + 1
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))


def standard_streams() -> None:
    """Make stdout and stderr pass on each line at once, as what follows them expects."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(  # type: ignore[union-attr]
            encoding="utf-8", errors="backslashreplace", line_buffering=True
        )


def reseed() -> None:
    """Give this process random numbers of its own: a copy would repeat those of its siblings."""
    import random

    random.seed()
    if (numpy := sys.modules.get("numpy.random")) is not None:
        numpy.seed()

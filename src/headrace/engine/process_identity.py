"""Which process is meant: a process id alone may belong to another one by now."""

from __future__ import annotations

import contextlib
import glob
import os
import signal
import socket
import subprocess
import sys
from functools import cache

import msgspec


class ProcessIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """A process of some machine.

    Attributes:
        pid: Its process id.
        start: When it started, as its system tells it: ticks since the start of the machine on Linux.
        boot: Which start of the machine it was.
        host: The machine's name.
    """

    pid: int
    start: str
    boot: str
    host: str

    def is_here(self) -> bool:
        """Tell whether it ran on this machine, so that something can be said about it."""
        return self.host == socket.gethostname()

    def is_alive(self) -> bool:
        """Tell whether it still runs, which only its own machine knows. A zombie does not."""
        return self.boot == boot_id() and _start_of(self.pid) == self.start

    def signal_group(self, number: int, session: int) -> bool:
        """Send a signal to the process group that it leads, or has led; return whether there is any.

        What a process has started does not end with it.

        Args:
            number: The signal.
            session: The session of the group: by both ids it is known when its leader has ended.
        """
        if not self.is_alive() and not (
            self.boot == boot_id() and _start_of(self.pid) is None and _is_group(self.pid, session)
        ):
            return False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
        return True

    def signal(self, number: int) -> bool:
        """Send a signal to it; return whether it was there."""
        if not hasattr(os, "pidfd_open"):
            if not self.is_alive():
                return False
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            return True
        try:
            # Opened before its start is looked at: afterwards it cannot turn into another process.
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.is_alive():
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True


def identity_of(pid: int) -> ProcessIdentity | None:
    """Return which process has this id now; None if there is none."""
    start = _start_of(pid)
    if start is None:
        return None
    return ProcessIdentity(pid=pid, start=start, boot=boot_id(), host=socket.gethostname())


@cache
def boot_id() -> str:
    """Return what tells this start of the machine from others; empty where nothing does."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _is_group(group: int, session: int) -> bool:
    """Tell whether a process group has members, and is of this session. Known on Linux only."""
    for path in glob.iglob("/proc/[0-9]*/stat"):
        try:
            with open(path, "rb") as file:
                state, _, its_group, its_session = file.read().rpartition(b")")[2].split()[:4]
        except OSError:
            continue
        if state not in (b"Z", b"X") and (int(its_group), int(its_session)) == (group, session):
            return True
    return False


def _start_of(pid: int) -> str | None:
    """Return when a process started; None if it does not run."""
    if sys.platform != "linux":
        return _start_by_ps(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The program's name is in brackets and may hold anything; the state follows it.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else fields[19].decode()


def _start_by_ps(pid: int) -> str | None:
    done = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, start = done.stdout.strip().partition(" ")
    return None if not start or state.startswith("Z") else start.strip()


def how_it_ended(code: int) -> str:
    """Say how a process ended.

    Args:
        code: Its exit code; if a signal ended it, the signal's number below zero.
    """
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"

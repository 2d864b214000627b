"""Real servers to measure: Headrace's own, on SQLite and on PostgreSQL, and what they cost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.postgres import postgresql
from tests.support.servers import RunningServer, running_server

#: The databases that a server is measured with.
DATABASES = ("SQLite", "PostgreSQL")


@contextmanager
def measured_server(database: str = "SQLite", **options: Any) -> Iterator[RunningServer]:
    """Run Headrace's server, durable as a user has it, for the length of a `with` block.

    Args:
        database: One of `DATABASES`. A PostgreSQL is started for it, and waits for the disk.
        options: More options of `headrace server start`.
    """
    if database == "SQLite":
        with running_server(**options) as server:
            yield server
    else:
        with (
            postgresql(durable=True) as own,
            own.database() as url,
            running_server(database_url=url, **options) as server,
        ):
            yield server


@dataclass(frozen=True)
class Usage:
    """What a process has used until now.

    Attributes:
        cpu: Seconds of CPU, in user and kernel mode, of all its threads.
        resident: Bytes of memory that it has resident.
        proportional: Bytes of memory, where what it shares with others counts by its share; 0 where
            the kernel does not tell.
    """

    cpu: float
    resident: int
    proportional: int


def usage(pid: int) -> Usage:
    """Read a process's account from the kernel.

    Args:
        pid: Its process id.

    Raises:
        FileNotFoundError: If there is no such process.
    """
    return Usage(cpu_seconds(pid), _kilobytes(pid, "status", "VmRSS:"), _proportional(pid))


def cpu_seconds(pid: int) -> float:
    """Return the seconds of CPU that a process has used, its children left out.

    Args:
        pid: Its process id.
    """
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_cpu_seconds(pid: int) -> float:
    """Return the seconds of CPU that a process's children had used that are over, and theirs.

    Args:
        pid: Its process id.
    """
    fields = _stat(pid)
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def parent_of(pid: int) -> int:
    """Return the process that a process is a child of.

    Args:
        pid: Its process id.
    """
    return int(_stat(pid)[1])


def _stat(pid: int) -> list[str]:
    # The name, in brackets, may hold anything; what follows it begins with the third field.
    return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()


def descendants(pid: int) -> list[int]:
    """Return the processes below a process, as they are now.

    Args:
        pid: Its process id.
    """
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            pid_there = int(folder.name)
            try:
                parents.setdefault(parent_of(pid_there), []).append(pid_there)
            except OSError:
                continue  # it has ended meanwhile
    found, open_ends = [], [pid]
    while open_ends:
        children = parents.get(open_ends.pop(), [])
        found += children
        open_ends += children
    return found


def _proportional(pid: int) -> int:
    try:
        return _kilobytes(pid, "smaps_rollup", "Pss:")
    except PermissionError:
        return 0


def _kilobytes(pid: int, account: str, name: str) -> int:
    for line in Path(f"/proc/{pid}/{account}").read_text("utf-8").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0

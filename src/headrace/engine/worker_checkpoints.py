"""Checkpoints of values that stay on a worker: written there, and named to the runner.

A worker can write them if it sees the directory of the run's checkpoints, as those on the runner's
machine do, and those that share a disk with it. It looks for a marker that the runner has put there.
Each process of a worker appends to a file of its own, so nothing is shared but the directory.
"""

from __future__ import annotations

import os
from threading import Lock
from typing import NamedTuple

from headrace.engine.pickling import pickled


class Place(NamedTuple):
    """Where workers write.

    Attributes:
        directory: The directory of the run's checkpoints.
        attempt: The attempt.
        marker: The name of a file in it, by which a worker knows that it is the runner's.
    """

    directory: str
    attempt: int
    marker: str


def open_place(directory: str, attempt: int) -> Place:
    """Put a marker into a directory, and return what workers need to find it."""
    os.makedirs(directory, exist_ok=True)
    marker = f".{attempt:05d}-{os.urandom(8).hex()}"
    with open(os.path.join(directory, marker), "xb"):
        pass
    return Place(directory, attempt, marker)


class WorkerLog:
    """The file of one process. Its values are durable after `sync`.

    Args:
        place: Where it is.
    """

    def __init__(self, place: Place) -> None:
        self._name = f"{place.attempt:05d}-{os.urandom(8).hex()}.values"
        path = os.path.join(place.directory, self._name)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._end = 0
        self._lock = Lock()
        self.is_dirty = False

    def write(self, value: object) -> str | None:
        """Write a value; return its location, or None if it cannot be pickled or written."""
        data = pickled(value)
        if data is None:
            return None
        with self._lock:
            at = self._end
            view = memoryview(data)
            try:
                while view:
                    view = view[os.pwrite(self._file, view, at + len(data) - len(view)) :]
            except OSError:
                return None  # a full disk: the value has no checkpoint, and the runner says so
            self._end = at + len(data)
            self.is_dirty = True
        return f"{self._name}:{at}:{len(data)}"

    def sync(self) -> None:
        """Flush to the disk what was written."""
        if self.is_dirty:
            self.is_dirty = False
            os.fsync(self._file)


_logs: dict[Place, WorkerLog | None] = {}
_logs_lock = Lock()


def log_at(place: Place | None) -> WorkerLog | None:
    """Return this process's log at a place; None if it does not see the place."""
    if place is None:
        return None
    with _logs_lock:
        if place not in _logs:
            seen = os.path.exists(os.path.join(place.directory, place.marker))
            try:
                _logs[place] = WorkerLog(place) if seen else None
            except OSError:
                _logs[place] = None  # it may look, and not write
        return _logs[place]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_logs.clear)

"""Where checkpoints are: segments in a directory, or parts of them beside a flow's results.

By default they are files in `checkpoints` of Headrace's home directory, which the next attempt
finds if it runs on the same machine, or the directory is on a disk that both see. A flow whose
results go to an object store has its checkpoints there, as parts, since objects cannot be appended
to; any machine that can read the results can then go on with the run.
"""

from __future__ import annotations

import os
import re
from collections import deque
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final, Protocol

from headrace.config import config
from headrace.config.logging import get_logger
from headrace.core.errors import HeadraceError, ResultNotFound
from headrace.core.wording import repr_of
from headrace.engine.retention import mark_begun, mark_ended, prune
from headrace.engine.segments import MAGIC, Record, decode, encode
from headrace.results.serializers import PickleSerializer
from headrace.results.stored import StoredResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.core.result import Result

#: Values of more bytes than this get a file of their own.
LARGE_BYTES: Final = 64 * 2**20
#: In an object store: how many bytes make a part of their own.
PART_BYTES: Final = 8 * 2**20


class Store(Protocol):
    """Keeps the segments of one flow run.

    Attributes:
        directory: The directory that workers may write to beside it; None if there is none.
    """

    directory: str | None

    def append(self, data: bytes | bytearray) -> None:
        """Add bytes to this attempt's segment; they are durable when it returns."""

    def write_value(self, name: str, data: bytes) -> str:
        """Keep one value; return where."""

    def read_value(self, location: str) -> bytes:
        """Return a value that was kept."""

    def segments(self) -> Iterator[tuple[int, bytes]]:
        """Yield the attempt and the bytes of each segment, by attempt."""

    def begin(self) -> None:
        """Take note that the run goes on, if it had ended before."""

    def end(self, kind: str) -> None:
        """Take note that the run has ended, in a state of this type."""

    def close(self) -> None:
        """Close what is open."""


def store_for(result: Result | None, run_id: str, attempt: int) -> Store:
    """Return where the checkpoints of an attempt go.

    Args:
        result: Where the flow's results go, if it says so.
        run_id: The flow run's id.
        attempt: The attempt.
    """
    from headrace.results.local import LocalResult

    if isinstance(result, LocalResult):
        return DirectoryStore(Path(result.dir) / "checkpoints", run_id, attempt)
    if isinstance(result, StoredResult):
        return ObjectStore(result, run_id, attempt)
    return DirectoryStore(Path(config.home_dir) / "checkpoints", run_id, attempt)


def may_hold(result: Result | None) -> bool:
    """Tell whether checkpoints may stand for a flow's result: it names no location and no format."""
    return (
        isinstance(result, StoredResult)
        and result._template is None
        and type(result.serializer) is PickleSerializer
    )


class DirectoryStore:
    """Segments as files of a directory for each flow run.

    Args:
        root: The directory of all runs' checkpoints.
        run_id: The flow run's id.
        attempt: The attempt.
    """

    def __init__(self, root: Path, run_id: str, attempt: int) -> None:
        self._folder = root / _file_name(run_id)
        self.directory: str | None = str(self._folder)
        self._attempt = attempt
        self._file: int | None = None

    def append(self, data: bytes | bytearray) -> None:
        """Add bytes to this attempt's segment, and flush it to the disk."""
        file = self._file
        if file is None:
            file = self._file = new_segment(str(self._folder), self._attempt)
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
        os.fdatasync(file) if hasattr(os, "fdatasync") else os.fsync(file)

    def write_value(self, name: str, data: bytes) -> str:
        """Write a file of one value, and flush it to the disk; return its name."""
        name = f"{self._attempt:05d}-{_file_name(name)}-{os.urandom(4).hex()}.value"
        self._folder.mkdir(parents=True, exist_ok=True)
        with open(self._folder / name, "xb", opener=_private) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return name

    def read_value(self, location: str) -> bytes:
        """Return the bytes of a value's file, or of a part of a worker's (`name:start:length`).

        Raises:
            ResultNotFound: If there is no such file, or it is too short.
        """
        name, _, part = os.path.basename(location).partition(":")
        try:
            if not part:
                return (self._folder / name).read_bytes()
            start, _, length = part.partition(":")
            with open(self._folder / name, "rb") as file:
                file.seek(int(start))
                data = file.read(int(length))
        except OSError as error:
            raise ResultNotFound(f"The checkpoint {location} cannot be read: {error}.") from error
        if len(data) < int(length):
            raise ResultNotFound(f"The checkpoint {location} is cut off.")
        return data

    def segments(self) -> Iterator[tuple[int, bytes]]:
        """Yield the attempt and the bytes of each segment, by attempt."""
        try:
            names = sorted(os.listdir(self._folder))
        except FileNotFoundError:
            return
        for name in names:
            number, dash, _ = name.partition("-")
            if dash and number.isdecimal() and name.endswith(".seg"):
                yield int(number), (self._folder / name).read_bytes()

    def begin(self) -> None:
        """Take note that the run goes on, if it had ended before."""
        with suppress(OSError):
            mark_begun(self._folder)

    def end(self, kind: str) -> None:
        """Take note that the run has ended, and clean up after others that have long ago."""
        with suppress(OSError):
            mark_ended(self._folder, kind)
            prune(self._folder.parent)

    def close(self) -> None:
        """Close the segment."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class ObjectStore:
    """Segments as parts, each an object beside the flow's results.

    Args:
        result: Where these are.
        run_id: The flow run's id.
        attempt: The attempt.
    """

    directory: str | None = None

    def __init__(self, result: StoredResult, run_id: str, attempt: int) -> None:
        self._result = result
        self._prefix = f"headrace-checkpoints/{_file_name(run_id)}"
        self._attempt = attempt
        self._parts = 0

    def append(self, data: bytes | bytearray) -> None:
        """Write one more part, or several if there are many bytes."""
        view = memoryview(bytes(data))
        while view:
            self._result.store_bytes(
                self._part(self._attempt, self._parts), bytes(view[:PART_BYTES])
            )
            self._parts += 1
            view = view[PART_BYTES:]

    def write_value(self, name: str, data: bytes) -> str:
        """Write an object of one value; return its location."""
        name = f"{self._prefix}/{self._attempt:05d}-{_file_name(name)}-{os.urandom(4).hex()}.value"
        return self._result.store_bytes(name, data)

    def read_value(self, location: str) -> bytes:
        """Return the bytes of a value's object.

        Raises:
            ResultError: If it is not there, or cannot be read.
        """
        return self._result.load_bytes(location)

    def segments(self) -> Iterator[tuple[int, bytes]]:
        """Yield the attempt and the bytes of each segment, by attempt."""
        for attempt in range(1, self._attempt):
            parts: list[bytes] = []
            while True:
                # Parts are numbered: there is no need to list objects, which not all may do.
                try:
                    parts.append(self._result.load_bytes(self._part(attempt, len(parts))))
                except ResultNotFound:
                    break
            if parts:
                yield attempt, b"".join(parts)

    def begin(self) -> None:
        """Nothing is noted: how long a bucket keeps what, its lifecycle rules say."""

    def end(self, kind: str) -> None:
        """Nothing is noted, likewise."""

    def close(self) -> None:
        """Nothing is open."""

    def _part(self, attempt: int, number: int) -> str:
        return f"{self._prefix}/{attempt:05d}.{number:06d}.seg"


class Checkpoints:
    """Writes the checkpoints of one attempt, and reads those of the attempts before.

    Records are collected by any thread, and written by the one that calls `flush`.

    Args:
        store: Where they go.
        attempt: The attempt.
    """

    def __init__(self, store: Store, attempt: int) -> None:
        self.store = store
        self.attempt = attempt
        self._waiting: deque[Record] = deque()
        self._begun = False
        self._lock = Lock()
        #: Why nothing can be written; None while it can.
        self.broken: str | None = None

    def add(self, record: Record) -> None:
        """Take a record, to be written with the next `flush`."""
        self._waiting.append(record)

    def flush(self) -> None:
        """Make durable what was added. If it cannot be, a log line says so, once."""
        with self._lock:
            waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if not waiting or self.broken is not None:
                return
            data = encode(waiting)
            if not self._begun:
                data[:0] = MAGIC
                self._begun = True
            try:
                self.store.append(data)
            except (OSError, HeadraceError) as error:
                self.broken = repr_of(error)
        if self.broken is not None:
            get_logger("Checkpoints").error(
                "Checkpoints cannot be written: %s. If this process dies, what it has done since is "
                "done again.",
                self.broken,
            )

    def read(self) -> Iterator[tuple[int, Record]]:
        """Yield what the attempts before have recorded, each record with its attempt, in order."""
        for attempt, data in self.store.segments():
            if attempt < self.attempt:
                for record in decode(data):
                    yield attempt, record

    def close(self) -> None:
        """Write what there is, and close."""
        self.flush()
        self.store.close()


def new_segment(directory: str, attempt: int) -> int:
    """Make a segment's file; return its descriptor."""
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, f"{attempt:05d}-{os.urandom(4).hex()}.seg")
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
    # Its name must last as well as what is in it.
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return file


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).strip(".") or "_"

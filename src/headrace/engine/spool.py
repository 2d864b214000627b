"""Events on disk, until a server has them: one file, only ever appended to."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

#: Before each record: a mark, the length of what follows, its checksum, the number of its first
#: event and how many there are.
_HEAD = struct.Struct("<4sIIQI")
_MARK = b"HRS1"


@dataclass(frozen=True, slots=True)
class Record:
    """Some events in a spool.

    Attributes:
        first: The number of the first event.
        count: How many there are.
        offset: Where their text begins, in bytes from the start of the file.
        size: How long their text is, in bytes.
    """

    first: int
    count: int
    offset: int
    size: int


class Spool:
    """A file of events. What a crash has cut off at its end is not read.

    Args:
        path: Where the file is, or will be once something is appended.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._file: int | None = None
        self._end = 0
        self._unsynced = False

    def append(self, first: int, count: int, text: bytes) -> int:
        """Add events, and return where their text begins.

        Raises:
            OSError: If there is no room, as a rule; the file is then as it was before.
        """
        file = self._open()
        # The checksum covers the numbers too: a record of the wrong events would be worse than none.
        check = zlib.crc32(text, zlib.crc32(struct.pack("<QI", first, count)))
        record = _HEAD.pack(_MARK, len(text), check, first, count) + text
        written = 0
        try:
            while written < len(record):
                written += os.pwrite(file, record[written:], self._end + written)
        except OSError:
            # Whatever was written of it would hide what is appended later, when there is room again.
            os.ftruncate(file, self._end)
            raise
        offset = self._end + _HEAD.size
        self._end += len(record)
        self._unsynced = True
        return offset

    def read(self, offset: int, size: int) -> bytes:
        """Return the text of the events that `append` put there.

        Raises:
            OSError: If it cannot be read.
        """
        text = os.pread(self._open(), size, offset)
        if len(text) != size:
            raise OSError(f"The spool {self._path} has been cut off.")
        return text

    def records(self) -> Iterator[Record]:
        """Find what an earlier process has appended; further records are appended after it."""
        if not os.path.exists(self._path):
            return
        file = self._open()
        self._end = 0
        while len(head := os.pread(file, _HEAD.size, self._end)) == _HEAD.size:
            mark, size, check, first, count = _HEAD.unpack(head)
            text = os.pread(file, size, self._end + _HEAD.size)
            if mark != _MARK or len(text) != size:
                return
            if zlib.crc32(text, zlib.crc32(struct.pack("<QI", first, count))) != check:
                return
            record = Record(first, count, self._end + _HEAD.size, size)
            self._end += _HEAD.size + size
            yield record

    def sync(self) -> None:
        """Make sure that what was appended survives the end of the machine."""
        if self._file is not None and self._unsynced:
            os.fsync(self._file)
            self._unsynced = False

    def clear(self) -> None:
        """Forget everything: it is stored elsewhere."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            self._end = 0
            self._unsynced = False

    def close(self) -> None:
        """Close the file, and remove it if nothing is in it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            if not self._end:
                os.unlink(self._path)

    def _open(self) -> int:
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._file

"""What a runner writes to stdout and stderr, turned into log lines while it does."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from headrace.wire.events import LogLine

#: How many bytes are read at once, and so make one log line at most.
_CHUNK = 64 << 10
#: From how many bytes on that nobody will read they are given back to the disk.
_HOLE = 16 << 20


class Output:
    """Follows one file, to which a process appends.

    Whole lines are passed on, several in one log line if they came at once. Beyond the bound they
    are counted, and the file's room is given back, so that a program that never stops to print
    fills no disk.

    Args:
        path: The file; made if it is not there.
        name: What the logger is called: `stdout` or `stderr`.
        level: The level of the log lines.
        bound: How many bytes are passed on.
        emit: Takes each log line.
    """

    def __init__(
        self, path: Path, name: str, level: int, bound: int, emit: Callable[[LogLine], None]
    ) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self.fd = os.open(path, flags, 0o600)
        self._name = name
        self._level = level
        self._left = bound
        self._bound = bound
        self._emit = emit
        self._at = 0
        self._freed = 0
        self._begun = b""
        self.omitted = 0
        self._said = 0

    def follow(self, final: bool = False) -> None:
        """Pass on what is new.

        Args:
            final: Whether nothing more is to come, so that the last line is whole as it is, and it
                is time to say how many lines were omitted. What comes all the same is a new line.
        """
        while data := os.pread(self.fd, _CHUNK, self._at):
            self._at += len(data)
            self._take(data)
        if final and self._begun:
            self._pass_on(self._begun)
            self._begun = b""
        if self.omitted and self._at - self._freed > _HOLE:
            _free(self.fd, self._freed, self._at - self._freed)
            self._freed = self._at
        if final:
            self._say_omitted()

    def _say_omitted(self) -> None:
        """Say how many lines were not passed on, if any were since this was last said."""
        omitted, self._said = self.omitted - self._said, self.omitted
        if omitted:
            self._emit(
                self._line(
                    f"{omitted} lines omitted: the run wrote more than {self._bound} bytes to "
                    f"{self._name}. The bound is the setting runs.output_limit.",
                    30,
                )
            )

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)

    def _take(self, data: bytes) -> None:
        whole, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._begun += data
            if len(self._begun) >= _CHUNK:
                self._pass_on(self._begun, whole=False)
                self._begun = b""
            return
        self._pass_on(self._begun + whole)
        self._begun = rest

    def _pass_on(self, data: bytes, whole: bool = True) -> None:
        if len(data) > self._left:
            cut = data.rfind(b"\n", 0, self._left + 1)
            self._left = 0
            self.omitted += data[max(cut + 1, 0) :].count(b"\n") + whole
            if cut <= 0:
                return
            data = data[:cut]
        else:
            self._left -= len(data)
        self._emit(self._line(data.decode(errors="replace"), self._level))

    def _line(self, message: str, level: int) -> LogLine:
        return LogLine(at=time.time(), level=level, logger=self._name, message=message)


def _free(fd: int, start: int, length: int) -> None:
    """Give a part of a file's room back to the disk, where the system can; its size stays."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "fallocate"):
        keep_size_and_punch_hole = 0x01 | 0x02
        offset = ctypes.c_int64
        libc.fallocate(fd, keep_size_and_punch_hole, offset(start), offset(length))

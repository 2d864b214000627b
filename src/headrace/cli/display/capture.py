"""Takes in hand what this process, and those that it starts, write to the terminal."""

from __future__ import annotations

import contextlib
import os
import select
import sys

_CHUNK = 65536


class Capture:
    """Puts a pipe in the place of the terminal, for standard output and standard error.

    It is done where the operating system does it: so it holds for prints, for log lines, for
    libraries in C and for other processes alike, and nothing that was handed to them changes.

    Attributes:
        terminal: The terminal's file descriptor.
    """

    def __init__(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._taken = [fd for fd in (1, 2) if os.isatty(fd)]
        self._kept = {fd: os.dup(fd) for fd in self._taken}
        self.terminal = self._kept[self._taken[0]]
        self._read, write = os.pipe()
        for fd in self._taken:
            os.dup2(write, fd)
        os.close(write)
        self._wake_read, self._wake_write = os.pipe()
        self._is_open = True

    def read(self, timeout: float) -> bytes | None:
        """Return what has been written; empty after `timeout` seconds, or when woken.

        Args:
            timeout: In seconds.

        Returns:
            The bytes; None once there is nobody left who could write.
        """
        ready, _, _ = select.select([self._read, self._wake_read], [], [], max(0.0, timeout))
        if self._wake_read in ready:
            os.read(self._wake_read, _CHUNK)
        if self._read not in ready:
            return b""
        return os.read(self._read, _CHUNK) or None

    def wake(self) -> None:
        """Make a `read` that waits return at once."""
        os.write(self._wake_write, b".")

    def release(self) -> None:
        """Give standard output and standard error back to the terminal."""
        if not self._is_open:
            return
        self._is_open = False
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(ValueError, OSError):  # a user may have closed it
                stream.flush()
        for fd, kept in self._kept.items():
            os.dup2(kept, fd)

    def close(self) -> None:
        """Let go of everything; `release` comes before."""
        for fd in (self._read, self._wake_read, self._wake_write, *self._kept.values()):
            os.close(fd)

    def write(self, data: bytes) -> None:
        """Write to the terminal itself."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.terminal, view) :]

    def size(self) -> tuple[int, int]:
        """Return the columns and rows of the terminal."""
        try:
            columns, rows = os.get_terminal_size(self.terminal)
        except OSError:
            return 80, 24
        # A terminal that nobody has told its size says 0.
        return columns or 80, rows or 24

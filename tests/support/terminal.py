"""A terminal, as far as Headrace uses one; what it does not use is an error here."""

import re
from collections import deque

_SEQUENCE = re.compile(rb"\x1b\[(\??)([0-9;]*)([A-Za-z])")


class Terminal:
    """Takes what a program writes, and shows what a person would see.

    Args:
        columns: How wide it is.
        rows: How high it is.
    """

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.columns, self.rows = columns, rows
        #: What has scrolled out at the top.
        self.history: list[str] = []
        self.cursor_is_visible = True
        #: The screen after each update that a program marked as one.
        self.frames: list[list[str]] = []
        self._screen = deque([[" "] * columns for _ in range(rows)])
        self._row = self._column = 0
        self._rest = b""

    @property
    def lines(self) -> list[str]:
        """The lines of the screen, down to the last that is not empty."""
        lines = ["".join(row).rstrip() for row in self._screen]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def text(self) -> str:
        """All that was ever shown and not erased."""
        return "\n".join([*self.history, *self.lines])

    def feed(self, data: bytes) -> None:
        """Take what a program writes, as it comes through the line discipline of a terminal."""
        data = self._rest + data
        position = 0
        while position < len(data):
            byte = data[position : position + 1]
            if byte == b"\x1b":
                match = _SEQUENCE.match(data, position)
                if match is None:
                    assert len(data) - position < 12, data[position : position + 20]
                    break  # the rest of it is still to come
                self._control(*match.groups())
                position = match.end()
                continue
            width = 1 if byte < b"\x80" else 2 + (byte >= b"\xe0") + (byte >= b"\xf0")
            if position + width > len(data):
                break
            self._put(data[position : position + width].decode())
            position += width
        self._rest = data[position:]

    def _put(self, char: str) -> None:
        if char == "\r":
            self._column = 0
        elif char == "\n":
            self._line_feed()
        elif char == "\b":
            self._column = max(0, self._column - 1)
        elif char != "\a":
            if self._column == self.columns:  # it waits with wrapping for the next character
                self._column = 0
                self._line_feed()
            self._screen[self._row][self._column] = char
            self._column += 1

    def _line_feed(self) -> None:
        if self._row < self.rows - 1:
            self._row += 1
            return
        self.history.append("".join(self._screen.popleft()).rstrip())
        self._screen.append([" "] * self.columns)

    def _control(self, private: bytes, numbers: bytes, command: bytes) -> None:
        if private and command in (b"h", b"l"):
            if numbers == b"25":
                self.cursor_is_visible = command == b"h"
            elif numbers == b"2026" and command == b"l":
                self.frames.append(self.lines)
            else:
                assert numbers == b"2026", numbers
        elif command == b"A":
            self._row = max(0, self._row - int(numbers or 1))
        elif command == b"K":
            assert numbers in (b"", b"0"), numbers
            self._clear_line(self._row, self._column)
        elif command == b"J":
            assert numbers in (b"", b"0"), numbers
            self._clear_line(self._row, self._column)
            for row in range(self._row + 1, self.rows):
                self._clear_line(row, 0)
        else:
            assert command == b"m", (numbers, command)

    def _clear_line(self, row: int, column: int) -> None:
        self._screen[row][column:] = [" "] * (self.columns - column)

"""A terminal whose text scrolls above a region that is drawn over and over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

#: A terminal that knows these shows what stands between them at once; others ignore them.
_BEGIN_UPDATE, _END_UPDATE = b"\x1b[?2026h", b"\x1b[?2026l"
_CLEAR_TO_LINE_END, _CLEAR_TO_SCREEN_END = b"\x1b[K", b"\x1b[J"
_HIDE_CURSOR, _SHOW_CURSOR = b"\x1b[?25l", b"\x1b[?25h"


class Line(NamedTuple):
    """A line of the region."""

    #: What is written, with its colours.
    text: str
    #: How many columns it takes.
    width: int


class Screen:
    """Writes to a terminal. Not thread-safe: one thread owns it.

    While text is written that does not end its line (a prompt, a progress bar of somebody else's),
    the region is out of the way, and comes back with the end of the line.

    Args:
        write: Writes bytes to the terminal.
        size: Returns its columns and rows.
    """

    def __init__(self, write: Callable[[bytes], None], size: Callable[[], tuple[int, int]]) -> None:
        self._write = write
        self._size = size
        self._last_size = size()
        self._region: list[Line] = []
        #: What of the region is on the terminal now.
        self._drawn: list[Line] = []
        self._line_is_open = False
        self._cursor_is_hidden = False

    @property
    def width(self) -> int:
        """How many columns a line of the region may take."""
        # The last column stays free: a line that ends there wraps on some terminals.
        return max(1, self._size()[0] - 1)

    def show(self, region: Sequence[Line]) -> None:
        """Draw the region anew; an empty one goes away."""
        size = self._size()
        resized, self._last_size = size != self._last_size, size
        region = list(region[: max(0, size[1] - 1)])
        if region == self._region and not resized and (self._drawn or self._line_is_open):
            return
        self._region = region
        if self._line_is_open:
            return
        drawn = self._drawn
        out = [self._to_region_top()]
        if resized or len(region) < len(drawn):
            out.append(_CLEAR_TO_SCREEN_END)
        for position, line in enumerate(region):
            out.append(b"\n" if position else b"")
            out.append(line.text.encode(errors="replace") + _CLEAR_TO_LINE_END)
        out.append(self._cursor(hidden=bool(region)))
        self._drawn = region
        self._send(out)

    def print(self, data: bytes) -> None:
        """Write text above the region."""
        if not data:
            return
        out = []
        if self._drawn:
            out += [self._to_region_top(), _CLEAR_TO_SCREEN_END]
            self._drawn = []
        out.append(data)
        self._line_is_open = not data.endswith(b"\n")
        if self._region and not self._line_is_open:
            lines = (line.text.encode(errors="replace") for line in self._region)
            out.append(b"\n".join(lines))
            self._drawn = self._region
        out.append(self._cursor(hidden=bool(self._drawn)))
        self._send(out)

    def _cursor(self, hidden: bool) -> bytes:
        """Return what hides or shows the cursor, if that changes anything."""
        if hidden == self._cursor_is_hidden:
            return b""
        self._cursor_is_hidden = hidden
        return _HIDE_CURSOR if hidden else _SHOW_CURSOR

    def _to_region_top(self) -> bytes:
        """Return what moves the cursor from the region's end to its beginning."""
        if not self._drawn:
            return b""
        # A window that has become narrower has wrapped the lines that were too long for it.
        columns = max(1, self._size()[0])
        rows = sum(max(1, -(-line.width // columns)) for line in self._drawn)
        return b"\r" + (b"\x1b[%dA" % (rows - 1) if rows > 1 else b"")

    def _send(self, parts: Sequence[bytes]) -> None:
        data = b"".join(parts)
        if data:
            self._write(_BEGIN_UPDATE + data + _END_UPDATE)

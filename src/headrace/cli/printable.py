"""Makes texts of others fit for a terminal: what they hold is shown, and commands nothing.

A name, a state's message or a log line comes from whoever wrote it. Printed as it is, it could move
the cursor, change what was printed before, set the window's title, or, on some terminals, type.
"""

from __future__ import annotations

import re

#: Colours and other attributes of text, which log lines of many programs hold, and nobody misses.
_COLOURS = re.compile(r"\x1b\[[0-9;:]*m")
#: Control characters (of both sets, and DEL) but the ends of lines and tabs; and those that change
#: the direction of text, in which a name can be made to look like another.
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

#: Those of them that JSON does not write in another way.
_BEYOND = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""Return a text of one or several lines in which nothing commands the terminal.

    Args:
        text: The text; its colours are left out, and its control characters shown as `\x1b`.
    """
    if text.isprintable():
        return text
    # A line that was written over by the next is a line before it.
    text = _COLOURS.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _COMMANDS.sub(lambda found: ascii(found[0])[1:-1], text)


def printable_json(text: str) -> str:
    """Return JSON that says the same, in which nothing commands the terminal."""
    return text if text.isascii() else _BEYOND.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def printable_line(text: str) -> str:
    """Return a text as one line in which nothing commands the terminal; blanks stand for what would."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else " " for sign in _COLOURS.sub("", text))

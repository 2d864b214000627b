"""What texts of other programs may be, before they are stored."""

from __future__ import annotations

from typing import Final

#: The longest text that is kept whole, in characters.
LONGEST: Final = 64 * 1024
#: PostgreSQL keeps no NUL, so neither database does.
_NUL = "\x00"
_INSTEAD = "\N{REPLACEMENT CHARACTER}"


def storable(text: str) -> str:
    """Return a text as it can be stored: without NULs, and not longer than `LONGEST` and a note."""
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]} […: {len(text) - LONGEST} characters omitted]"
    return text.replace(_NUL, _INSTEAD) if _NUL in text else text


def storable_or_none(text: str | None) -> str | None:
    """Return the same of a text that may be missing."""
    return None if text is None else storable(text)

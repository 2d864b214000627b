"""What a name that people read may be."""

from __future__ import annotations

import unicodedata
from typing import Final

LONGEST_NAME: Final = 200  #: how many characters a name may have


def objection_to(name: str, longest: int = LONGEST_NAME) -> str | None:
    """Say why a name is none that people can read, write and tell from others.

    Args:
        name: The name.
        longest: How many characters it may have.

    Returns:
        What it must not be, or hold; None if it can be used.
    """
    if not name or name != name.strip():
        return "must not be empty, nor begin or end with spaces"
    if len(name) > longest:
        return f"may have {longest} characters, and has {len(name)}"
    for character in name:
        # Cc, Cf, Cs, Co, Cn: control and format characters, surrogates and what is not assigned.
        if unicodedata.category(character).startswith("C") or character in "\u2028\u2029":
            return f"must not hold the character U+{ord(character):04X}"
    return None

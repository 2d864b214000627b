"""Finds the setting that somebody probably meant."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Mapping

from headrace.config.keys import KEYS, SECTIONS

#: How alike two names must be; at 0.8, one letter of five may differ.
_ALIKE = 0.8


class ConfigWarning(UserWarning):
    """A setting is probably misspelt."""


def meant(name: str) -> str | None:
    """Return the known setting or section that `name`, dotted and unknown, is a misspelling of."""
    parts = name.split(".")
    for depth in range(len(parts)):
        parent = ".".join(parts[:depth])
        if parent and parent not in SECTIONS:
            return None
        path = ".".join(parts[: depth + 1])
        if path in KEYS or path in SECTIONS:
            continue
        siblings = [known for known in (*KEYS, *SECTIONS) if known.rpartition(".")[0] == parent]
        leaves = {known.rpartition(".")[2]: known for known in siblings}
        close = difflib.get_close_matches(parts[depth], leaves, n=1, cutoff=_ALIKE)
        if close:
            rest = ".".join(parts[depth + 1 :])
            found = leaves[close[0]] + (f".{rest}" if rest else "")
            return found if found in KEYS or found in SECTIONS else leaves[close[0]]
        break
    # The right name at the top of the file, outside its section.
    homes = [known for known in KEYS if known.rpartition(".")[2] == name]
    return homes[0] if len(homes) == 1 else None


def suggestion(name: str) -> str:
    """Return " Did you mean ...?" or, if nothing is alike, an empty string."""
    known = meant(name)
    return f" Did you mean {known!r}?" if known else ""


def warn_of_misspellings(unknown: Mapping[str, str]) -> None:
    """Warn of each name that is probably a misspelling.

    Args:
        unknown: Dotted names that are no settings of Headrace, with where they are written.
    """
    for name, where in unknown.items():
        known = meant(name)
        if known:
            warnings.warn(
                f"In the {where}: {name} is no setting of Headrace, so it changes nothing. "
                f"Did you mean {known}?",
                ConfigWarning,
                stacklevel=2,
            )

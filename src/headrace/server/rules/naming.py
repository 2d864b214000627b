"""What names and labels may be, and which name may have been meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from headrace.core.names import LONGEST_NAME, objection_to
from headrace.server.problems import Refusal

#: How many labels a run, or a flow, may have.
MOST_LABELS = 50


def check_name(what: str, name: str, longest: int = LONGEST_NAME) -> str:
    """Return a name, if people can read it, write it and tell it from others.

    Args:
        what: What it is a name of, for the message: "a project's name".
        name: The name.
        longest: How many characters it may have.

    Raises:
        Refusal: If it cannot be used; 422.
    """
    objection = objection_to(name, longest)
    if objection is not None:
        raise _wrong(what, name, objection)
    return name


def check_labels(labels: Iterable[str]) -> list[str]:
    """Return labels sorted, each once.

    Raises:
        Refusal: If one of them cannot be used, or there are too many; 422.
    """
    unique = sorted(set(labels))
    if len(unique) > MOST_LABELS:
        raise Refusal(
            422,
            "too_many_labels",
            f"There may be {MOST_LABELS} labels, and there are {len(unique)}.",
        )
    for label in unique:
        check_name("A label", label)
    return unique


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three of the known names that may have been meant, the most alike first."""
    # The case, and the kind of dash, are what people mistake most.
    by_fold: dict[str, list[str]] = {}
    for candidate in known:
        by_fold.setdefault(_folded(candidate), []).append(candidate)
    close = difflib.get_close_matches(_folded(name), by_fold, n=3, cutoff=0.6)
    return [candidate for fold in close for candidate in sorted(by_fold[fold])][:3]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a sentence that names what may have been meant, with a space before it; or nothing."""
    close = nearest(name, known)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""


def _folded(name: str) -> str:
    return name.casefold().replace("_", "-").replace(" ", "-")


def _wrong(what: str, name: str, why: str) -> Refusal:
    shown = name if len(name) <= 60 else f"{name[:57]}..."
    return Refusal(422, "bad_name", f"{what} {why}: {shown!r}.")

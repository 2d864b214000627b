"""How moments, lengths of time and states are written for people."""

from __future__ import annotations

import datetime

from headrace.cli.summary import duration

_STYLES = {
    "Success": "green",
    "Cached": "green",
    "Skipped": "green",
    "Failed": "red",
    "TriggerFailed": "red",
    "TimedOut": "red",
    "ValidationFailed": "red",
    "Cancelled": "magenta",
    "Cancelling": "magenta",
    "Running": "blue",
    "Submitted": "blue",
    "Retrying": "yellow",
    "Paused": "yellow",
    "Pausing": "yellow",
}


def moment(when: datetime.datetime | None) -> str:
    """Return a moment in the time zone of this machine, to the second; nothing for None."""
    return "" if when is None else f"{when.astimezone():%Y-%m-%d %H:%M:%S}"


def took(begin: datetime.datetime | None, end: datetime.datetime | None) -> str:
    """Return how long something took, or has taken so far; nothing if it has not begun."""
    if begin is None:
        return ""
    end = end or datetime.datetime.now(datetime.UTC)
    return duration(max(0.0, (end - begin).total_seconds()))


def style_of(state: str) -> str:
    """Return the colour of a state's type, as both click and rich call it."""
    return _STYLES.get(state, "cyan")

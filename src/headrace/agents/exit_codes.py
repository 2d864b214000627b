"""What the exit code of a container, pod or task says of the `headrace execute` that ran in it."""

from __future__ import annotations

import signal

from headrace.engine.supervisor import Ending

#: After these nothing is left to be said: the server has heard of the end, or let nothing begin.
_KNOWN = frozenset({Ending.FINISHED, Ending.REFUSED, Ending.SUPERSEDED})

_WORDS: dict[int, str] = {
    Ending.LOST: "its process died without an end of the run",
    Ending.REFUSED: "the server did not let it begin",
    Ending.UNREACHABLE: "no server answered",
    Ending.SUPERSEDED: "the run was given to another process",
    Ending.UNDELIVERED: "not all of its events reached the server",
    Ending.STOPPED: "it was asked to end",
    126: "the command cannot be executed",
    127: "the command was not found",
}


def end_of(code: int, cause: str | None = None) -> tuple[str, bool]:
    """Say how a process that ran `headrace execute` ended.

    Args:
        code: Its exit code, as containers have it: 128 and a signal's number if that killed it.
        cause: What the platform says of it in its own words, such as `OOMKilled`.

    Returns:
        How it ended, in words that hold the code, and whether the server has to be told. Being told
        twice does it no harm, so that only what it knows for certain is left out.
    """
    words = cause or _WORDS.get(code) or _killed_by(code)
    how = f"exit code {code}" if words is None else f"{words} (exit code {code})"
    return how, code not in _KNOWN


def _killed_by(code: int) -> str | None:
    try:
        return f"killed by {signal.Signals(code - 128).name}"
    except ValueError:
        return None

"""Where this process is."""

from __future__ import annotations

import os

from headrace.core.states import Place

_here: Place | None = None


def here() -> Place:
    """Return this process's host and pid; a fork is noticed."""
    global _here
    if _here is None:
        _here = Place(os.uname().nodename if hasattr(os, "uname") else _node(), os.getpid())
    return _here


def _node() -> str:
    import platform

    return platform.node()


def _forget() -> None:
    global _here
    _here = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

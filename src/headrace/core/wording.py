"""How values of the user's are put into messages."""

from __future__ import annotations


def repr_of(value: object) -> str:
    """Return `repr(value)`, or a stand-in if the value's own `__repr__` raises.

    A message about an error must not fail because of the error that it is about.
    """
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - a user's own `__repr__` may raise anything
        return f"<{type(value).__name__}, which has no repr>"


def str_of(value: object) -> str:
    """Return `str(value)`, or a stand-in if the value's own `__str__` raises."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a user's own `__str__` may raise anything
        return f"<{type(value).__name__}, which has no text>"

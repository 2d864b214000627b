"""Amounts as Kubernetes writes them: "500m", "1.5", "2Gi"."""

from __future__ import annotations

import re

#: The grammar of `resource.Quantity`, without the sign: nobody can ask for less than nothing.
_QUANTITY = re.compile(r"\+?(?:\d+\.?\d*|\.\d+)(?:[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?", re.ASCII)


def objection_to_quantity(text: str) -> str | None:
    """Say what is wrong with an amount.

    Args:
        text: The amount.

    Returns:
        What to say of it after its name; None if Kubernetes takes it.
    """
    if _QUANTITY.fullmatch(text):
        return None
    return (
        f"is {text!r}, which is no quantity: write a number, with a unit if need be, such as "
        '"500m", "1.5", "512Mi" or "2G"'
    )

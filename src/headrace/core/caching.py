"""Cache validators: whether a cached result may be used again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def never_use(state: Any, inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    """Never use the cached result."""
    return False


def duration_only(state: Any, inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    """Use the cached result until its time is over."""
    return True

"""Tags for all tasks that are made or called in a `with` block."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_tags: ContextVar[frozenset[str]] = ContextVar("headrace_tags", default=frozenset())


def current_tags() -> frozenset[str]:
    """Return the tags of all open `tags` blocks together."""
    return _tags.get()


@contextmanager
def tags(*tags: str) -> Iterator[None]:
    """Give every task that is made or called in the block these tags; blocks nest and add up.

    Args:
        *tags: The tags.

    Example:
        ```python
        with tags("nightly"):
            load(extract())
        ```
    """
    token = _tags.set(_tags.get().union(tags))
    try:
        yield
    finally:
        _tags.reset(token)

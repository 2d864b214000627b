"""The one clock. Everything in Headrace that asks for the time asks here, so a test can give it."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

UTC = datetime.UTC


def _system_time() -> datetime.datetime:
    return datetime.datetime.now(UTC)


_source: Callable[[], datetime.datetime] = _system_time


def now() -> datetime.datetime:
    """Return the current time as an aware UTC datetime."""
    return _source()


def timestamp() -> float:
    """Return the current time in seconds since the epoch."""
    # By far the most common call, once for each task: no datetime is made for it.
    return time.time() if _source is _system_time else _source().timestamp()


def is_replaced() -> bool:
    """Tell whether the clock is a replaced one, so that a wait in real time would never end."""
    return _source is not _system_time


@contextmanager
def replaced(source: Callable[[], datetime.datetime] | datetime.datetime) -> Iterator[None]:
    """Replace the clock while the block runs.

    Args:
        source: A function that returns an aware datetime, or one fixed aware datetime.

    Raises:
        ValueError: If a fixed datetime has no time zone.
    """
    global _source
    if isinstance(source, datetime.datetime):
        if source.tzinfo is None:
            raise ValueError(f"The time given is naive: {source!r}; give one with a time zone.")
        fixed = source.astimezone(UTC)
        replacement: Callable[[], datetime.datetime] = lambda: fixed  # noqa: E731 - one expression
    else:
        replacement = source
    before, _source = _source, replacement
    try:
        yield
    finally:
        _source = before

"""Waiting for a server that is away for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from headrace.core.errors import ServerUnreachable, TooManyRequests

T = TypeVar("T")

#: For how many seconds a server that is away is waited for.
PATIENCE = 60.0
#: How many seconds pass before it is asked again.
_PAUSE = 0.5


def patiently(ask: Callable[[], T], patience: float = PATIENCE) -> T:
    """Return what `ask` returns; while the server is away, ask again.

    Args:
        ask: What asks the server; it may be called many times.
        patience: For how many seconds.

    Raises:
        ClientError: What `ask` raises, if it is another error, or the time is over.
    """
    end: float | None = None
    while True:
        try:
            return ask()
        except (ServerUnreachable, TooManyRequests):
            now = time.monotonic()
            end = now + patience if end is None else end
            if now >= end:
                raise
            time.sleep(min(_PAUSE, patience))

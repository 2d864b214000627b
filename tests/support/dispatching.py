"""Sees what the dispatchers of flow runs have done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headrace.engine import dispatcher
from headrace.engine.statistics import Statistics


class Seen:
    """The statistics of all dispatchers of a block, added up when they are asked for."""

    def __init__(self) -> None:
        self.each: list[Statistics] = []

    def __getattr__(self, name: str) -> int:
        return sum(getattr(statistics, name) for statistics in self.each)


@contextmanager
def dispatchers() -> Iterator[Seen]:
    """See what the dispatchers of all flow runs in this block do."""
    seen = Seen()
    original = dispatcher.Dispatcher

    class Watched(original):  # type: ignore[valid-type, misc]
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            seen.each.append(self.statistics)

    dispatcher.Dispatcher = Watched  # type: ignore[misc]
    try:
        yield seen
    finally:
        dispatcher.Dispatcher = original  # type: ignore[misc]

"""The rows that events of flow runs turn into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headrace.server.rules.states import FINISHED
from headrace.wire.events import Event, LogLine, Renamed, TaskState

#: The columns of `Rows.states`.
STATE_COLUMNS = (
    *("run_key", "writer", "seq", "at", "slug", "map_index", "state", "message", "started"),
    *("run_count", "place", "location", "is_stale"),
)
#: The columns of `Rows.logs`.
LOG_COLUMNS = (
    *("run_key", "writer", "seq", "at", "level", "logger", "message", "slug", "map_index"),
    "is_stale",
)
#: The columns of what `Rows.latest` holds.
LATEST_COLUMNS = (
    *("run_key", "slug", "map_index", "name", "state", "message", "at", "started", "ended"),
    *("run_count", "attempt", "location", "place", "due", "children", "reused"),
)
#: Those that keep what they say when a later state says nothing of it.
KEPT_COLUMNS = ("name", "started", "place", "children")

Values = tuple[Any, ...]


class Rows:
    """What the events of one transaction add to the tables."""

    __slots__ = ("latest", "logs", "names", "states")

    def __init__(self) -> None:
        self.states: list[Values] = []
        self.logs: list[Values] = []
        #: The last state of each task run, by its key.
        self.latest: dict[tuple[int, str, int], Values] = {}
        #: New names of flow runs, by their keys.
        self.names: dict[int, str] = {}

    def add(
        self,
        events: Sequence[Event],
        *,
        key: int,
        writer: int,
        first: int,
        attempt: int,
        is_stale: bool,
    ) -> None:
        """Add events, in their order; states of the flow run itself are not dealt with here.

        Args:
            events: The events.
            key: The flow run's key.
            writer: Who has written them: the id of a row of `writers`.
            first: The number of the first one.
            attempt: The attempt that they are of.
            is_stale: Whether it has lost the run: then they change no current state.
        """
        states, logs, latest = self.states, self.logs, self.latest
        for seq, event in enumerate(events, first):
            if type(event) is TaskState:
                slug, index, state, at = event.slug, event.map_index, event.type, event.at
                message, started, count = event.message, event.started, event.run_count
                place, location = event.place, event.location
                states.append(
                    (
                        key,
                        writer,
                        seq,
                        at,
                        slug,
                        index,
                        state,
                        message,
                        started,
                        count,
                        place,
                        location,
                        is_stale,
                    )
                )
                if is_stale:
                    continue
                if started is None and state == "Running":
                    started = at
                name, children = event.name, event.children
                ended = at if event.ended is None else event.ended
                task_run = (key, slug, index)
                before = latest.get(task_run)
                if before is not None:
                    name = before[3] if name is None else name
                    started = before[7] if started is None else started
                    place = before[12] if place is None else place
                    children = before[14] if children is None else children
                latest[task_run] = (
                    key,
                    slug,
                    index,
                    name,
                    state,
                    message,
                    at,
                    started,
                    ended if state in FINISHED else None,
                    count,
                    attempt,
                    location,
                    place,
                    event.due,
                    children,
                    event.reused,
                )
            elif type(event) is LogLine:
                logs.append(
                    (
                        key,
                        writer,
                        seq,
                        event.at,
                        event.level,
                        event.logger,
                        event.message,
                        event.slug,
                        event.map_index,
                        is_stale,
                    )
                )
            elif type(event) is Renamed and not is_stale:
                self.names[key] = event.name

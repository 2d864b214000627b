"""Log lines, as a server knows them."""

from __future__ import annotations

import datetime

from headrace.wire.base import Answer


class Log(Answer):
    """A log line of a flow run.

    Attributes:
        at: When it was written.
        level: The level's number, as in `logging`.
        logger: The logger's name; `stdout` or `stderr` for a process's output.
        message: The text.
        attempt: The attempt that wrote it.
        slug: The task that wrote it, if one did.
        map_index: The child of a mapped task; -1 for the task itself.
        is_stale: Whether an attempt that had lost the run wrote it.
    """

    at: datetime.datetime
    level: int
    logger: str
    message: str
    attempt: int
    slug: str | None = None
    map_index: int = -1
    is_stale: bool = False


class LogPage(Answer):
    """Some log lines, in the order in which they were stored.

    Attributes:
        items: The lines.
        next: What to ask for the lines after these with: always there, also at the end.
        is_finished: Whether the run is over and these are the last lines.
    """

    items: list[Log]
    next: str
    is_finished: bool = False

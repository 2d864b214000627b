"""Log lines in the database: read on from where somebody has stopped, each once, in order.

Each process that writes lines of a flow run is a writer, and its lines are stored in the order of
their numbers, without gaps. So a cursor holds one number for each writer: `3:120,4:15`. A line that
an older attempt delivers late comes after the others, but it comes.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, select

from headrace.server.db.columns import as_key, to_time
from headrace.server.db.flow_runs import unknown_run
from headrace.server.db.schema import flow_runs, logs, writers
from headrace.server.problems import Refusal
from headrace.wire.logs import Log, LogPage


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Which lines of a flow run are meant.

    Attributes:
        level: Those of this level or a higher one, as in `logging`.
        task: Those of the task with this slug.
    """

    level: int | None = None
    task: str | None = None


def page(
    connection: Connection, run_id: str, which: LogFilter, *, limit: int, after: str | None
) -> LogPage:
    """Return the lines that follow those which were read.

    Args:
        connection: The connection.
        run_id: The flow run's id.
        which: Which lines.
        limit: How many at most.
        after: What the page before gave as its `next`; None to begin.

    Raises:
        Refusal: If there is no such flow run (404), or no page has given `after` (422).
    """
    run = connection.execute(
        select(flow_runs.c.key, flow_runs.c.phase).where(flow_runs.c.id == run_id)
    ).one_or_none()
    if run is None:
        raise unknown_run(run_id)
    position = _read_cursor(after)
    # First the ends, then the lines: what is stored in between is before the next page's end.
    choice = (
        select(writers.c.id, writers.c.attempt, writers.c.stored)
        .where(writers.c.run_key == run.key)
        .order_by(writers.c.id)
    )
    ends = connection.execute(choice).all()
    found = {
        writer.id: _lines(connection, run.key, writer.id, position.get(writer.id, 0), which, limit)
        for writer in ends
    }
    attempts = {writer.id: writer.attempt for writer in ends}
    shown = list(islice(_in_order(list(found.values())), limit))
    for line in shown:
        position[line.writer] = line.seq
    for writer in ends:
        lines, read = found[writer.id], position.get(writer.id, 0)
        if len(lines) < limit and (not lines or lines[-1].seq == read):
            # Nothing that was asked for is left of it: what else it has written is passed over.
            position[writer.id] = max(read, writer.stored)
    is_read = all(position.get(writer.id, 0) >= writer.stored for writer in ends)
    return LogPage(
        items=[_log(line, attempts[line.writer]) for line in shown],
        next=",".join(f"{writer}:{seq}" for writer, seq in sorted(position.items())),
        is_finished=run.phase == "finished" and is_read,
    )


def _lines(
    connection: Connection, run_key: int, writer: int, after: int, which: LogFilter, limit: int
) -> list[Row[Any]]:
    """Return the next lines of one writer."""
    choice = select(logs).where(
        logs.c.run_key == run_key, logs.c.writer == writer, logs.c.seq > after
    )
    if which.level is not None:
        choice = choice.where(logs.c.level >= which.level)
    if which.task is not None:
        choice = choice.where(logs.c.slug == which.task)
    return list(connection.execute(choice.order_by(logs.c.seq).limit(limit)))


def _in_order(of_writers: list[list[Row[Any]]]) -> Iterator[Row[Any]]:
    """Yield lines by their time; those of one writer in the order that it gave them."""
    heap = [(lines[0].at, number, 0) for number, lines in enumerate(of_writers) if lines]
    heapq.heapify(heap)
    while heap:
        _, number, place = heapq.heappop(heap)
        lines = of_writers[number]
        yield lines[place]
        if place + 1 < len(lines):
            heapq.heappush(heap, (lines[place + 1].at, number, place + 1))


def _read_cursor(after: str | None) -> dict[int, int]:
    position: dict[int, int] = {}
    for part in (after or "").split(","):
        if not part:
            continue
        writer, _, seq = part.partition(":")
        try:
            position[as_key(writer)] = as_key(seq)
        except ValueError:
            raise Refusal(
                422, "bad_cursor", f"No page of logs has given {after!r} as its `next`."
            ) from None
    return position


def _log(line: Row[Any], attempt: int) -> Log:
    return Log(
        at=to_time(line.at),
        level=line.level,
        logger=line.logger,
        message=line.message,
        attempt=attempt,
        slug=line.slug,
        map_index=line.map_index,
        is_stale=line.is_stale,
    )

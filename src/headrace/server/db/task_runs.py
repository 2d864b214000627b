"""Task runs in the database: one, pages of them, their histories."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select

from headrace.server.db import flow_runs as in_flow_runs
from headrace.server.db.columns import as_key, to_time
from headrace.server.db.graphs import graph_of
from headrace.server.db.schema import task_run_states, task_runs, writers
from headrace.server.db.task_counts import counts_by_task
from headrace.server.db.waiting import agent_facts, paused_tasks, run_facts, task_name
from headrace.server.problems import Refusal, not_found
from headrace.server.rules.ownership import Phase
from headrace.server.rules.states import PENDING, is_finished
from headrace.server.rules.task_waiting import TaskFacts, why_task_waits
from headrace.server.rules.waiting import RunFacts, why_run_waits
from headrace.wire.flow_runs import Waiting
from headrace.wire.task_runs import TaskRun, TaskRunPage, TaskRunState

Time = datetime.datetime
Place = tuple[str, int]

#: How many tasks are looked up by one statement.
_AT_ONCE = 500


class _Context:
    """What all task runs of a flow run have in common.

    Args:
        connection: The connection.
        run_id: The flow run's id.
        now: The time.

    Raises:
        Refusal: If there is no such flow run; 404.
    """

    def __init__(self, connection: Connection, run_id: str, now: Time) -> None:
        row = in_flow_runs.row_of(connection, run_id)
        self.connection = connection
        self.run_id = run_id
        self.key: int = row.key
        self.now = now
        self.graph = graph_of(connection, row.flow_id)
        paused = paused_tasks(connection, row.key) if row.state == "Paused" else ()
        self.facts: RunFacts = run_facts(row, row.agent_name, paused)
        self.waiting: Waiting | None = None
        if row.phase != Phase.FINISHED.value:
            self.waiting = why_run_waits(self.facts, agent_facts(connection, now), now)
        self._unfinished: dict[str, str] | None = None

    @property
    def unfinished(self) -> dict[str, str]:
        """The tasks that are not over, with their states; a mapped one is over with its children."""
        if self._unfinished is None:
            counts = counts_by_task(self.connection, self.key)
            self._unfinished = {}
            for slug in self.graph.slugs:
                states = counts.get(slug) or {PENDING: 1}
                left = [state for state in states if not is_finished(state)]
                if left:
                    self._unfinished[slug] = "Running" if "Running" in left else min(left)
        return self._unfinished

    def task_run(self, place: Place, row: Row[Any] | None) -> TaskRun:
        """Return a task run; it waits for its turn if it has no row yet."""
        slug, map_index = place
        state = PENDING if row is None else row.state
        done = is_finished(state)
        name = None if row is None else row.name
        if name is None:
            name = task_name(self.graph.names.get(slug, slug), map_index)
        run = TaskRun(
            flow_run_id=self.run_id,
            slug=slug,
            map_index=map_index,
            name=name,
            state=state,
            is_finished=done,
            waiting=None if done else self._waiting(place, row),
        )
        if row is not None:
            run.message = row.message
            run.state_since = to_time(row.at)
            run.started = to_time(row.started)
            run.ended = to_time(row.ended)
            run.run_count = row.run_count
            run.attempt = row.attempt
            run.location = row.location
            run.place = row.place
            run.due = to_time(row.due)
            run.children = row.children
            run.reused = row.reused
        return run

    def _waiting(self, place: Place, row: Row[Any] | None) -> Waiting:
        slug, map_index = place
        facts = TaskFacts(slug=slug, map_index=map_index)
        if row is not None:
            facts = TaskFacts(
                slug=slug,
                map_index=map_index,
                state=row.state,
                since=to_time(row.at),
                message=row.message,
                attempt=row.attempt,
                place=row.place,
                due=to_time(row.due),
                unfinished=self._blocking(slug),
            )
        else:
            facts = TaskFacts(slug=slug, map_index=map_index, unfinished=self._blocking(slug))
        return why_task_waits(facts, self.facts, self.waiting, self.now)

    def _blocking(self, slug: str) -> list[str]:
        return [
            f"{upstream} ({self.unfinished[upstream]})"
            for upstream in self.graph.upstreams.get(slug, ())
            if upstream in self.unfinished
        ]


def get(
    connection: Connection, run_id: str, slug: str, map_index: int, now: datetime.datetime
) -> TaskRun:
    """Return one task run, and why it waits.

    Raises:
        Refusal: If the flow run has no such task, or the task no such child; 404.
    """
    context = _Context(connection, run_id, now)
    row = connection.execute(
        select(task_runs).where(_is_of(context.key), _at(slug, map_index))
    ).one_or_none()
    if row is None and (map_index >= 0 or slug not in context.graph.names):
        raise unknown_task_run(run_id, slug, map_index)
    return context.task_run((slug, map_index), row)


def listed(
    connection: Connection,
    run_id: str,
    *,
    states: Sequence[str],
    slug: str | None,
    limit: int,
    after: str | None,
    now: datetime.datetime,
) -> TaskRunPage:
    """Return some task runs of a flow run, in the order of slugs and map indexes.

    Tasks whose turn has not come are among them, as `Pending`; children of mapped tasks are when
    they are first heard of.

    Args:
        connection: The connection.
        run_id: The flow run's id.
        states: Those in one of these states; all if empty.
        slug: Those of this task.
        limit: How many at most.
        after: Those that follow the page that gave this.
        now: The time.

    Raises:
        Refusal: If there is no such flow run (404), or no page has given `after` (422).
    """
    context = _Context(connection, run_id, now)
    begin = None if after is None else _read_cursor(after)
    choice = select(task_runs).where(_is_of(context.key))
    if states:
        choice = choice.where(task_runs.c.state.in_(states))
    if slug is not None:
        choice = choice.where(task_runs.c.slug == slug)
    if begin is not None:
        choice = choice.where(_after(connection, begin))
    ordered = choice.order_by(_slug(connection), task_runs.c.map_index)
    rows = connection.execute(ordered.limit(limit + 1)).all()
    found: dict[Place, Row[Any] | None] = {(row.slug, row.map_index): row for row in rows}
    if not states or PENDING in states:
        # Beyond the last row that was read, there may be rows that are not known here.
        end = (rows[-1].slug, rows[-1].map_index) if len(rows) > limit else None
        for pending in islice(_pending(context, slug, begin, end), limit + 1):
            found.setdefault(pending, None)
    places = sorted(found)
    shown = places[:limit]
    items = [context.task_run(place, found[place]) for place in shown]
    more = len(places) > limit
    return TaskRunPage(items=items, next=f"{shown[-1][1]}:{shown[-1][0]}" if more else None)


def states(connection: Connection, run_id: str, slug: str, map_index: int) -> list[TaskRunState]:
    """Return a task run's history, from its beginning on.

    Raises:
        Refusal: If the flow run has no such task run, or it has not begun; 404.
    """
    row = in_flow_runs.row_of(connection, run_id)
    history = task_run_states.c
    choice = (
        select(task_run_states, writers.c.attempt)
        .join(writers, writers.c.id == history.writer)
        .where(history.run_key == row.key, history.slug == slug, history.map_index == map_index)
        .order_by(writers.c.attempt, history.writer, history.seq)
    )
    found = [
        TaskRunState(
            at=to_time(entry.at),
            state=entry.state,
            message=entry.message,
            attempt=entry.attempt,
            run_count=entry.run_count,
            place=entry.place,
            is_stale=entry.is_stale,
        )
        for entry in connection.execute(choice)
    ]
    if not found and (map_index >= 0 or slug not in graph_of(connection, row.flow_id).names):
        raise unknown_task_run(run_id, slug, map_index)
    return found


def unknown_task_run(run_id: str, slug: str, map_index: int) -> Refusal:
    """Return the refusal that says that there is no such task run."""
    return not_found(
        "task run",
        task_name(slug, map_index),
        f"See which the flow run {run_id} has with: headrace task-run list {run_id}",
    )


def _pending(
    context: _Context, slug: str | None, begin: Place | None, end: Place | None
) -> Iterator[Place]:
    """Yield the tasks of the graph between two places that have no row yet, in their order."""
    wanted = [
        candidate
        for candidate in context.graph.slugs
        if slug in (None, candidate)
        and (begin is None or (candidate, -1) > begin)
        and (end is None or (candidate, -1) < end)
    ]
    # Some at a time: a page needs few, and each is looked up by its key, however many rows there are.
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        rows = select(task_runs.c.slug).where(
            _is_of(context.key), task_runs.c.slug.in_(some), task_runs.c.map_index == -1
        )
        have = set(context.connection.scalars(rows))
        yield from ((candidate, -1) for candidate in some if candidate not in have)


def _is_of(run_key: int) -> ColumnElement[bool]:
    return task_runs.c.run_key == run_key


def _at(slug: str, map_index: int) -> ColumnElement[bool]:
    return and_(task_runs.c.slug == slug, task_runs.c.map_index == map_index)


def _slug(connection: Connection) -> ColumnElement[str]:
    """Return the slug in the order that Python sorts strings in, whatever the database's is."""
    column = task_runs.c.slug
    return column.collate("C") if connection.dialect.name == "postgresql" else column


def _after(connection: Connection, place: Place) -> ColumnElement[bool]:
    slug, map_index = place
    return or_(
        _slug(connection) > slug,
        and_(task_runs.c.slug == slug, task_runs.c.map_index > map_index),
    )


def _read_cursor(after: str) -> Place:
    map_index, _, slug = after.partition(":")
    try:
        return slug, as_key(map_index)
    except ValueError:
        raise Refusal(
            422, "bad_cursor", f"No page of task runs has given {after!r} as its `next`."
        ) from None

"""Takes in what the processes of flow runs report: all waiting batches in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from headrace.core.now import now as current_time
from headrace.server.db.bulk import add_rows, put_latest
from headrace.server.db.event_rows import LOG_COLUMNS, STATE_COLUMNS, Rows
from headrace.server.db.ownership import Change, Record, entry, load_many, save_many
from headrace.server.db.schema import flow_run_states, flow_runs, writers
from headrace.server.problems import Refusal, not_found
from headrace.server.rules.batches import ends_attempt, outline
from headrace.server.rules.ownership import Ownership, Policy, Refused, Time, write
from headrace.wire.events import EventAnswer, EventBatch, FlowState

_WRITERS = select(
    writers.c.id, writers.c.run_key, writers.c.attempt, writers.c.nonce, writers.c.stored
).where(writers.c.run_key.in_(bindparam("keys", expanding=True)))
_SET_STORED = (
    update(writers).where(writers.c.id == bindparam("whose")).values(stored=bindparam("stored"))
)
_RENAME = (
    update(flow_runs).where(flow_runs.c.key == bindparam("whose")).values(name=bindparam("name"))
)


@dataclass(slots=True)
class Delivery:
    """A batch of events that has arrived."""

    run_id: str
    batch: EventBatch
    policy: Policy
    #: How many of its events, the last ones, were new; known when it is stored.
    taken: int = 0


@dataclass(slots=True)
class _Writer:
    """A row of `writers`."""

    id: int
    stored: int
    is_changed: bool = False


@dataclass(slots=True)
class _Run:
    """A flow run while batches of it are taken in."""

    record: Record
    own: Ownership
    #: When what has changed its state happened.
    at: float | None = None


def ingest(
    connection: Connection, deliveries: Sequence[Delivery]
) -> Sequence[EventAnswer | Refusal]:
    """Store batches of events, for `Database.write_grouped`.

    What an attempt that has lost its run reports is kept, marked as stale, and changes nothing.

    Returns:
        An answer for each; a refusal where there is no such run.
    """
    now = current_time()
    ids = list({delivery.run_id for delivery in deliveries})
    records = load_many(connection, ids, deliveries[0].policy)
    runs = {run_id: _Run(record, record.own) for run_id, record in records.items()}
    known = _writers_of(connection, [record.key for record in records.values()])
    rows = Rows()
    history: list[dict[str, Any]] = []
    answers: list[EventAnswer | Refusal] = []
    for delivery in deliveries:
        run = runs.get(delivery.run_id)
        if run is None:
            remedy = "It may have been deleted: its process is to stop."
            answers.append(not_found("flow run", delivery.run_id, remedy))
        else:
            batch = delivery.batch
            writer = known.get((run.record.key, batch.attempt, batch.nonce))
            before = 0 if writer is None else writer.stored
            answers.append(_take(run, batch, writer, rows, history, now))
            delivery.taken = 0 if writer is None else writer.stored - before
    save_many(
        connection,
        [
            Change(record=run.record, after=run.own, who="runner", at=run.at)
            for run in runs.values()
        ],
        now,
    )
    add_rows(connection, "task_run_states", STATE_COLUMNS, rows.states)
    add_rows(connection, "logs", LOG_COLUMNS, rows.logs)
    put_latest(connection, list(rows.latest.values()))
    changed = [{"whose": w.id, "stored": w.stored} for w in known.values() if w.is_changed]
    names = [{"whose": key, "name": name} for key, name in rows.names.items()]
    for statement, values in (
        (_SET_STORED, changed),
        (flow_run_states.insert(), history),
        (_RENAME, names),
    ):
        if values:
            connection.execute(statement, values)
    return answers


def _writers_of(connection: Connection, keys: list[int]) -> dict[tuple[int, int, str], _Writer]:
    found = connection.execute(_WRITERS, {"keys": keys})
    return {
        (key, attempt, nonce): _Writer(whose, stored)
        for whose, key, attempt, nonce, stored in found
    }


def _take(
    run: _Run,
    batch: EventBatch,
    writer: _Writer | None,
    rows: Rows,
    history: list[dict[str, Any]],
    now: Time,
) -> EventAnswer:
    """Take one batch in: what it adds to `rows` and `history`, and how it changes `run`."""
    before = run.own
    after, result = write(before, batch.attempt, batch.nonce, outline(batch), now)
    if writer is None:
        # A process that was never activated has nothing to report.
        assert isinstance(result, Refused)
        return EventAnswer(stored=0, refused=result.why.value)
    is_stale = isinstance(result, Refused)
    if isinstance(result, Refused):
        gap = batch.first > writer.stored + 1
        new_from = len(batch.events) if gap else max(0, writer.stored + 1 - batch.first)
    else:
        new_from = result.new_from
    events = batch.events[new_from:]
    if events:
        rows.add(
            events,
            key=run.record.key,
            writer=writer.id,
            first=batch.first + new_from,
            attempt=batch.attempt,
            is_stale=is_stale,
        )
        writer.stored = batch.first + len(batch.events) - 1
        writer.is_changed = True
        history += [
            _told(run.record.key, event, batch.attempt, is_stale=is_stale)
            for event in events
            if type(event) is FlowState and (is_stale or not ends_attempt(event))
        ]
    if isinstance(result, Refused):
        return EventAnswer(stored=writer.stored, refused=result.why.value)
    if after.phase is not before.phase:
        run.at = batch.events[-1].at
    run.own = after
    return EventAnswer(
        stored=result.up_to,
        lease=before.policy.lease.total_seconds() if after.is_open else 0.0,
        cancel=result.cancel,
        pause=result.pause,
    )


def _told(key: int, event: FlowState, attempt: int, *, is_stale: bool) -> dict[str, Any]:
    message = event.message or ""
    return entry(key, event.at, event.type, message, attempt, "runner", is_stale=is_stale)

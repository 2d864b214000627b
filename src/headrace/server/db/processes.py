"""What processes of flow runs, their supervisors and agents tell, but for events."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from headrace.server.db.columns import from_json, to_time
from headrace.server.db.ownership import Record, load, save
from headrace.server.db.schema import attempts, flow_runs, flows, logs, projects, writers
from headrace.server.problems import Refusal, not_found
from headrace.server.rules import ownership as rules
from headrace.server.rules.ownership import Phase, Policy, Refused, Time, Why
from headrace.server.rules.texts import storable, storable_or_none
from headrace.wire.claims import Activate, Activated, Deploying, Exited, RunDetails
from headrace.wire.events import EventAnswer

# Made once, as SQLAlchemy looks through each new statement anew.
_WRITER = select(writers.c.id).where(
    writers.c.run_key == bindparam("its_key"), writers.c.attempt == bindparam("its_attempt")
)
_PLACE_OF_ATTEMPT = (
    update(attempts)
    .where(
        attempts.c.run_key == bindparam("its_key"),
        attempts.c.attempt == bindparam("its_attempt"),
    )
    .values({name: bindparam(name) for name in ("nonce", "activated", "host", "pid")})
)
_PLACE_OF_RUN = (
    update(flow_runs)
    .where(flow_runs.c.key == bindparam("its_key"))
    .values({name: bindparam(name) for name in ("host", "pid")})
)
#: Who writes what a process has printed that never began; no process calls itself so.
_PRINTED = "printed"
#: All that a run's process is told of it.
_DETAILS = (
    select(
        flow_runs,
        flows.c.name.label("flow_name"),
        flows.c.version.label("flow_version"),
        flows.c.storage,
        projects.c.name.label("project_name"),
    )
    .join(flows, flows.c.id == flow_runs.c.flow_id)
    .join(projects, projects.c.id == flows.c.project_id)
    .where(flow_runs.c.key == bindparam("its_key"))
)


def activate(
    connection: Connection, run_id: str, asked: Activate, policy: Policy, now: Time
) -> Activated:
    """Let a process begin, or not.

    Raises:
        Refusal: If there is no such flow run; 404.
    """
    record = _load(connection, run_id, policy)
    after, answer = rules.activate(record.own, asked.attempt, storable(asked.nonce), now)
    record = save(connection, record, after, who="runner", now=now)
    if isinstance(answer, Refused):
        return Activated(refused=answer.why.value)
    nonce = storable(asked.nonce)
    whose = {"its_key": record.key, "its_attempt": asked.attempt}
    if connection.execute(_WRITER, whose).first() is None:
        row = {"run_key": record.key, "attempt": asked.attempt, "nonce": nonce, "stored": 0}
        connection.execute(writers.insert(), row)
        place = {"host": storable_or_none(asked.host), "pid": asked.pid}
        begun = {"nonce": nonce, "activated": now.timestamp()}
        connection.execute(_PLACE_OF_ATTEMPT, whose | begun | place)
        connection.execute(_PLACE_OF_RUN, {"its_key": record.key} | place)
    lease = (answer.lease_until - now).total_seconds()
    return Activated(lease=lease, run=_details(connection, record))


def deploying(
    connection: Connection, run_id: str, asked: Deploying, policy: Policy, now: Time
) -> EventAnswer:
    """Renew the claim of an agent whose deployment goes on.

    Raises:
        Refusal: If there is no such flow run; 404.
    """
    record = _load(connection, run_id, policy)
    message = storable_or_none(asked.message)
    after, answer = rules.deploying(record.own, asked.attempt, asked.agent, now, message)
    if isinstance(answer, Refused):
        return EventAnswer(
            stored=0,
            refused=answer.why.value,
            cancel=record.own.cancelling if answer.why is Why.CANCELLED else None,
            pause=record.own.pausing if answer.why is Why.PAUSED else None,
        )
    who = _agent_name(connection, record, asked.attempt) or asked.agent
    save(connection, record, after, who=who, now=now)
    return EventAnswer(stored=0, lease=(answer.lease_until - now).total_seconds())


def exited(
    connection: Connection, run_id: str, told: Exited, policy: Policy, now: Time, who: str | None
) -> bool:
    """Take the word of whoever saw the process of an attempt end.

    Args:
        connection: The connection.
        run_id: The flow run's id.
        told: How it ended.
        policy: For how long leases and claims are given.
        now: The time.
        who: Who says so; None for the agent that has claimed the attempt.

    Returns:
        Whether that has changed anything.

    Raises:
        Refusal: If there is no such flow run; 404.
    """
    record = _load(connection, run_id, policy)
    reason = storable(told.reason)
    after = rules.exited(
        record.own,
        told.attempt,
        reason,
        now,
        is_final=told.is_final,
        was_deployed=not told.by_agent,
    )
    is_news = after != record.own
    if told.output:
        _keep_output(connection, record, told, now, is_stale=not is_news)
    if not is_news:
        return False
    who = who or _agent_name(connection, record, told.attempt) or "agent"
    save(connection, record, after, who=who, now=now)
    return True


def _keep_output(
    connection: Connection, record: Record, told: Exited, now: Time, *, is_stale: bool
) -> None:
    """Keep what a process printed as its run's log, once, if the process never began."""
    whose = {"its_key": record.key, "its_attempt": told.attempt}
    if told.attempt > record.own.attempt or connection.execute(_WRITER, whose).first() is not None:
        return
    row = {"run_key": record.key, "attempt": told.attempt, "nonce": _PRINTED, "stored": 1}
    made = connection.execute(writers.insert().returning(writers.c.id), row)
    line = {
        "run_key": record.key,
        "writer": made.scalar_one(),
        "seq": 1,
        "at": now.timestamp(),
        "level": logging.INFO,
        "logger": "output",
        "message": storable(told.output),
        "map_index": -1,
        "is_stale": is_stale,
    }
    connection.execute(logs.insert(), line)


def orders_for(connection: Connection, run_id: str, attempt: int, nonce: str) -> EventAnswer:
    """Return what the process of an attempt is to do, without renewing its lease."""
    row = connection.execute(
        select(
            flow_runs.c.phase,
            flow_runs.c.attempt,
            flow_runs.c.nonce,
            flow_runs.c.is_open,
            flow_runs.c.cancelling,
            flow_runs.c.pausing,
            flow_runs.c.stored,
        ).where(flow_runs.c.id == run_id)
    ).one_or_none()
    if row is None:
        return EventAnswer(stored=0, refused=Why.FINISHED.value)
    if (row.attempt, row.nonce) != (attempt, nonce):
        return EventAnswer(stored=0, refused=Why.SUPERSEDED.value)
    if not row.is_open:
        is_over = row.phase == Phase.FINISHED.value
        why = Why.FINISHED if is_over else Why.SUPERSEDED
        return EventAnswer(stored=row.stored, refused=why.value)
    return EventAnswer(stored=row.stored, cancel=row.cancelling, pause=row.pausing)


def _load(connection: Connection, run_id: str, policy: Policy) -> Record:
    record = load(connection, run_id, policy)
    if record is None:
        raise not_found("flow run", run_id, "It may have been deleted: its process is to stop.")
    return record


def _agent_name(connection: Connection, record: Record, attempt: int) -> str | None:
    name: str | None = connection.execute(
        select(attempts.c.agent_name).where(
            attempts.c.run_key == record.key, attempts.c.attempt == attempt
        )
    ).scalar()
    return name


def _details(connection: Connection, record: Record) -> RunDetails:
    row: Any = connection.execute(_DETAILS, {"its_key": record.key}).one()
    return RunDetails(
        id=row.id,
        name=row.name,
        attempt=row.attempt,
        flow_id=row.flow_id,
        flow_name=row.flow_name,
        flow_version=row.flow_version,
        project_name=row.project_name,
        storage=from_json(row.storage),
        parameters=from_json(row.parameters),
        context=from_json(row.context),
        labels=from_json(row.labels),
        scheduled_start_time=to_time(row.scheduled_start_time),
        on_disconnect=row.on_disconnect,
        resumed=[(slug, index) for slug, index in from_json(row.resumed)],
        restarted_after=row.restarted_after,
    )


def check_attempt(asked: int, owned: int | None) -> None:
    """Refuse what a token of one attempt says in the name of another.

    Args:
        asked: The attempt in the request.
        owned: The attempt of the token; None for a key, which may speak for all.

    Raises:
        Refusal: If they differ; 403.
    """
    if owned is not None and owned != asked:
        raise Refusal(
            403,
            "not_allowed",
            f"The token is that of attempt {owned}, and the request speaks for attempt {asked}. "
            f"Each process speaks for its own attempt only.",
        )

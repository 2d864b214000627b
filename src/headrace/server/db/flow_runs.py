"""Flow runs in the database: one, pages of them, their histories."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, or_, select

from headrace.server.db.columns import as_key, from_json, to_time
from headrace.server.db.schema import (
    attempts,
    flow_run_states,
    flow_runs,
    flows,
    projects,
    version_groups,
)
from headrace.server.db.waiting import agent_facts, paused_tasks, run_facts
from headrace.server.problems import Refusal, not_found
from headrace.server.rules.ownership import Phase
from headrace.server.rules.waiting import AgentFacts, why_run_waits
from headrace.wire.flow_runs import FlowRun, FlowRunPage, FlowRunState

#: All that is told of a flow run, and all that `rules.waiting` asks for.
_CHOICE: Select[Any] = (
    select(
        flow_runs,
        flows.c.name.label("flow_name"),
        flows.c.version.label("flow_version"),
        flows.c.notes,
        projects.c.name.label("project_name"),
        version_groups.c.schedule_active,
        attempts.c.agent_name,
    )
    .join(flows, flows.c.id == flow_runs.c.flow_id)
    .join(version_groups, version_groups.c.id == flows.c.version_group_id)
    .join(projects, projects.c.id == flows.c.project_id)
    .outerjoin(
        attempts,
        (attempts.c.run_key == flow_runs.c.key) & (attempts.c.attempt == flow_runs.c.attempt),
    )
)
#: Made once, as SQLAlchemy looks through each new statement anew.
_BY_ID = _CHOICE.where(flow_runs.c.id == bindparam("run_id"))
_STATE = select(flow_runs.c.state).where(flow_runs.c.id == bindparam("run_id"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which flow runs are meant.

    Attributes:
        project: Of flows of this project.
        flow: Of flows of this name.
        flow_id: Of this version.
        name: With this name.
        id_begins: Whose ids begin so.
        states: In one of these states; all if empty.
    """

    project: str | None = None
    flow: str | None = None
    flow_id: str | None = None
    name: str | None = None
    id_begins: str | None = None
    states: Sequence[str] = ()


def get(connection: Connection, run_id: str, now: datetime.datetime) -> FlowRun:
    """Return a flow run, and why it waits.

    Raises:
        Refusal: If there is none of this id; 404.
    """
    row = connection.execute(_BY_ID, {"run_id": run_id}).one_or_none()
    if row is None:
        raise unknown_run(run_id)
    return _flow_run(connection, row, agent_facts(connection, now), now)


def row_of(connection: Connection, run_id: str) -> Row[Any]:
    """Return the row of a flow run, joined with what `db.waiting.run_facts` needs.

    Raises:
        Refusal: If there is none of this id; 404.
    """
    row = connection.execute(_BY_ID, {"run_id": run_id}).one_or_none()
    if row is None:
        raise unknown_run(run_id)
    return row


def rows_of(connection: Connection, run_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """Return the rows of flow runs, joined with what `db.waiting.run_facts` needs."""
    return connection.execute(_CHOICE.where(flow_runs.c.id.in_(run_ids))).all()


def listed(
    connection: Connection,
    which: RunFilter,
    *,
    limit: int,
    after: str | None,
    now: datetime.datetime,
) -> FlowRunPage:
    """Return some flow runs, those that were made last first.

    Args:
        connection: The connection.
        which: Which ones.
        limit: How many at most.
        after: Those that follow the page that gave this.
        now: The time.

    Raises:
        Refusal: If no page has given `after`; 422.
    """
    choice = _filtered(_CHOICE, which)
    if after is not None:
        created, key = _read_cursor(after)
        choice = choice.where(
            or_(
                flow_runs.c.created < created,
                and_(flow_runs.c.created == created, flow_runs.c.key < key),
            )
        )
    choice = choice.order_by(flow_runs.c.created.desc(), flow_runs.c.key.desc()).limit(limit + 1)
    rows: list[Row[Any]] = []
    # One state after the other: so each is read from its end of an index, and no further.
    every: Sequence[str | None] = which.states or [None]
    for state in every:
        rows += connection.execute(_in_state(choice, state))
    rows.sort(key=lambda row: (row.created, row.key), reverse=True)
    shown = rows[:limit]
    agents = agent_facts(connection, now) if any(row.phase != "finished" for row in shown) else []
    items = [_flow_run(connection, row, agents, now) for row in shown]
    more = len(rows) > limit and shown
    return FlowRunPage(items=items, next=f"{shown[-1].created!r}:{shown[-1].key}" if more else None)


def states(connection: Connection, run_id: str) -> list[FlowRunState]:
    """Return a flow run's history, from its beginning on.

    Raises:
        Refusal: If there is none of this id; 404.
    """
    key = key_of(connection, run_id)
    choice = (
        select(flow_run_states)
        .where(flow_run_states.c.run_key == key)
        .order_by(flow_run_states.c.id)
    )
    return [
        FlowRunState(
            at=to_time(row.at),
            state=row.state,
            message=row.message,
            attempt=row.attempt,
            who=row.who,
            is_stale=row.is_stale,
        )
        for row in connection.execute(choice)
    ]


def state_of(connection: Connection, run_id: str) -> str:
    """Return the type of a flow run's state.

    Raises:
        Refusal: If there is none of this id; 404.
    """
    state: str | None = connection.scalar(_STATE, {"run_id": run_id})
    if state is None:
        raise unknown_run(run_id)
    return state


def key_of(connection: Connection, run_id: str) -> int:
    """Return the key that the rows of a flow run's tables have.

    Raises:
        Refusal: If there is none of this id; 404.
    """
    key: int | None = connection.scalar(select(flow_runs.c.key).where(flow_runs.c.id == run_id))
    if key is None:
        raise unknown_run(run_id)
    return key


def unknown_run(run_id: str) -> Refusal:
    """Return the refusal that says that there is no such flow run."""
    return not_found("flow run", run_id, "See which there are with: headrace flow-run list")


def _filtered(choice: Select[Any], which: RunFilter) -> Select[Any]:
    if which.project is not None:
        choice = choice.where(projects.c.name == which.project)
    if which.flow is not None:
        choice = choice.where(flows.c.name == which.flow)
    if which.flow_id is not None:
        choice = choice.where(flow_runs.c.flow_id == which.flow_id)
    if which.name is not None:
        choice = choice.where(flow_runs.c.name == which.name)
    if which.id_begins is not None:
        choice = choice.where(flow_runs.c.id.startswith(which.id_begins, autoescape=True))
    return choice


def _in_state(choice: Select[Any], state: str | None) -> Select[Any]:
    return choice if state is None else choice.where(flow_runs.c.state == state)


def _read_cursor(after: str) -> tuple[float, int]:
    created, _, key = after.partition(":")
    try:
        return float(created), as_key(key)
    except ValueError:
        raise Refusal(
            422, "bad_cursor", f"No page of flow runs has given {after!r} as its `next`."
        ) from None


def _flow_run(
    connection: Connection, row: Row[Any], agents: Sequence[AgentFacts], now: datetime.datetime
) -> FlowRun:
    is_finished = row.phase == Phase.FINISHED.value
    waiting = None
    if not is_finished:
        paused = paused_tasks(connection, row.key) if row.state == "Paused" else ()
        waiting = why_run_waits(run_facts(row, row.agent_name, paused), agents, now)
    return FlowRun(
        id=row.id,
        name=row.name,
        flow_id=row.flow_id,
        flow_name=row.flow_name,
        flow_version=row.flow_version,
        project_name=row.project_name,
        state=row.state,
        message=row.message,
        state_since=to_time(row.state_since),
        is_finished=is_finished,
        created=to_time(row.created),
        created_by=row.created_by,
        scheduled_start_time=to_time(row.scheduled_start_time),
        waiting=waiting,
        started=to_time(row.started),
        ended=to_time(row.ended),
        attempt=row.attempt,
        recoveries=row.recoveries,
        agent=row.agent_name or row.agent,
        host=row.host,
        pid=row.pid,
        parameters=from_json(row.parameters),
        labels=from_json(row.labels),
        run_config=from_json(row.run_config),
        priority=row.priority,
        idempotency_key=row.idempotency_key,
        notes=from_json(row.notes),
    )

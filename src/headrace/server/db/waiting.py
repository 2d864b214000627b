"""What `rules.waiting` needs to know, read from the database."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, select

from headrace.server.db.agents import ONLINE_FOR
from headrace.server.db.columns import from_json, to_time
from headrace.server.db.schema import agents, task_runs
from headrace.server.rules.ownership import Phase
from headrace.server.rules.waiting import AgentFacts, RunFacts

#: How many paused tasks of a run are looked up, to be named.
_MOST_PAUSED = 10
_AGENTS = select(agents).order_by(agents.c.name)


def agent_facts(connection: Connection, now: datetime.datetime) -> list[AgentFacts]:
    """Return what is known of all agents."""
    facts = []
    for row in connection.execute(_AGENTS):
        last_seen = to_time(row.last_seen)
        facts.append(
            AgentFacts(
                name=row.name,
                kind=row.kind,
                labels=frozenset(from_json(row.labels)),
                last_seen=last_seen,
                is_online=now.timestamp() - row.last_seen < ONLINE_FOR,
            )
        )
    return facts


def run_facts(
    row: Row[Any], agent: str | None = None, paused_tasks: Iterable[str] = ()
) -> RunFacts:
    """Return what is known of a flow run.

    Args:
        row: All columns of its row in `flow_runs`, and `schedule_active` of its version group.
        agent: The name of the agent that claimed it last.
        paused_tasks: Its paused tasks.
    """
    holds = row.on_disconnect == "hold"
    since = to_time(row.state_since)
    assert since is not None
    return RunFacts(
        id=row.id,
        phase=Phase(row.phase),
        state=row.state,
        since=since,
        message=row.message,
        start_time=to_time(row.start_time),
        attempt=row.attempt,
        agent=agent or row.agent,
        host=row.host,
        pid=row.pid,
        lease_until=to_time(row.lease_until),
        patience=datetime.timedelta(seconds=0 if holds else row.lost_after),
        cancelling=row.cancelling,
        pausing=row.pausing,
        labels=frozenset(from_json(row.labels)),
        kind=row.kind,
        schedule_is_off=row.is_auto_scheduled and not row.schedule_active,
        paused_tasks=tuple(paused_tasks),
    )


def paused_tasks(connection: Connection, run_key: int) -> list[str]:
    """Return the paused tasks of a flow run, as they are named for people."""
    choice = (
        select(task_runs.c.slug, task_runs.c.map_index)
        .where(task_runs.c.run_key == run_key, task_runs.c.state == "Paused")
        .limit(_MOST_PAUSED)
    )
    return [task_name(row.slug, row.map_index) for row in connection.execute(choice)]


def task_name(slug: str, map_index: int) -> str:
    """Return how a task run is named for people: `extract`, or `extract[3]`."""
    return slug if map_index < 0 else f"{slug}[{map_index}]"

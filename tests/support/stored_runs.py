"""Rows of flow runs, for tests and benchmarks of what writes to them."""

from __future__ import annotations

import datetime
import itertools
from typing import Any

from sqlalchemy import Connection, select

from headrace.server.db.ownership import load, save
from headrace.server.db.schema import attempts, flow_runs, flows, projects, version_groups, writers
from headrace.server.rules.ownership import Granted, Ownership, Policy, activate, claim

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
_TOKENS = itertools.count(1)


def insert_flow(connection: Connection) -> None:
    """Insert a flow `etl` of project `main`, unless it is there."""
    if connection.execute(select(flows.c.id)).first() is not None:
        return
    at = NOW.timestamp()
    connection.execute(
        projects.insert(), {"id": "main", "name": "main", "description": "", "created": at}
    )
    connection.execute(
        version_groups.insert(),
        {"id": "g1", "project_id": "main", "name": "etl", "schedule_active": True, "created": at},
    )
    connection.execute(
        flows.insert(),
        {
            "id": "f1",
            "project_id": "main",
            "version_group_id": "g1",
            "name": "etl",
            "version": 1,
            "is_archived": False,
            "created": at,
            "hash": "h",
            "graph": "{}",
            "parameters": "[]",
            "labels": "[]",
            "notes": "[]",
            "max_recoveries": 3,
            "on_disconnect": "continue",
            "lost_after": 300.0,
        },
    )


def insert_run(connection: Connection, run_id: str, **values: Any) -> None:
    """Insert a scheduled flow run of that flow, due at `NOW`."""
    insert_flow(connection)
    own = Ownership()
    at = NOW.timestamp()
    row = {
        "id": run_id,
        "flow_id": "f1",
        "version_group_id": "g1",
        "name": f"run {run_id}",
        "state": "Scheduled",
        "message": own.reason,
        "state_since": at,
        "created": at,
        "created_by": "anonymous",
        "parameters": "{}",
        "context": "{}",
        "labels": "[]",
        "kind": "any",
        "priority": 0,
        "is_auto_scheduled": False,
        "phase": "scheduled",
        "start_time": at,
        "attempt": 0,
        "is_open": False,
        "stored": 0,
        "recoveries": 0,
        "reason": own.reason,
        "max_recoveries": 3,
        "on_disconnect": "continue",
        "lost_after": 300.0,
    }
    connection.execute(flow_runs.insert(), row | values)


def insert_claim(
    connection: Connection, run_id: str, now: datetime.datetime = NOW, agent: str = "a1"
) -> int:
    """Claim a flow run for an agent.

    Returns:
        The attempt.
    """
    record = load(connection, run_id, Policy())
    assert record is not None
    after, granted = claim(record.own, agent, now)
    assert isinstance(granted, Granted)
    save(connection, record, after, who=agent, now=now)
    connection.execute(
        attempts.insert(),
        {
            "run_key": record.key,
            "attempt": granted.attempt,
            "token_hash": f"token {next(_TOKENS)}",
            "agent": agent,
            "agent_name": agent,
            "claimed": now.timestamp(),
        },
    )
    return granted.attempt


def insert_process(
    connection: Connection, run_id: str, nonce: str, now: datetime.datetime = NOW
) -> int:
    """Claim a flow run, and activate a process of it.

    Returns:
        The attempt.
    """
    attempt = insert_claim(connection, run_id, now)
    record = load(connection, run_id, Policy())
    assert record is not None
    after, granted = activate(record.own, attempt, nonce, now)
    assert isinstance(granted, Granted)
    save(connection, record, after, who="runner", now=now)
    row = {"run_key": record.key, "attempt": attempt, "nonce": nonce, "stored": 0}
    connection.execute(writers.insert(), row)
    return attempt

"""Flow runs that are due and that nobody has claimed for a while."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from sqlalchemy import Connection, select, text

from headrace.server.db.flow_runs import rows_of
from headrace.server.db.ownership import Change, load_many, save_many
from headrace.server.db.schema import flow_runs
from headrace.server.db.waiting import agent_facts, run_facts
from headrace.server.rules.ownership import Phase, Policy
from headrace.server.rules.waiting import why_run_waits

Time = datetime.datetime

#: What the message of a run begins with once it is marked.
_LATE = "Late: "
#: How many are marked at once.
_AT_ONCE = 200


def late(connection: Connection, before: Time) -> list[str]:
    """Return the ids of runs that were due before a moment, and are not marked yet.

    Args:
        connection: The connection.
        before: The moment.
    """
    choice = (
        select(flow_runs.c.id)
        # The index is used only if the query says literally what the index is restricted to.
        .where(
            text("flow_runs.phase = 'scheduled'"),
            flow_runs.c.start_time <= before.timestamp(),
            flow_runs.c.state_since <= before.timestamp(),
            flow_runs.c.pausing.is_(None),
            flow_runs.c.message.not_like(f"{_LATE}%"),
        )
        .order_by(flow_runs.c.start_time)
        .limit(_AT_ONCE)
    )
    return list(connection.scalars(choice))


def mark(connection: Connection, run_ids: Sequence[str], *, policy: Policy, now: Time) -> list[str]:
    """Say of each run, in its state and in its history, that it is late, and why.

    Args:
        connection: A connection that writes.
        run_ids: The runs.
        policy: How patient the server is.
        now: The time.

    Returns:
        The ids of those that were marked; others have been claimed, or marked, in the meantime.
    """
    records = load_many(connection, run_ids, policy)
    agents = agent_facts(connection, now)
    changes = []
    for row in rows_of(connection, list(records)):
        record = records[row.id]
        if record.own.phase is Phase.SCHEDULED and not record.message.startswith(_LATE):
            waiting = why_run_waits(run_facts(row, row.agent_name), agents, now)
            changes.append(
                Change(
                    record=record,
                    after=record.own,
                    who="server",
                    message=f"{_LATE}{waiting.reason}",
                )
            )
    return [record.id for record in save_many(connection, changes, now)]

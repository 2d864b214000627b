"""Agents, as they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, text

from headrace.server.db.columns import from_json, to_json, to_time
from headrace.server.db.schema import agents
from headrace.wire.agents import Agent

#: For how many seconds after its last word an agent is taken to be there.
ONLINE_FOR = 60.0

_SEEN = text(
    "INSERT INTO agents (id, name, kind, labels, first_seen, last_seen)"
    " VALUES (:id, :name, :kind, :labels, :now, :now)"
    " ON CONFLICT (id) DO UPDATE SET name = excluded.name, kind = excluded.kind,"
    " labels = excluded.labels, last_seen = excluded.last_seen"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an agent says of itself."""

    id: str
    name: str
    kind: str
    labels: frozenset[str]


def seen(connection: Connection, those: Sequence[Seen], now: float) -> None:
    """Note that agents were heard of, and what they are now."""
    # In one order everywhere, so that two servers never wait for each other.
    rows = [
        {
            "id": agent.id,
            "name": agent.name,
            "kind": agent.kind,
            "labels": to_json(sorted(agent.labels)),
            "now": now,
        }
        for agent in sorted(those, key=lambda agent: agent.id)
    ]
    if rows:
        connection.execute(_SEEN, rows)


def every(connection: Connection, now: float) -> list[Agent]:
    """Return all agents, those heard of last first."""
    rows = connection.execute(select(agents).order_by(agents.c.last_seen.desc(), agents.c.id))
    return [
        Agent(
            id=row.id,
            name=row.name,
            kind=row.kind,
            labels=from_json(row.labels),
            first_seen=to_time(row.first_seen),
            last_seen=to_time(row.last_seen),
            is_online=now - row.last_seen < ONLINE_FOR,
        )
        for row in rows
    ]


def forget(connection: Connection, agent_id: str) -> bool:
    """Delete an agent; it comes back if it is heard of again.

    Returns:
        Whether there was such an agent.
    """
    return connection.execute(delete(agents).where(agents.c.id == agent_id)).rowcount > 0

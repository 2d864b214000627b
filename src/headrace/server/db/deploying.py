"""Claims that agents hold: renewed while they deploy, and taken back when they got lost."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select

from headrace.server.db import ownership
from headrace.server.db.ownership import Change
from headrace.server.db.schema import flow_runs
from headrace.server.rules import ownership as rules
from headrace.server.rules.ownership import Granted, Phase, Policy

_CHOICE = select(
    flow_runs.c.id,
    flow_runs.c.phase,
    flow_runs.c.agent,
    flow_runs.c.lease_until,
    flow_runs.c.cancelling,
    flow_runs.c.pausing,
).where(flow_runs.c.id.in_(bindparam("ids", expanding=True)))
#: How many ids one query is given at most.
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Progress:
    """How runs are getting on that agents say they are deploying; by the agents' ids."""

    #: Those that they are not to go on with: they were cancelled, paused or deleted, they are over,
    #: or they are another agent's by now.
    stopped: Mapping[str, Sequence[str]]
    #: Those whose processes have begun.
    begun: Mapping[str, Sequence[str]]


def look_after(
    connection: Connection,
    deploying: Mapping[str, Sequence[str]],
    policy: Policy,
    now: datetime.datetime,
) -> Progress:
    """Take agents' word that they are still deploying runs: renew the claims that are half over.

    Args:
        connection: A connection that writes.
        deploying: The runs, by the agents' ids.
        policy: How long claims are good for.
        now: The time.

    Returns:
        How the runs are getting on.
    """
    rows = _rows(connection, [run_id for run_ids in deploying.values() for run_id in run_ids])
    soon = now.timestamp() + policy.claim.total_seconds() / 2
    stopped: dict[str, list[str]] = {}
    begun: dict[str, list[str]] = {}
    to_renew: dict[str, str] = {}
    for agent, run_ids in deploying.items():
        for run_id in run_ids:
            row = rows.get(run_id)
            if row is None or row.agent != agent or not _goes_on(row):
                stopped.setdefault(agent, []).append(run_id)
            elif row.phase == Phase.RUNNING.value:
                begun.setdefault(agent, []).append(run_id)
            elif row.lease_until < soon:
                to_renew[run_id] = agent
    if to_renew:
        _renew(connection, to_renew, policy, now)
    return Progress(stopped, begun)


def give_back(
    connection: Connection,
    claims: Iterable[tuple[str, int]],
    why: str,
    policy: Policy,
    now: datetime.datetime,
) -> list[str]:
    """Take claims back that never got to their agent.

    Args:
        connection: A connection that writes.
        claims: Ids of runs, and the attempts that they were claimed as.
        why: What happened.
        policy: How long claims are good for.
        now: The time.

    Returns:
        The runs that were taken back; of the others something was heard in the meantime.
    """
    wanted = dict(claims)
    changes: list[Change] = []
    for record in ownership.load_many(connection, list(wanted), policy).values():
        attempt = wanted[record.id]
        if record.own.phase is Phase.CLAIMED and record.own.attempt == attempt:
            after = rules.give_back(record.own, attempt, why, now)
            changes.append(Change(record=record, after=after, who="server"))
    return [record.id for record in ownership.save_many(connection, changes, now)]


def _rows(connection: Connection, run_ids: Sequence[str]) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for start in range(0, len(run_ids), _AT_ONCE):
        found = connection.execute(_CHOICE, {"ids": run_ids[start : start + _AT_ONCE]})
        rows.update((row.id, row) for row in found)
    return rows


def _goes_on(row: Any) -> bool:
    if row.phase == Phase.RUNNING.value:
        # Its process has begun: orders are its supervisor's business.
        return True
    return row.phase == Phase.CLAIMED.value and row.cancelling is None and row.pausing is None


def _renew(
    connection: Connection, agents: Mapping[str, str], policy: Policy, now: datetime.datetime
) -> None:
    changes: list[Change] = []
    for record in ownership.load_many(connection, list(agents), policy).values():
        agent = agents[record.id]
        after, answer = rules.deploying(record.own, record.own.attempt, agent, now)
        if isinstance(answer, Granted):
            changes.append(Change(record=record, after=after, who=agent))
    ownership.save_many(connection, changes, now)

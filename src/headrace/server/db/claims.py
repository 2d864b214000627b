"""Claims: which runs are due, and whose they become."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, text

from headrace.server.db import ownership
from headrace.server.db.columns import from_json
from headrace.server.db.ownership import Change
from headrace.server.db.schema import attempts, flow_runs, flows, projects
from headrace.server.rules import ownership as rules
from headrace.server.rules.matching import Due, Offer, assign, fits
from headrace.server.rules.ownership import Granted, Policy
from headrace.wire.claims import ClaimedRun

#: All sets of labels, kinds and priorities that scheduled runs have, and when the first run of each
#: is due. Each step asks the index for the next value, so runs that wait for their time, or for an
#: agent that never comes, cost nothing, however many they are.
_GROUPS = text("""
WITH RECURSIVE
by_labels (labels) AS (
    SELECT (SELECT min(labels) FROM flow_runs WHERE phase = 'scheduled')
    UNION ALL
    SELECT (
        SELECT min(r.labels) FROM flow_runs r WHERE r.phase = 'scheduled' AND r.labels > g.labels
    ) FROM by_labels g WHERE g.labels IS NOT NULL
),
by_kind (labels, kind) AS (
    SELECT g.labels, (
        SELECT min(r.kind) FROM flow_runs r WHERE r.phase = 'scheduled' AND r.labels = g.labels
    ) FROM by_labels g WHERE g.labels IS NOT NULL
    UNION ALL
    SELECT g.labels, (
        SELECT min(r.kind) FROM flow_runs r
        WHERE r.phase = 'scheduled' AND r.labels = g.labels AND r.kind > g.kind
    ) FROM by_kind g WHERE g.kind IS NOT NULL
),
by_priority (labels, kind, priority) AS (
    SELECT g.labels, g.kind, (
        SELECT max(r.priority) FROM flow_runs r
        WHERE r.phase = 'scheduled' AND r.labels = g.labels AND r.kind = g.kind
    ) FROM by_kind g WHERE g.kind IS NOT NULL
    UNION ALL
    SELECT g.labels, g.kind, (
        SELECT max(r.priority) FROM flow_runs r
        WHERE r.phase = 'scheduled' AND r.labels = g.labels AND r.kind = g.kind
          AND r.priority < g.priority
    ) FROM by_priority g WHERE g.priority IS NOT NULL
)
SELECT g.labels, g.kind, g.priority, (
    SELECT min(r.start_time) FROM flow_runs r
    WHERE r.phase = 'scheduled' AND r.labels = g.labels AND r.kind = g.kind
      AND r.priority = g.priority AND r.pausing IS NULL
) AS first
FROM by_priority g WHERE g.priority IS NOT NULL
""")

_DUE = (
    select(
        *(column for column in flow_runs.c if column.name not in ("parameters", "context")),
        flows.c.storage,
        flows.c.name.label("flow_name"),
        projects.c.name.label("project_name"),
    )
    .join(flows, flows.c.id == flow_runs.c.flow_id)
    .join(projects, projects.c.id == flows.c.project_id)
    # The index is used only if the query says literally what the index is restricted to.
    .where(
        text("flow_runs.phase = 'scheduled'"),
        flow_runs.c.pausing.is_(None),
        flow_runs.c.labels == bindparam("its_labels"),
        flow_runs.c.kind == bindparam("its_kind"),
        flow_runs.c.priority == bindparam("its_priority"),
        flow_runs.c.start_time <= bindparam("until"),
    )
    .order_by(flow_runs.c.start_time)
    .limit(bindparam("most"))
    .with_for_update(of=flow_runs, skip_locked=True)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What came of one offer."""

    #: The runs that the agent gets.
    runs: list[ClaimedRun]
    #: When the next run that it could have is due, seconds since 1970, UTC; None if none is known.
    next_due: float | None


@dataclass(frozen=True, slots=True)
class Token:
    """What a run's process identifies with, and what is stored of it."""

    secret: str
    hash: str


@dataclass(frozen=True, slots=True)
class _Group:
    labels: frozenset[str]
    stored_labels: str
    kind: str
    priority: int
    first: float


def claim(
    connection: Connection,
    offers: Sequence[Offer],
    policy: Policy,
    now: datetime.datetime,
    new_token: Callable[[], Token],
) -> list[Handed]:
    """Hand runs that are due to agents, each to one.

    Args:
        connection: A connection that writes.
        offers: The agents, in the order of their arrival.
        policy: How long claims are good for.
        now: The time.
        new_token: Makes a token for a run's process.

    Returns:
        For each offer what came of it.
    """
    seconds = now.timestamp()
    groups = _groups(connection)
    rows: dict[int, Any] = {}
    for group in groups:
        takers = [offer for offer in offers if fits(group.labels, group.kind, offer)]
        most = sum(offer.most for offer in takers)
        until = seconds + max((offer.ahead for offer in takers), default=0.0)
        if most and group.first <= until:
            for row in _due(connection, group, until, most):
                rows[row.key] = row
    given = assign([_due_of(row) for row in rows.values()], offers, seconds)
    handed: list[list[ClaimedRun]] = [[] for _ in offers]
    changes: list[Change] = []
    tokens: list[dict[str, Any]] = []
    for place, keys in enumerate(given):
        offer = offers[place]
        for key in keys:
            change = _claim_one(rows[key], offer, policy, now)
            if change is None:
                continue
            token = new_token()
            changes.append(change)
            tokens.append(_attempt(change, offer, token, seconds))
            handed[place].append(_told(rows[key], change, token, policy))
    ownership.save_many(connection, changes, now)
    if tokens:
        connection.execute(insert(attempts), tokens)
        if not all(handed):
            # For those that go on waiting it matters when the next of the others is due.
            groups = _groups(connection)
    return [
        Handed(runs=handed[place], next_due=_next_due(groups, offer, seconds))
        for place, offer in enumerate(offers)
    ]


def _groups(connection: Connection) -> list[_Group]:
    return [
        _Group(frozenset(from_json(row.labels)), row.labels, row.kind, row.priority, row.first)
        for row in connection.execute(_GROUPS)
        if row.first is not None
    ]


def _due(connection: Connection, group: _Group, until: float, most: int) -> Sequence[Any]:
    values = {
        "its_labels": group.stored_labels,
        "its_kind": group.kind,
        "its_priority": group.priority,
        "until": until,
        "most": most,
    }
    return connection.execute(_DUE, values).all()


def _due_of(row: Any) -> Due:
    return Due(
        key=row.key,
        labels=frozenset(from_json(row.labels)),
        kind=row.kind,
        priority=row.priority,
        start_time=row.start_time,
    )


def _claim_one(row: Any, offer: Offer, policy: Policy, now: datetime.datetime) -> Change | None:
    record = ownership.record_of(row, policy)
    # The agent holds a run that it takes ahead of its time until then, so its claim counts from then.
    start_time = record.own.start_time
    at = now if start_time is None else max(now, start_time)
    after, answer = rules.claim(record.own, offer.agent, at)
    if not isinstance(answer, Granted):
        return None
    message = f"The agent {offer.name} is deploying it."
    return Change(record=record, after=after, who=offer.name, message=message)


def _attempt(change: Change, offer: Offer, token: Token, now: float) -> dict[str, Any]:
    return {
        "run_key": change.record.key,
        "attempt": change.after.attempt,
        "token_hash": token.hash,
        "agent": offer.agent,
        "agent_name": offer.name,
        "claimed": now,
    }


def _told(row: Any, change: Change, token: Token, policy: Policy) -> ClaimedRun:
    start_time = change.record.own.start_time
    assert start_time is not None
    return ClaimedRun(
        id=row.id,
        name=row.name,
        attempt=change.after.attempt,
        token=token.secret,
        start_time=start_time,
        lease=policy.claim.total_seconds(),
        flow_name=row.flow_name,
        project_name=row.project_name,
        storage=from_json(row.storage),
        run_config=from_json(row.run_config),
        labels=from_json(row.labels),
    )


def _next_due(groups: Sequence[_Group], offer: Offer, now: float) -> float | None:
    """Return when an agent could get its next run, of those that are not due for it yet."""
    return min(
        (
            group.first
            for group in groups
            if group.first > now + offer.ahead and fits(group.labels, group.kind, offer)
        ),
        default=None,
    )

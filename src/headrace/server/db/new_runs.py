"""Flow runs that are made: many at once, each key once."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, false, insert, select

from headrace.server.db.bulk import add_rows
from headrace.server.db.columns import to_json
from headrace.server.db.schema import flow_run_states, flow_runs
from headrace.server.db.templates import Template, find
from headrace.server.problems import Refusal
from headrace.wire.flow_runs import CreatedFlowRun, CreateFlowRun

#: How many values one statement is given at most.
_AT_ONCE = 400
#: The first entry of the history of runs that were just made, of which nobody has written yet.
_FIRST_ENTRIES = insert(flow_run_states).from_select(
    ["run_key", "at", "state", "message", "attempt", "who", "is_stale"],
    select(
        flow_runs.c.key,
        flow_runs.c.created,
        flow_runs.c.state,
        flow_runs.c.message,
        flow_runs.c.attempt,
        flow_runs.c.created_by,
        false(),
    ).where(flow_runs.c.id.in_(bindparam("ids", expanding=True))),
)
_WAITS_FOR_AGENT = "It waits for an agent."
_WAITS_FOR_TIME = "It waits for its start time."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A flow run that somebody asks for.

    Attributes:
        id: The id that it will have.
        name: The name that it will have.
        request: What was asked for; its own name is not looked at.
        labels: Its labels, checked and sorted; None for the flow's.
        start_time: When to start; seconds since 1970, UTC; None for at once.
        created_by: Who asks.
        now: The time; seconds since 1970, UTC.
    """

    id: str
    name: str
    request: CreateFlowRun
    labels: list[str] | None
    start_time: float | None
    created_by: str
    now: float


def create_batches(
    connection: Connection, batches: Sequence[Sequence[NewRun]]
) -> list[list[CreatedFlowRun] | BaseException]:
    """Make flow runs: for `Database.write_grouped`.

    Args:
        connection: A connection that writes.
        batches: What was asked for together: all of a batch is made, or none of it.

    Returns:
        For each batch what came of it, or why it could not be made.
    """
    results: list[list[CreatedFlowRun] | BaseException] = []
    templates: dict[tuple[str | None, ...], Template | Refusal] = {}
    rows: list[dict[str, Any]] = []
    for batch in batches:
        try:
            fresh = _rows(connection, batch, templates)
        except Refusal as refusal:
            results.append(refusal)
        else:
            rows += fresh
            results.append([])
    created = iter(insert_runs(connection, rows))
    for batch, result in zip(batches, results, strict=True):
        if isinstance(result, list):
            result.extend(islice(created, len(batch)))
    return results


def insert_runs(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[CreatedFlowRun]:
    """Insert flow runs, with the first entry of their histories.

    Args:
        connection: A connection that writes.
        rows: Rows of `flow_runs`, from `new_row`. One whose idempotency key is taken is not made.

    Returns:
        For each row the run that there is now.
    """
    taken: dict[tuple[str, str], dict[str, Any]] = {}
    fresh: list[dict[str, Any]] = []
    for row in rows:
        if row["idempotency_key"] is None:
            fresh.append(row)
        else:
            taken.setdefault((row["version_group_id"], row["idempotency_key"]), row)
    if fresh:
        columns = list(fresh[0])
        add_rows(
            connection, "flow_runs", columns, [[row[name] for name in columns] for row in fresh]
        )
    # In the order of their keys, so that two servers that make the same never wait for each other.
    keyed = [taken[key] for key in sorted(taken)]
    if keyed:
        connection.execute(_unless_taken(connection), keyed)
    there = _by_key(connection, list(taken))
    made = fresh + [row for row in keyed if there[_key(row)].id == row["id"]]
    for start in range(0, len(made), _AT_ONCE):
        ids = [row["id"] for row in made[start : start + _AT_ONCE]]
        connection.execute(_FIRST_ENTRIES, {"ids": ids})
    results = []
    for row in rows:
        run = row if row["idempotency_key"] is None else None
        found = there[_key(row)] if run is None else None
        if found is None:
            results.append(CreatedFlowRun(id=row["id"], name=row["name"]))
        else:
            is_new = found.id == row["id"]
            results.append(CreatedFlowRun(id=found.id, name=found.name, is_new=is_new))
    return results


def new_row(
    *,
    run_id: str,
    name: str,
    created_by: str,
    now: float,
    start_time: float | None,
    idempotency_key: str | None,
    is_auto_scheduled: bool = False,
    priority: int = 0,
    context: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the columns of a new run that do not depend on its flow.

    Args:
        run_id: Its id.
        name: Its name.
        created_by: Who made it.
        now: The time; seconds since 1970, UTC.
        start_time: When to start; None for at once.
        idempotency_key: Its key; there is one run of each key of a flow.
        is_auto_scheduled: Whether a schedule asked for it.
        priority: Its priority.
        context: More context keys.
    """
    waits = start_time is not None and start_time > now
    message = _WAITS_FOR_TIME if waits else _WAITS_FOR_AGENT
    at = now if start_time is None else start_time
    return {
        "id": run_id,
        "name": name,
        "state": "Scheduled",
        "message": message,
        "state_since": now,
        "created": now,
        "created_by": created_by,
        "scheduled_start_time": at,
        "context": to_json(context or {}),
        "priority": priority,
        "idempotency_key": idempotency_key,
        "is_auto_scheduled": is_auto_scheduled,
        "resumed": "[]",
        "phase": "scheduled",
        "start_time": at,
        "attempt": 0,
        "is_open": False,
        "stored": 0,
        "recoveries": 0,
        "restarted_after": 0,
        "reason": message,
    }


def _rows(
    connection: Connection,
    batch: Sequence[NewRun],
    templates: dict[tuple[str | None, ...], Template | Refusal],
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number, item in enumerate(batch, start=1):
        try:
            rows.append(_row(item, _template(connection, item.request, templates)))
        except Refusal as refusal:
            if len(batch) == 1:
                raise
            about = f"Of {len(batch)} flow runs, number {number} cannot be made, so none was. "
            raise Refusal(refusal.status, refusal.code, about + refusal.message) from None
    return rows


def _row(item: NewRun, template: Template) -> dict[str, Any]:
    request = item.request
    return new_row(
        run_id=item.id,
        name=item.name,
        created_by=item.created_by,
        now=item.now,
        start_time=item.start_time,
        idempotency_key=request.idempotency_key,
        priority=request.priority,
        context=request.context,
    ) | template.values(
        parameters=request.parameters, labels=item.labels, run_config=request.run_config
    )


def _template(
    connection: Connection,
    request: CreateFlowRun,
    known: dict[tuple[str | None, ...], Template | Refusal],
) -> Template:
    """Return the version that is asked for; each is looked for once in a batch."""
    named = (request.flow_id, request.version_group_id, request.project_name, request.flow_name)
    found = known.get(named)
    if found is None:
        try:
            found = find(connection, request)
        except Refusal as refusal:
            found = refusal
        known[named] = found
    if isinstance(found, Refusal):
        raise found
    return found


def _unless_taken(connection: Connection) -> Any:
    """Return an insertion that leaves out rows whose idempotency key is taken."""
    # Only one of them is ever needed, and PostgreSQL's takes a tenth of a server's start.
    dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    return dialect.insert(flow_runs).on_conflict_do_nothing(
        index_elements=["version_group_id", "idempotency_key"]
    )


def _key(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["version_group_id"], row["idempotency_key"]


def _by_key(
    connection: Connection, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Row[Any]]:
    """Return id and name of the runs of these keys."""
    columns = flow_runs.c
    by_group: dict[str, list[str]] = defaultdict(list)
    for group_id, key in keys:
        by_group[group_id].append(key)
    found: dict[tuple[str, str], Row[Any]] = {}
    # Group by group: SQLite has no index for pairs that it is given as such.
    for group_id, of_group in by_group.items():
        for start in range(0, len(of_group), _AT_ONCE):
            choice: Select[Any] = select(columns.id, columns.name, columns.idempotency_key).where(
                columns.version_group_id == group_id,
                columns.idempotency_key.in_(of_group[start : start + _AT_ONCE]),
            )
            for row in connection.execute(choice):
                found[group_id, row.idempotency_key] = row
    return found


def moment_of(start_time: datetime.datetime | None) -> float | None:
    """Return a start time as the tables keep it; one without a zone is taken as UTC."""
    if start_time is None:
        return None
    if start_time.tzinfo is None:
        start_time = start_time.replace(tzinfo=datetime.UTC)
    return start_time.timestamp()

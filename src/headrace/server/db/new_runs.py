"""Flow runs that are made: many at once, each key once."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, insert, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from headrace.server.db import projects as in_projects
from headrace.server.db.columns import from_json, to_json
from headrace.server.db.schema import flow_run_states, flow_runs, flows, projects, version_groups
from headrace.server.problems import Refusal
from headrace.server.rules.kinds import ANY, kind_of
from headrace.server.rules.naming import did_you_mean
from headrace.server.rules.parameters import check_parameters
from headrace.server.rules.run_labels import run_labels
from headrace.wire.flow_runs import CreatedFlowRun, CreateFlowRun
from headrace.wire.flows import SetOverrides

#: How many values one statement is given at most.
_AT_ONCE = 400
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


@dataclass(frozen=True, slots=True)
class Template:
    """A version of a flow, as runs are made of it.

    Attributes:
        flow: The version: a row of `flows`, with its group's overrides.
        parameters: The parameters that it declares.
        overrides: What all runs of the flow take instead of what was registered.
    """

    flow: Row[Any]
    parameters: list[dict[str, Any]]
    overrides: SetOverrides

    @classmethod
    def of(cls, row: Row[Any]) -> Template:
        """Make it of a row that `TEMPLATES` gave."""
        overrides = from_json(row.overrides)
        return cls(row, from_json(row.parameters), SetOverrides(**overrides))

    def values(
        self,
        *,
        parameters: Mapping[str, Any],
        labels: Iterable[str] | None,
        run_config: dict[str, Any] | None,
    ) -> dict[str, Any]:
        """Return the columns of a run that depend on its flow.

        Args:
            parameters: Values of parameters, over the flow's overrides.
            labels: Labels instead of the flow's.
            run_config: A run config instead of the flow's.

        Raises:
            Refusal: If the flow does not take these parameters, or needs more; 422.
        """
        flow, overrides = self.flow, self.overrides
        values = {**(overrides.parameters or {}), **parameters}
        check_parameters(self.parameters, values, flow.name)
        own_config = from_json(flow.run_config)
        other_config = run_config if run_config is not None else overrides.run_config
        found = run_labels(
            from_json(flow.labels),
            flow_run_config=own_config,
            storage=from_json(flow.storage),
            # A run config that is given with the run brings its labels; the overrides' do not count.
            labels=overrides.labels if labels is None and run_config is None else labels,
            run_config=other_config,
        )
        config = own_config if other_config is None else other_config
        return {
            "flow_id": flow.id,
            "version_group_id": flow.version_group_id,
            "parameters": to_json(values),
            "labels": to_json(found),
            "run_config": None if config is None else to_json(config),
            "kind": kind_of(config) or ANY,
            "max_recoveries": flow.max_recoveries,
            "on_disconnect": flow.on_disconnect,
            "lost_after": flow.lost_after,
        }


#: Versions of flows, as `Template.of` takes them.
TEMPLATES: Select[Any] = (
    select(
        *(column for column in flows.c if column.name not in ("graph", "notes")),
        version_groups.c.overrides,
        version_groups.c.schedule_active,
        projects.c.name.label("project_name"),
    )
    .join(version_groups, version_groups.c.id == flows.c.version_group_id)
    .join(projects, projects.c.id == flows.c.project_id)
)


def create_many(
    connection: Connection, items: Sequence[NewRun]
) -> list[CreatedFlowRun | BaseException]:
    """Make flow runs: for `Database.write_grouped`.

    Returns:
        For each item what came of it, or why it could not be made.
    """
    results: list[CreatedFlowRun | BaseException | None] = [None] * len(items)
    templates: dict[tuple[str | None, ...], Template | Refusal] = {}
    rows: list[dict[str, Any]] = []
    places: list[int] = []
    for place, item in enumerate(items):
        try:
            template = _template(connection, item.request, templates)
            rows.append(_row(item, template))
            places.append(place)
        except Refusal as refusal:
            results[place] = refusal
    for place, created in zip(places, insert_runs(connection, rows), strict=True):
        results[place] = created
    return [result for result in results if result is not None]


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
        connection.execute(insert(flow_runs), fresh)
    # In the order of their keys, so that two servers that make the same never wait for each other.
    keyed = [taken[key] for key in sorted(taken)]
    if keyed:
        connection.execute(_unless_taken(connection), keyed)
    there = _by_key(connection, list(taken))
    made = fresh + [row for row in keyed if there[_key(row)].id == row["id"]]
    for start in range(0, len(made), _AT_ONCE):
        ids = [row["id"] for row in made[start : start + _AT_ONCE]]
        connection.execute(_first_entries(ids))
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
            found = _find(connection, request)
        except Refusal as refusal:
            found = refusal
        known[named] = found
    if isinstance(found, Refusal):
        raise found
    return found


def _find(connection: Connection, request: CreateFlowRun) -> Template:
    if request.flow_id is not None:
        row = connection.execute(TEMPLATES.where(flows.c.id == request.flow_id)).one_or_none()
        if row is None:
            raise Refusal(
                404,
                "flow_not_found",
                f"There is no version of a flow with the id {request.flow_id!r}. See which there "
                f"are with: headrace flow list",
            )
        return Template.of(row)
    if request.version_group_id is not None:
        row = _newest(connection, flows.c.version_group_id == request.version_group_id)
        if row is None:
            raise Refusal(
                404,
                "flow_not_found",
                f"There is no flow with the version group {request.version_group_id!r}. See which "
                f"there are with: headrace flow list",
            )
    elif request.flow_name is not None and request.project_name is not None:
        project_id = in_projects.id_of(connection, request.project_name)
        named = (flows.c.project_id == project_id) & (flows.c.name == request.flow_name)
        row = _newest(connection, named)
        if row is None:
            raise _unknown(connection, project_id, request.project_name, request.flow_name)
    else:
        raise Refusal(
            422,
            "no_flow",
            "Say which flow to run: flow_id, or version_group_id, or flow_name with project_name.",
        )
    if row.is_archived:
        raise Refusal(
            409,
            "flow_archived",
            f"All versions of the flow {row.name!r} of the project {row.project_name!r} are "
            f"archived. Register it again, or run one version by its flow_id.",
        )
    return Template.of(row)


def _newest(connection: Connection, which: ColumnElement[bool]) -> Row[Any] | None:
    """Return the current version of a flow, or the latest one if all are archived."""
    newest = TEMPLATES.where(which).order_by(flows.c.is_archived, flows.c.created.desc())
    return connection.execute(newest.limit(1)).one_or_none()


def _unknown(connection: Connection, project_id: str, project: str, name: str) -> Refusal:
    choice = select(flows.c.name).where(flows.c.project_id == project_id).distinct()
    known = connection.scalars(choice).all()
    has = "" if known else " It has none yet: register one with headrace register."
    return Refusal(
        404,
        "flow_not_found",
        f"There is no flow {name!r} in the project {project!r}.{did_you_mean(name, known)}{has} "
        f"See which there are with: headrace flow list",
    )


def _unless_taken(connection: Connection) -> Any:
    """Return an insertion that leaves out rows whose idempotency key is taken."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
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
    found: dict[tuple[str, str], Row[Any]] = {}
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        choice: Select[Any] = select(
            columns.id, columns.name, columns.version_group_id, columns.idempotency_key
        ).where(tuple_(columns.version_group_id, columns.idempotency_key).in_(some))
        for row in connection.execute(choice):
            found[row.version_group_id, row.idempotency_key] = row
    return found


def _first_entries(ids: Sequence[str]) -> Any:
    columns = flow_runs.c
    return insert(flow_run_states).from_select(
        ["run_key", "at", "state", "message", "attempt", "who", "is_stale"],
        select(
            columns.key,
            columns.created,
            columns.state,
            columns.message,
            columns.attempt,
            columns.created_by,
            # Never auto-opened on creation: nobody has written yet.
            columns.is_open,
        ).where(columns.id.in_(ids)),
    )


def moment_of(start_time: datetime.datetime | None) -> float | None:
    """Return a start time as the tables keep it; one without a zone is taken as UTC."""
    if start_time is None:
        return None
    if start_time.tzinfo is None:
        start_time = start_time.replace(tzinfo=datetime.UTC)
    return start_time.timestamp()

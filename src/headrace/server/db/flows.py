"""Versions of flows in the database: looked at, archived, deleted, switched on and off."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, and_, delete, select, update

from headrace.server.db.columns import from_json, to_json, to_time
from headrace.server.db.scheduled_runs import unclaimed
from headrace.server.db.schema import flow_runs, flows, projects, version_groups
from headrace.server.problems import Refusal, not_found
from headrace.server.rules.planning import what_keeps_it
from headrace.wire.flows import Flow, SetOverrides

_LISTED: Select[Any] = (
    select(
        *(column for column in flows.c if column.name != "graph"),
        version_groups.c.schedule_active,
        version_groups.c.overrides,
        projects.c.name.label("project_name"),
    )
    .join(version_groups, version_groups.c.id == flows.c.version_group_id)
    .join(projects, projects.c.id == flows.c.project_id)
)
_WHOLE = _LISTED.add_columns(flows.c.graph)


def get(connection: Connection, flow_id: str) -> Flow:
    """Return one version of a flow, with its graph.

    Raises:
        Refusal: If there is none of this id; 404.
    """
    row = connection.execute(_WHOLE.where(flows.c.id == flow_id)).one_or_none()
    if row is None:
        raise unknown_flow(flow_id)
    flow = _flow(row, _next_runs(connection))
    flow.graph = from_json(row.graph)
    return flow


def listed(
    connection: Connection,
    *,
    project: str | None,
    name: str | None,
    archived: bool,
    limit: int,
) -> list[Flow]:
    """Return versions of flows without their graphs, by project and name, the newest first.

    Args:
        connection: The connection.
        project: Of this project.
        name: Of flows of this name.
        archived: Whether those that are archived are among them.
        limit: How many at most.
    """
    choice = _LISTED
    if project is not None:
        choice = choice.where(projects.c.name == project)
    if name is not None:
        choice = choice.where(flows.c.name == name)
    if not archived:
        choice = choice.where(flows.c.is_archived.is_(False))
    choice = choice.order_by(projects.c.name, flows.c.name, flows.c.created.desc()).limit(limit)
    next_runs = _next_runs(connection)
    return [_flow(row, next_runs) for row in connection.execute(choice)]


def archive(connection: Connection, flow_id: str) -> str:
    """Archive a version: its schedule makes no more runs, and nobody runs it by its name.

    Returns:
        The id of its version group.

    Raises:
        Refusal: If there is none of this id; 404.
    """
    group_id = _group_of(connection, flow_id)
    connection.execute(update(flows).where(flows.c.id == flow_id).values(is_archived=True))
    return group_id


def remove(connection: Connection, flow_id: str) -> None:
    """Delete a version, with its runs; with the last one of its group, the group goes, too.

    Raises:
        Refusal: If there is none of this id (404), or one of its runs is being run (409).
    """
    group_id = _group_of(connection, flow_id)
    of_flow = and_(flow_runs.c.flow_id == flow_id, flow_runs.c.phase.in_(("claimed", "running")))
    busy = connection.scalars(select(flow_runs.c.id).where(of_flow).limit(1)).first()
    if busy is not None:
        raise Refusal(
            409,
            "flow_busy",
            f"The flow run {busy} of this version is being run. Cancel what is being run first: "
            f"headrace flow-run cancel {busy}",
        )
    connection.execute(delete(flows).where(flows.c.id == flow_id))
    rest = select(flows.c.id).where(flows.c.version_group_id == group_id).limit(1)
    if connection.scalar(rest) is None:
        connection.execute(delete(version_groups).where(version_groups.c.id == group_id))


def set_schedule(connection: Connection, group_id: str, active: bool) -> None:
    """Switch the schedule of a flow on or off, for this version and those to come.

    Raises:
        Refusal: If there is no such version group (404), or the flow has no schedule (409).
    """
    locked_group(connection, group_id)
    if active:
        choice = select(flows.c.name, flows.c.schedule).where(
            flows.c.version_group_id == group_id, flows.c.is_archived.is_(False)
        )
        row = connection.execute(choice).first()
        if row is None or row.schedule is None:
            what = "has no version that is not archived" if row is None else "has no schedule"
            raise Refusal(
                409,
                "no_schedule",
                f"The flow of the version group {group_id} {what}: there is nothing to switch on. "
                f"Register it with a schedule.",
            )
    connection.execute(
        update(version_groups).where(version_groups.c.id == group_id).values(schedule_active=active)
    )


def set_overrides(connection: Connection, group_id: str, change: SetOverrides) -> None:
    """Change what all future runs of a flow take instead of what was registered.

    Raises:
        Refusal: If there is no such version group; 404.
    """
    group = locked_group(connection, group_id)
    overrides: dict[str, Any] = {} if change.reset else from_json(group.overrides)
    for name in ("parameters", "labels", "run_config"):
        value = getattr(change, name)
        if value is not None:
            overrides[name] = value
    connection.execute(
        update(version_groups)
        .where(version_groups.c.id == group_id)
        .values(overrides=to_json(overrides))
    )


def locked_group(connection: Connection, group_id: str) -> Row[Any]:
    """Return a version group's row, which nobody else changes until the transaction's end.

    Raises:
        Refusal: If there is none of this id; 404.
    """
    choice = select(version_groups).where(version_groups.c.id == group_id).with_for_update()
    row = connection.execute(choice).one_or_none()
    if row is None:
        raise not_found("version group", group_id, "See which there are with: headrace flow list")
    return row


def current_of(connection: Connection, group_id: str) -> Flow | None:
    """Return the current version of a version group, with its graph; None if all are archived."""
    choice = _WHOLE.where(flows.c.version_group_id == group_id, flows.c.is_archived.is_(False))
    row = connection.execute(choice).first()
    if row is None:
        return None
    flow = _flow(row, _next_runs(connection))
    flow.graph = from_json(row.graph)
    return flow


def unknown_flow(flow_id: str) -> Refusal:
    """Return the refusal that says that there is no such version of a flow."""
    return not_found("flow", flow_id, "See which there are with: headrace flow list")


def _group_of(connection: Connection, flow_id: str) -> str:
    choice = select(flows.c.version_group_id).where(flows.c.id == flow_id)
    group_id: str | None = connection.scalar(choice)
    if group_id is None:
        raise unknown_flow(flow_id)
    locked_group(connection, group_id)
    return group_id


def _next_runs(connection: Connection) -> dict[str, float]:
    """Return when the next scheduled run of each version starts that has one."""
    # Not grouped by the database, which would go through all runs there ever were for that.
    choice = select(flow_runs.c.flow_id, flow_runs.c.start_time).where(unclaimed())
    found: dict[str, float] = {}
    for flow_id, start_time in connection.execute(choice):
        found[flow_id] = min(start_time, found.get(flow_id, start_time))
    return found


def _flow(row: Row[Any], next_runs: dict[str, float]) -> Flow:
    schedule, parameters = from_json(row.schedule), from_json(row.parameters)
    overrides, notes = from_json(row.overrides), from_json(row.notes)
    if schedule is not None and row.schedule_active and not row.is_archived:
        # A schedule that makes no runs has to say why.
        wrong = what_keeps_it(schedule, parameters, overrides.get("parameters") or {}, row.name)
        if wrong is not None:
            notes = [*notes, wrong]
    return Flow(
        id=row.id,
        name=row.name,
        project_name=row.project_name,
        version=row.version,
        version_group_id=row.version_group_id,
        is_archived=row.is_archived,
        created=to_time(row.created),
        hash=row.hash,
        schedule=schedule,
        schedule_active=row.schedule_active,
        storage=from_json(row.storage),
        run_config=from_json(row.run_config),
        labels=from_json(row.labels),
        parameters=parameters,
        max_recoveries=row.max_recoveries,
        on_disconnect=row.on_disconnect,
        lost_after=row.lost_after,
        notes=notes,
        next_run=to_time(next_runs.get(row.id)),
        overrides=overrides,
    )

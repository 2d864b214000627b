"""Versions of flows that are registered."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from headrace.server.db import projects as in_projects
from headrace.server.db import scheduled_runs
from headrace.server.db.columns import from_json, to_json
from headrace.server.db.schema import flows, version_groups
from headrace.server.problems import Refusal
from headrace.server.rules.ownership import Policy
from headrace.server.rules.planning import PlannedRun, what_keeps_it
from headrace.wire.flows import Registered, RegisterFlow


def register(
    connection: Connection,
    request: RegisterFlow,
    planned: Sequence[PlannedRun],
    *,
    policy: Policy,
    now: datetime.datetime,
) -> Registered:
    """Make a new version of a flow, unless it is the one that there is.

    Args:
        connection: A connection that writes.
        request: What is registered, checked; its labels are sorted.
        planned: What its schedule asks for next.
        policy: How patient the server is.
        now: The time.

    Raises:
        Refusal: If the project or the version group does not go with it.
    """
    # Whoever registers in this project at the same time waits here: one version for each change.
    project_id = in_projects.id_of(connection, request.project, locked=True)
    group = _group(connection, project_id, request, now)
    latest = connection.execute(
        select(flows)
        .where(flows.c.version_group_id == group.id)
        .order_by(flows.c.version.desc())
        .limit(1)
    ).one_or_none()
    is_active = (
        group.schedule_active if request.schedule_active is None else request.schedule_active
    )
    if is_active and request.schedule is not None:
        _check_clocks(request, from_json(group.overrides).get("parameters") or {})
    connection.execute(
        update(version_groups)
        .where(version_groups.c.id == group.id)
        .values(schedule_active=is_active, name=request.name)
    )
    is_new = latest is None or request.force or not _is_unchanged(request, latest)
    if is_new:
        version = 1 if latest is None else latest.version + 1
        flow_id = _insert(connection, request, project_id, group.id, version, now)
        scheduled_runs.hand_over(connection, group.id, flow_id, policy=policy, now=now)
    else:
        assert latest is not None
        version, flow_id = latest.version, latest.id
        connection.execute(
            update(flows)
            .where(flows.c.id == flow_id)
            .values(
                is_archived=False, idempotency_key=request.idempotency_key, **_settings(request)
            )
        )
    if is_active:
        # A version that stays keeps its schedule, of which the scheduler makes the runs.
        if is_new or (latest is not None and _json_or_none(request.schedule) == latest.schedule):
            scheduled_runs.fill(connection, flow_id, planned, now.timestamp())
    else:
        scheduled_runs.take_back(connection, group.id)
    return Registered(id=flow_id, version=version, version_group_id=group.id, is_new=is_new)


def _group(
    connection: Connection, project_id: str, request: RegisterFlow, now: datetime.datetime
) -> Row[Any]:
    """Return the version group, locked; it is made if there is none."""
    columns = version_groups.c
    choice = select(version_groups).with_for_update()
    if request.version_group_id is not None:
        choice = choice.where(columns.id == request.version_group_id)
    else:
        choice = choice.where(columns.project_id == project_id, columns.name == request.name)
    group = connection.execute(choice.order_by(columns.created.desc()).limit(1)).one_or_none()
    if group is None:
        group_id = request.version_group_id or str(uuid.uuid4())
        values = {
            "id": group_id,
            "project_id": project_id,
            "name": request.name,
            "schedule_active": True,
            "overrides": "{}",
            "created": now.timestamp(),
        }
        connection.execute(insert(version_groups), values)
        return connection.execute(select(version_groups).where(columns.id == group_id)).one()
    if group.project_id != project_id:
        raise Refusal(
            409,
            "other_project",
            f"The version group {group.id} belongs to another project than {request.project!r}. "
            f"Leave version_group_id out, or register in that project.",
        )
    return group


def _is_unchanged(request: RegisterFlow, latest: Row[Any]) -> bool:
    if request.idempotency_key is not None:
        return bool(request.idempotency_key == latest.idempotency_key)
    return bool(request.hash == latest.hash)


def _check_clocks(request: RegisterFlow, overrides: dict[str, Any]) -> None:
    assert request.schedule is not None
    declared = request.graph.get("parameters") or []
    wrong = what_keeps_it(request.schedule, declared, overrides, request.name)
    if wrong is not None:
        raise Refusal(
            422,
            "bad_schedule",
            f"The flow {request.name!r} cannot run by its schedule. {wrong} Give its clocks "
            f"parameter_defaults, or register it with the schedule off.",
        )


def _insert(
    connection: Connection,
    request: RegisterFlow,
    project_id: str,
    group_id: str,
    version: int,
    now: datetime.datetime,
) -> str:
    flow_id = str(uuid.uuid4())
    connection.execute(
        update(flows).where(flows.c.version_group_id == group_id).values(is_archived=True)
    )
    values = {
        "id": flow_id,
        "project_id": project_id,
        "version_group_id": group_id,
        "name": request.name,
        "version": version,
        "is_archived": False,
        "created": now.timestamp(),
        "hash": request.hash,
        "idempotency_key": request.idempotency_key,
        "graph": to_json(request.graph),
        "parameters": to_json(request.graph.get("parameters") or []),
        "schedule": _json_or_none(request.schedule),
        "storage": _json_or_none(request.storage),
        "run_config": _json_or_none(request.run_config),
        "labels": to_json(request.labels),
        **_settings(request),
    }
    connection.execute(insert(flows), values)
    return flow_id


def _settings(request: RegisterFlow) -> dict[str, Any]:
    """Return the columns that an unchanged flow may change without a new version."""
    return {
        "notes": to_json(request.notes),
        "max_recoveries": request.max_recoveries,
        "on_disconnect": request.on_disconnect,
        "lost_after": request.lost_after,
    }


def _json_or_none(value: dict[str, Any] | None) -> str | None:
    return None if value is None else to_json(value)

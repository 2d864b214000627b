"""Projects in the database."""

from __future__ import annotations

import shlex
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from headrace.server.db.columns import to_time
from headrace.server.db.schema import flow_runs, flows, projects, version_groups
from headrace.server.problems import Refusal
from headrace.server.rules.naming import did_you_mean
from headrace.wire.projects import Project

_FLOWS = (
    select(func.count())
    .select_from(version_groups)
    .where(version_groups.c.project_id == projects.c.id)
    .scalar_subquery()
)
_CHOICE = select(projects, _FLOWS.label("flows"))


def create(
    connection: Connection, project_id: str, name: str, description: str, now: float
) -> Project:
    """Make a project.

    Args:
        connection: A connection that writes.
        project_id: Its id.
        name: Its name.
        description: What it is for.
        now: The time; seconds since 1970, UTC.

    Raises:
        Refusal: If there is one of this name; 409.
    """
    values = {"id": project_id, "name": name, "description": description, "created": now}
    try:
        connection.execute(insert(projects), values)
    except IntegrityError:
        # The savepoint that each write runs in is rolled back.
        raise Refusal(
            409, "project_exists", f"There is a project {name!r} already. Use it, or another name."
        ) from None
    return get(connection, name)


def listed(connection: Connection) -> list[Project]:
    """Return all projects, by name."""
    return [_project(row) for row in connection.execute(_CHOICE.order_by(projects.c.name))]


def get(connection: Connection, name: str) -> Project:
    """Return a project.

    Raises:
        Refusal: If there is none of this name; 404.
    """
    row = connection.execute(_CHOICE.where(projects.c.name == name)).one_or_none()
    if row is None:
        raise _unknown(connection, name)
    return _project(row)


def id_of(connection: Connection, name: str, *, locked: bool = False) -> str:
    """Return a project's id.

    Args:
        connection: The connection.
        name: The project's name.
        locked: Whether nobody else may register in it until the end of the transaction.

    Raises:
        Refusal: If there is none of this name; 404.
    """
    choice = select(projects.c.id).where(projects.c.name == name)
    found: str | None = connection.scalar(choice.with_for_update() if locked else choice)
    if found is None:
        raise _unknown(connection, name)
    return found


def remove(connection: Connection, name: str) -> None:
    """Delete a project, with its flows and their runs.

    Raises:
        Refusal: If there is none of this name (404), or one of its runs is being run (409).
    """
    project_id = id_of(connection, name, locked=True)
    of_project = select(flows.c.id).where(flows.c.project_id == project_id)
    choice = select(flow_runs.c.id).where(
        flow_runs.c.flow_id.in_(of_project), flow_runs.c.phase.in_(("claimed", "running"))
    )
    busy = connection.scalars(choice.limit(1)).first()
    if busy is not None:
        raise Refusal(
            409,
            "project_busy",
            f"The flow run {busy} of the project {name!r} is being run. Cancel what is being run "
            f"first: headrace flow-run cancel {busy}",
        )
    connection.execute(delete(flows).where(flows.c.project_id == project_id))
    connection.execute(delete(projects).where(projects.c.id == project_id))


def _unknown(connection: Connection, name: str) -> Refusal:
    known = connection.scalars(select(projects.c.name)).all()
    return Refusal(
        404,
        "project_not_found",
        f"There is no project {name!r}.{did_you_mean(name, known)} Make it with: "
        f"headrace project create {shlex.quote(name)}",
    )


def _project(row: Row[Any]) -> Project:
    return Project(
        id=row.id,
        name=row.name,
        description=row.description,
        created=to_time(row.created),
        flows=row.flows,
    )

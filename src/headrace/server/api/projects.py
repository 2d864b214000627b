"""Projects: made, listed, deleted."""

from __future__ import annotations

import uuid
from pathlib import Path

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from headrace.core.now import timestamp
from headrace.server.db import projects
from headrace.server.parts import Parts
from headrace.server.rules.naming import check_name
from headrace.wire.projects import CreateProject, Project

_LONGEST_DESCRIPTION = 10_000


@post("/api/projects", needs="user")
async def create_project(data: JSONBody[CreateProject], parts: NamedDependency[Parts]) -> Project:
    """Make a project."""
    name = check_name("A project's name", data.name)
    description = data.description[:_LONGEST_DESCRIPTION]
    return await parts.database.write(
        lambda c: projects.create(c, str(uuid.uuid4()), name, description, timestamp())
    )


@get("/api/projects", needs="read")
async def list_projects(parts: NamedDependency[Parts]) -> list[Project]:
    """List all projects, by name."""
    return await parts.database.read(projects.listed)


@get("/api/projects/{name:path}", needs="read")
async def get_project(name: FromPath[Path], parts: NamedDependency[Parts]) -> Project:
    """Look at a project."""
    return await parts.database.read(lambda c: projects.get(c, _plain(name)))


@delete("/api/projects/{name:path}", needs="user")
async def delete_project(name: FromPath[Path], parts: NamedDependency[Parts]) -> None:
    """Delete a project, with its flows and their runs."""
    await parts.database.write(lambda c: projects.remove(c, _plain(name)))
    parts.hub.notify("schedules")


def _plain(name: Path) -> str:
    # A name may hold slashes, which have no other form in a path than themselves.
    return str(name).removeprefix("/")


routes = [create_project, list_projects, get_project, delete_project]

"""A server's database, opened in the test's own process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy import Connection, select

from headrace.server.db import migrate
from headrace.server.db.database import Database
from headrace.server.db.schema import agents


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Open a database, with its tables, for the length of a `with` block."""
    migrate.prepare(url)
    database = Database.open(url)
    try:
        yield database
    finally:
        await database.close()


def add_agent(name: str) -> Callable[[Connection], str]:
    """Return a write that adds an agent of this name: a short row of its own."""
    row = {"id": name, "name": name, "kind": "local", "labels": "[]"}

    def add(connection: Connection) -> str:
        connection.execute(agents.insert(), row | {"first_seen": 0.0, "last_seen": 0.0})
        return name

    return add


def agent_names(connection: Connection) -> list[str]:
    """Read the names of the agents that are there."""
    return sorted(connection.execute(select(agents.c.id)).scalars())

"""A server's database, opened in the test's own process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from headrace.server.db import migrate
from headrace.server.db.database import Database


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Open a database, with its tables, for the length of a `with` block."""
    migrate.prepare(url)
    database = Database.open(url)
    try:
        yield database
    finally:
        await database.close()

"""A server does not write into a file that nobody will find again."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from headrace.core.errors import DatabaseUnavailable
from headrace.server.db.schema import agents
from tests.support.stores import opened


def _add(name: str):
    row = {"id": name, "name": name, "kind": "local", "labels": "[]"}

    def add(connection: Connection) -> str:
        connection.execute(agents.insert(), row | {"first_seen": 0.0, "last_seen": 0.0})
        return name

    return add


def _names(connection: Connection) -> list[str]:
    return sorted(connection.execute(select(agents.c.id)).scalars())


def test_nothing_is_taken_into_a_file_that_is_gone(tmp_path: Path):
    file = tmp_path / "headrace.db"

    async def scenario() -> None:
        async with opened(f"sqlite:///{file}") as database:
            await database.write(_add("kept"))
            file.rename(tmp_path / "moved.db")
            for use in (database.write(_add("lost")), database.read(_names)):
                with pytest.raises(DatabaseUnavailable, match="moved, removed or replaced"):
                    await use
            file.touch()
            with pytest.raises(DatabaseUnavailable, match="moved, removed or replaced"):
                await database.write(_add("lost"))
            (tmp_path / "moved.db").rename(file)
            await database.write(_add("more"))
            assert await database.read(_names) == ["kept", "more"]

    asyncio.run(scenario())

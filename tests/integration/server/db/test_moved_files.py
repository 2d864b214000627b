"""A server does not write into a file that nobody will find again."""

import asyncio
from pathlib import Path

import pytest

from headrace.core.errors import DatabaseUnavailable
from tests.support.stores import add_agent, agent_names, opened


def test_nothing_is_taken_into_a_file_that_is_gone(tmp_path: Path):
    file = tmp_path / "headrace.db"

    async def scenario() -> None:
        async with opened(f"sqlite:///{file}") as database:
            await database.write(add_agent("kept"))
            file.rename(tmp_path / "moved.db")
            for use in (database.write(add_agent("lost")), database.read(agent_names)):
                with pytest.raises(DatabaseUnavailable, match="moved, removed or replaced"):
                    await use
            file.touch()
            with pytest.raises(DatabaseUnavailable, match="moved, removed or replaced"):
                await database.write(add_agent("lost"))
            (tmp_path / "moved.db").rename(file)
            await database.write(add_agent("more"))
            assert await database.read(agent_names) == ["kept", "more"]

    asyncio.run(scenario())

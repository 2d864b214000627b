"""Fixtures: the databases that a server can keep its record in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.postgres import PostgreSQL, postgresql


@pytest.fixture(scope="session", name="postgresql")
def postgresql_server() -> Iterator[PostgreSQL]:
    """One PostgreSQL for the whole test run, which forgets what a power cut would lose."""
    with postgresql() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database of the test's own: once on SQLite, once on PostgreSQL."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            yield f"sqlite:///{tmp_path / 'headrace.db'}"
        else:
            server: PostgreSQL = request.getfixturevalue("postgresql")
            yield stack.enter_context(server.database())

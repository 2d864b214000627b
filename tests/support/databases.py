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
    yield from _database(request, tmp_path)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_database_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a database that the tests of a file share, for a server that they share."""
    yield from _database(request, tmp_path_factory.mktemp("database"))


def _database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    with ExitStack() as stack:
        if request.param == "sqlite":
            yield f"sqlite:///{folder / 'headrace.db'}"
        else:
            server: PostgreSQL = request.getfixturevalue("postgresql")
            yield stack.enter_context(server.database())

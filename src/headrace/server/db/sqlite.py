"""SQLite: the embedded database, one file under the home directory by default."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from headrace.config.private import make_private
from headrace.core.errors import DatabaseUnavailable

#: For how many milliseconds a connection waits for another process that writes.
BUSY_TIMEOUT = 10_000

#: How many rows one statement inserts: 1,000, then what is left, from the largest that fits.
#: While a statement runs other threads do, so few large ones are faster than many small ones;
#: SQLite compiles each length once.
_STEPS = (1_000, 100, 10, 1)


def default_url(home: Path) -> URL:
    """Return where the database is if nobody says otherwise, and make its directory.

    Args:
        home: The home directory.
    """
    directory = home / "server"
    # Parameters of flow runs are nobody else's business.
    make_private(directory)
    return URL.create("sqlite", database=str(directory / "headrace.db"))


def make_engine(url: URL, *, connections: int, writes: bool) -> Engine:
    """Make an engine whose connections are durable, or only read.

    Args:
        url: Where the database is.
        connections: How many connections there are at most.
        writes: Whether its transactions write: they take the lock at once then, so that none fails
            later because another process has written in between.
    """
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        # Parameters of flow runs have no place in messages and logs.
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT / 1000},
    )
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
    if url.database not in (None, "", ":memory:"):
        # Made here, as SQLite would let everybody read it; its other files take after it.
        with contextlib.suppress(OSError):  # which it says better itself
            os.close(os.open(str(url.database), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    file = _file_at(url)

    def check() -> None:
        if _file_at(url) != file:
            raise DatabaseUnavailable(
                f"The database's file {url.database} was moved, removed or replaced while it is in "
                f"use, and what were written now would be lost. Put the file back, with the one that "
                f"ends in -wal, or stop the server and start it with the file that there is."
            )

    @event.listens_for(engine, "do_connect")
    def _connect(*_: object) -> None:
        check()  # before SQLite makes a new one

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        # Python's driver is not to begin transactions by itself: `_begin` does.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        # What was answered for must survive the loss of power.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}")
        cursor.execute("PRAGMA temp_store = MEMORY")
        # 16 MiB for pages; a checkpoint each 16 MiB that were written.
        cursor.execute("PRAGMA cache_size = -16384")
        cursor.execute("PRAGMA wal_autocheckpoint = 4096")
        if not writes:
            cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        check()
        connection.exec_driver_sql(begin)

    return engine


def _file_at(url: URL) -> tuple[int, int] | None:
    """Return which file a database is at the moment; None if it is in memory, or gone."""
    try:
        found = os.stat(str(url.database))
    except OSError:
        return None
    return found.st_dev, found.st_ino


def insert_rows(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    otherwise: str = "",
) -> None:
    """Insert many rows.

    Args:
        connection: The connection.
        table: The table's name.
        columns: The names of its columns, in the order of the values.
        rows: The values of each row.
        otherwise: What follows the values: `ON CONFLICT …`.
    """
    done = 0
    for step in _STEPS:
        while len(rows) - done >= step:
            values = tuple(chain.from_iterable(rows[done : done + step]))
            statement = _insert(table, tuple(columns), step, otherwise)
            connection.exec_driver_sql(statement, values)
            done += step


@lru_cache(maxsize=32)
def _insert(table: str, columns: tuple[str, ...], rows: int, otherwise: str) -> str:
    row = f"({', '.join('?' * len(columns))})"
    values = ", ".join([row] * rows)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values} {otherwise}"  # noqa: S608 - names of our own

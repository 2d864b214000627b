"""The server's database: reads side by side, writes one after another and many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from headrace.core.errors import DatabaseBusy, DatabaseError, DatabaseUnavailable
from headrace.server.db.writer import Job, Writer

Result = TypeVar("Result")
Item = TypeVar("Item")

#: How many reads are served side by side, and how many may wait.
_READERS = 4
_MOST_READS = 5_000


class Database:
    """Reads in a pool of threads, writes in one thread, all on plain Core connections.

    A function that is given to `read` or `write` runs in another thread, within a transaction, and
    must not keep the connection. As a transaction may be done again, a function that writes may be
    called more than once; only its last call counts, so it had better change nothing but the
    database. Make it by `open`.
    """

    def __init__(self, readers: Engine, writer: Engine) -> None:
        self._readers = readers
        self._writing = writer
        self._threads = ThreadPoolExecutor(_READERS, "headrace-reader")
        self._reading = 0
        self._writer = Writer(writer)

    @classmethod
    def open(cls, url: str | URL) -> Database:
        """Open a database; its tables must be there (see `migrate`).

        Args:
            url: `sqlite:///path` or `postgresql://user:password@host/name`.

        Raises:
            DatabaseError: If the URL is of no such kind.
            MissingExtraError: If PostgreSQL's driver is not installed.
        """
        parsed = parse_url(url)
        return cls(
            make_engine(parsed, connections=_READERS, writes=False),
            make_engine(parsed, connections=1, writes=True),
        )

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._writing.dialect.name

    @property
    def url(self) -> URL:
        """Where the database is."""
        return self._writing.url

    @property
    def waiting(self) -> int:
        """How many writes wait for their turn."""
        return self._writer.waiting

    @property
    def commits(self) -> int:
        """How many transactions were committed since the start."""
        return self._writer.commits

    @property
    def performed(self) -> int:
        """How many writes were performed since the start; failed ones are counted too."""
        return self._writer.performed

    async def read(self, fn: Callable[[Connection], Result]) -> Result:
        """Call a function that reads, on a connection of its own.

        Raises:
            DatabaseBusy: If too many reads wait already.
            DatabaseUnavailable: If the database cannot be reached.
        """
        if self._reading >= _MOST_READS:
            raise DatabaseBusy(f"{self._reading} reads wait for the database. Ask again later.")
        self._reading += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, fn)
        finally:
            self._reading -= 1

    async def write(self, fn: Callable[[Connection], Result]) -> Result:
        """Call a function that writes; when this returns, what it has written is durable.

        It shares its transaction with all that waits; if it raises, only what it did is undone.

        Raises:
            DatabaseBusy: If too much waits to be written already.
            DatabaseUnavailable: If the database cannot be reached, or has not said whether the
                transaction was committed.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._writer.put(Job(future, plain=fn))
        return await future

    async def write_grouped(
        self,
        group: Callable[[Connection, Sequence[Item]], Sequence[Result | BaseException]],
        item: Item,
        size: int = 0,
    ) -> Result:
        """Let a function write this item, together with others that wait for the same function.

        Args:
            group: Writes all items, and returns a result for each; one that is an exception is
                raised to whoever gave the item. If it raises itself, it is called again with each
                item alone.
            item: The item.
            size: About how many bytes it holds, if that is much.

        Raises:
            DatabaseBusy: As `write`.
            DatabaseUnavailable: As `write`.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._writer.put(Job(future, group=group, item=item, size=size))
        return await future

    async def close(self) -> None:
        """Write what waits, then close all connections."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.close()
        self._threads.shutdown(wait=True)
        self._writing.dispose()
        self._readers.dispose()

    def _read(self, fn: Callable[[Connection], Result]) -> Result:
        try:
            return self._read_once(fn)
        except DBAPIError as error:
            if not error.connection_invalidated and error.statement is not None:
                raise
        # A read may be done again, and the pool has a new connection by now.
        try:
            return self._read_once(fn)
        except DBAPIError as error:
            told = " ".join(str(error.orig).split())
            raise DatabaseUnavailable(
                f"The database cannot be reached: {told}. Ask again in a moment."
            ) from error

    def _read_once(self, fn: Callable[[Connection], Result]) -> Result:
        with self._readers.connect() as connection, connection.begin():
            return fn(connection)


def parse_url(url: str | URL) -> URL:
    """Return a database's URL in parts.

    Raises:
        DatabaseError: If it is neither SQLite's nor PostgreSQL's.
    """
    forms = "sqlite:///path/to/file.db or postgresql://user:password@host/name"
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise DatabaseError(f"{url!r} is no database URL. Write {forms}.") from error
    backend = parsed.get_backend_name()
    if backend == "postgres":
        return parsed.set(drivername="postgresql")
    if backend not in ("sqlite", "postgresql"):
        raise DatabaseError(f"A database of the kind {backend!r} cannot be used. Write {forms}.")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise DatabaseError("The SQLite database needs a file: write sqlite:///path/to/file.db.")
    return parsed


def make_engine(url: URL, *, connections: int, writes: bool) -> Engine:
    """Make an engine for either database.

    Args:
        url: Where the database is, from `parse_url`.
        connections: How many connections there are at most.
        writes: Whether its transactions write.

    Raises:
        MissingExtraError: If PostgreSQL's driver is not installed.
    """
    if url.get_backend_name() == "sqlite":
        from headrace.server.db.sqlite import make_engine as make
    else:
        from headrace.server.db.postgres import make_engine as make
    made: Any = make(url, connections=connections, writes=writes)
    assert isinstance(made, Engine)
    return made

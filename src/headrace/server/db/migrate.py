"""Brings the tables of a database to the version that this server needs, and back.

Everything happens in one transaction under a lock: a migration that fails leaves nothing behind,
and servers that start at once migrate once. Alembic is imported only when there is something to
migrate: reading one row tells that there is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, Column, Connection, MetaData, String, Table, inspect, select, text
from sqlalchemy.exc import DatabaseError as DriverError
from sqlalchemy.exc import OperationalError

from headrace.core.errors import DatabaseUnavailable, DatabaseVersionError
from headrace.server.db.database import make_engine, parse_url
from headrace.server.db.schema import metadata

#: The revision of the tables in `schema`.
HEAD = "0002"

Result = TypeVar("Result")

#: Names the lock on PostgreSQL: any number that no other program takes.
_LOCK = 0x48454144
#: For how many seconds a database that does not answer yet, or is locked, is waited for.
_PATIENCE = 10.0
#: As Alembic makes it.
_versions = Table(
    "alembic_version", MetaData(), Column("version_num", String(32), primary_key=True)
)


def prepare(url: str | URL) -> None:
    """Make the tables current, as a server does when it starts.

    Args:
        url: Where the database is.

    Raises:
        DatabaseVersionError: If the tables are of a newer version, or another program's.
        DatabaseUnavailable: If the database cannot be reached.
    """
    if revision_of(url) != HEAD:
        upgrade(url)


def revision_of(url: str | URL) -> str | None:
    """Return the revision that the tables have; None if there are none yet."""
    return _locked(url, _read_revision, lock=False)


def upgrade(url: str | URL, revision: str = HEAD) -> None:
    """Bring the tables to a later revision.

    Args:
        url: Where the database is.
        revision: The revision; the newest by default.

    Raises:
        DatabaseVersionError: As `prepare`; or if there is no such revision.
        DatabaseUnavailable: As `prepare`.
    """

    def perform(connection: Connection) -> None:
        found = _read_revision(connection)
        if found == revision:
            return
        if found is None and revision == HEAD:
            # The same tables as by all steps, which a test holds, but without reading them.
            metadata.create_all(connection)
            _versions.create(connection, checkfirst=True)
            connection.execute(_versions.insert(), {"version_num": HEAD})
            return
        _migrate(connection, revision, down=False)

    _locked(url, perform)


def downgrade(url: str | URL, revision: str = "base") -> None:
    """Bring the tables back to an earlier revision. What only later ones hold is lost.

    Args:
        url: Where the database is.
        revision: The revision; `-1` for the one before; `base` for no tables at all.

    Raises:
        DatabaseVersionError: As `prepare`; or if there is no such revision.
        DatabaseUnavailable: As `prepare`.
    """

    def perform(connection: Connection) -> None:
        if _read_revision(connection) is not None:
            _migrate(connection, revision, down=True)

    _locked(url, perform)


def reset(url: str | URL) -> None:
    """Delete everything, and make empty tables.

    Args:
        url: Where the database is.

    Raises:
        DatabaseUnavailable: As `prepare`.
    """

    def perform(connection: Connection) -> None:
        # No questions about revisions: this is also the way out of a database that is in disorder.
        metadata.drop_all(connection)
        _versions.drop(connection, checkfirst=True)

    _locked(url, perform)
    upgrade(url)


def _read_revision(connection: Connection) -> str | None:
    names = set(inspect(connection).get_table_names())
    if _versions.name not in names:
        if strange := sorted(names & set(metadata.tables)):
            raise DatabaseVersionError(
                f"The database {_shown(connection)} has tables of these names, which no Headrace has "
                f"made: {', '.join(strange)}. Give the server a database of its own."
            )
        return None
    return connection.execute(select(_versions.c.version_num)).scalars().first()


def _migrate(connection: Connection, revision: str, *, down: bool) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    settings.set_main_option("path_separator", "os")
    settings.attributes["connection"] = connection
    try:
        (command.downgrade if down else command.upgrade)(settings, revision)
    except CommandError as error:
        raise DatabaseVersionError(
            f"The tables in {_shown(connection)} cannot be brought from revision "
            f"{_read_revision(connection) or 'base'} to {revision}: {error}. This version of Headrace "
            f"knows revisions up to {HEAD}: start the version that made the tables, or reset them "
            f"with: headrace server database reset"
        ) from error


def _shown(connection: Connection) -> str:
    return connection.engine.url.render_as_string(hide_password=True)


def _locked(
    url: str | URL, perform: Callable[[Connection], Result], *, lock: bool = True
) -> Result:
    """Call a function in one transaction, alone if `lock`, on a connection of its own."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            with _transaction(url, lock) as connection:
                return perform(connection)
        except DriverError as error:
            # SQLite says just this of a file that is none of its own, or is damaged.
            if not isinstance(error, OperationalError) and type(error) is not DriverError:
                raise
            if not _passes(error) or time.monotonic() > until:
                told = " ".join(str(error.orig).split())
                shown = parse_url(url).render_as_string(hide_password=True)
                raise DatabaseUnavailable(
                    f"The database {shown} cannot be used: {told}. Check its address and that it runs."
                ) from error
            time.sleep(0.1)


def _passes(error: DriverError) -> bool:
    """Tell whether time may mend it: another process that writes, a PostgreSQL that starts."""
    told = str(error.orig)
    if "database is locked" in told or "starting up" in told:
        return True
    # What follows is an answer: a wrong password, a file that cannot be opened. No answer may pass.
    return isinstance(error, OperationalError) and not ("FATAL" in told or "unable to open" in told)


@contextmanager
def _transaction(url: str | URL, lock: bool) -> Iterator[Connection]:
    engine = make_engine(parse_url(url), connections=1, writes=lock)
    try:
        with engine.connect() as connection:
            if lock and engine.dialect.name == "sqlite":
                # A table that is made anew must not take the rows that refer to it along.
                cursor = connection.connection.cursor()
                cursor.execute("PRAGMA foreign_keys = OFF")
                cursor.close()
            with connection.begin():
                if lock and engine.dialect.name == "postgresql":
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
                yield connection
    finally:
        engine.dispose()

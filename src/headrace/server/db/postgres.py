"""PostgreSQL, through psycopg 3: the database when there is more than one server process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine

from headrace.core.errors import MissingExtraError

#: Seconds after which a connection that gives no sign of life is given up.
_PATIENCE = 10
_OPTIONS: dict[str, Any] = {
    "connect_timeout": _PATIENCE,
    "keepalives": 1,
    "keepalives_idle": _PATIENCE,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": _PATIENCE * 1000,
}


def make_engine(url: URL, *, connections: int, writes: bool) -> Engine:
    """Make an engine.

    Args:
        url: Where the database is: `postgresql://user:password@host/name`.
        connections: How many connections there are at most.
        writes: Whether its transactions write.

    Raises:
        MissingExtraError: If psycopg is not installed.
    """
    try:
        import psycopg  # noqa: F401 - SQLAlchemy imports it by name
    except ImportError as error:
        raise MissingExtraError("A PostgreSQL database", "postgres", "psycopg") from error
    given = dict(url.query)
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=connections,
        max_overflow=0,
        # Parameters of flow runs have no place in messages and logs.
        hide_parameters=True,
        connect_args={name: value for name, value in _OPTIONS.items() if name not in given},
        # One transaction sees one state of things when it only reads.
        isolation_level="READ COMMITTED" if writes else "REPEATABLE READ",
        execution_options={} if writes else {"postgresql_readonly": True},
    )


def copy_rows(
    connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Insert many rows, by COPY.

    Args:
        connection: The connection.
        table: The table's name.
        columns: The names of its columns, in the order of the values.
        rows: The values of each row.
    """
    driver: Any = connection.connection.dbapi_connection
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy,
    ):
        write_row = copy.write_row
        for row in rows:
            write_row(row)

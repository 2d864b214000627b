"""Writes rows by the thousand, in the way that each database takes them fastest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from headrace.server.db.event_rows import KEPT_COLUMNS, LATEST_COLUMNS

_KEY = ("run_key", "slug", "map_index")
#: What becomes of a task run that has a state already.
_OTHERWISE = f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET " + ", ".join(
    f"{name} = coalesce(excluded.{name}, task_runs.{name})"
    if name in KEPT_COLUMNS
    else f"{name} = excluded.{name}"
    for name in LATEST_COLUMNS
    if name not in _KEY
)
_MAKE_NEWS = "CREATE TEMPORARY TABLE IF NOT EXISTS news (LIKE task_runs) ON COMMIT DELETE ROWS"
_NAMES = ", ".join(LATEST_COLUMNS)
_TAKE_NEWS = f"INSERT INTO task_runs ({_NAMES}) SELECT {_NAMES} FROM news {_OTHERWISE}"  # noqa: S608 - names of our own


def add_rows(
    connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Add rows to a table.

    Args:
        connection: The connection.
        table: The table's name.
        columns: The names of its columns, in the order of the values.
        rows: The values of each row.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        from headrace.server.db.sqlite import insert_rows

        insert_rows(connection, table, columns, rows)
    else:
        from headrace.server.db.postgres import copy_rows

        copy_rows(connection, table, columns, rows)


def put_latest(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Store the latest states of task runs: what `event_rows.Rows.latest` holds.

    Args:
        connection: The connection.
        rows: The values of `LATEST_COLUMNS`; no task run twice.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        from headrace.server.db.sqlite import insert_rows

        insert_rows(connection, "task_runs", LATEST_COLUMNS, rows, _OTHERWISE)
    else:
        from headrace.server.db.postgres import copy_rows

        connection.exec_driver_sql(_MAKE_NEWS)
        # An earlier call in the same transaction has left its rows.
        connection.exec_driver_sql("DELETE FROM news")
        copy_rows(connection, "news", LATEST_COLUMNS, rows)
        connection.exec_driver_sql(_TAKE_NEWS)

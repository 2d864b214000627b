"""Key values in the database."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select, text

from headrace.server.db.columns import from_json, to_time
from headrace.server.db.schema import key_values
from headrace.server.problems import not_found
from headrace.server.rules.naming import did_you_mean
from headrace.wire.key_values import KeyValue, KnownKey

_SET = text(
    "INSERT INTO key_values (key, value, updated) VALUES (:key, :value, :updated)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated = excluded.updated"
)


def put(connection: Connection, key: str, value: str, now: float) -> KeyValue:
    """Keep a value under a key.

    Args:
        connection: A connection that writes.
        key: The key.
        value: The value, as JSON.
        now: The time; seconds since 1970, UTC.
    """
    connection.execute(_SET, {"key": key, "value": value, "updated": now})
    return KeyValue(key=key, updated=to_time(now), value=from_json(value))


def every(connection: Connection) -> list[KnownKey]:
    """Return all keys, sorted, without their values."""
    rows = connection.execute(
        select(key_values.c.key, key_values.c.updated).order_by(key_values.c.key)
    )
    return [KnownKey(key=row.key, updated=to_time(row.updated)) for row in rows]


def get(connection: Connection, key: str) -> KeyValue:
    """Return a key with its value.

    Raises:
        Refusal: If there is no such key; 404.
    """
    row = connection.execute(select(key_values).where(key_values.c.key == key)).one_or_none()
    if row is None:
        known = connection.scalars(select(key_values.c.key)).all()
        raise not_found("key", key, f"Nothing was set for it.{did_you_mean(key, known)}")
    return KeyValue(key=key, updated=to_time(row.updated), value=from_json(row.value))


def remove(connection: Connection, key: str) -> None:
    """Forget a key and its value.

    Raises:
        Refusal: If there is no such key; 404.
    """
    get(connection, key)
    connection.execute(delete(key_values).where(key_values.c.key == key))

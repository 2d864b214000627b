"""API keys and the tokens of runs, as they are stored: never themselves, only their hashes."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, exists, insert, select, update

from headrace.server.db.schema import api_keys, attempts, flow_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """An API key. Moments are seconds since 1970, UTC."""

    id: str
    name: str
    scope: str
    #: SHA-256 of the key, in hexadecimal.
    hash: str
    created: float
    expires: float | None
    revoked: float | None
    last_used: float | None


def add(connection: Connection, key: StoredKey) -> None:
    """Store a new key."""
    connection.execute(
        insert(api_keys).values(
            id=key.id,
            name=key.name,
            scope=key.scope,
            hash=key.hash,
            created=key.created,
            expires=key.expires,
            revoked=key.revoked,
            last_used=key.last_used,
        )
    )


def every(connection: Connection) -> list[StoredKey]:
    """Return all keys, the oldest first; those that are worth nothing any more are among them."""
    rows = connection.execute(select(api_keys).order_by(api_keys.c.created, api_keys.c.id))
    return [StoredKey(**row) for row in rows.mappings()]


def revoke(connection: Connection, key_id: str, now: float) -> bool:
    """Revoke a key; one that was revoked before stays so since then.

    Returns:
        Whether there is such a key.
    """
    connection.execute(
        update(api_keys)
        .where(api_keys.c.id == key_id, api_keys.c.revoked.is_(None))
        .values(revoked=now)
    )
    found = connection.execute(select(exists().where(api_keys.c.id == key_id)))
    return bool(found.scalar())


def used(connection: Connection, key_id: str, now: float) -> None:
    """Note that a key is used."""
    connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used=now))


def run_of_token(connection: Connection, token_hash: str) -> tuple[str, int] | None:
    """Return the id of the flow run, and the attempt, that a token was made for."""
    row = connection.execute(
        select(flow_runs.c.id, attempts.c.attempt)
        .join_from(attempts, flow_runs, flow_runs.c.key == attempts.c.run_key)
        .where(attempts.c.token_hash == token_hash)
    ).first()
    return None if row is None else (row.id, row.attempt)

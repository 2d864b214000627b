"""Makes API keys where the database is, with no server in between: the first key has to come so."""

from __future__ import annotations

from headrace.core.errors import ServerError
from headrace.server.db.database import make_engine
from headrace.server.db.migrate import prepare
from headrace.server.problems import Refusal
from headrace.server.services.auth import make_key
from headrace.server.settings import ServerSettings
from headrace.wire.auth import CreateKey, NewKey


def create_key(settings: ServerSettings, wanted: CreateKey) -> NewKey:
    """Make a key in a database that this machine reaches; a server may be running on it.

    A running server knows the key within a second.

    Args:
        settings: Names the database.
        wanted: What key.

    Raises:
        ServerError: If the key cannot be as it is wanted.
        DatabaseError: If the database cannot be used.
    """
    url = settings.database
    prepare(url)
    engine = make_engine(url, connections=1, writes=True)
    try:
        with engine.begin() as connection:
            return make_key(connection, wanted)
    except Refusal as refusal:
        raise ServerError(refusal.message) from refusal
    finally:
        engine.dispose()

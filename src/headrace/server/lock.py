"""Keeps a second server process away from a SQLite database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from headrace.core.errors import ServerError


@contextmanager
def alone_with(database: URL) -> Iterator[None]:
    """Keep other servers of this machine away from a database while the block runs.

    Only from SQLite's: PostgreSQL is made to be shared. The process's end frees the lock too.

    Args:
        database: Where the database is.

    Raises:
        ServerError: If another server holds it, naming its process; or if its directory cannot be
            written to.
    """
    if database.get_backend_name() != "sqlite":
        yield
        return
    path = Path(f"{database.database}.lock")
    try:
        import fcntl
    except ImportError:
        # No such locks on this platform: SQLite's own keep the file whole, if not the agents calm.
        yield
        return
    try:
        file = path.open("a+")
    except OSError as error:
        raise ServerError(
            f"The database {database.database} cannot be used: {error.strerror}: {path}. Choose another "
            f"place with --database-url sqlite:///path/to/file.db."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise ServerError(
                f"Another server has the database {database.database}: the process {holder}. Use that one, "
                f"stop it (kill {holder}), or give this server another database with "
                f"--database-url; several servers can share one on PostgreSQL."
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        # The file stays: a lock on a file that is deleted holds off nobody.
        yield

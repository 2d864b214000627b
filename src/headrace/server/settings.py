"""How a server is set up: where it listens, what it keeps, how patient it is."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL

from headrace.config import config
from headrace.core.errors import ServerError
from headrace.server.db.database import parse_url
from headrace.server.rules.ownership import Policy

#: Where a server listens if nobody says otherwise.
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 4200


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """What one server process is started with."""

    #: The address to listen at; one that is not loopback needs an admin key.
    host: str = DEFAULT_HOST
    #: The port; 0 takes a free one.
    port: int = DEFAULT_PORT
    #: `sqlite:///path` or `postgresql://user:password@host/name`; None for a file in `home`.
    database_url: str | None = None
    #: The home directory, where SQLite's file is by default.
    home: Path = field(default_factory=lambda: Path(config.home_dir).expanduser())
    #: How large the body of a request may be, in bytes.
    largest_body: int = 8 * 1024 * 1024
    #: How long a request may be held back until there is something to say.
    longest_wait: datetime.timedelta = datetime.timedelta(seconds=60)
    #: How many credentials that are wrong an address may send at once; one more every six seconds.
    most_failures: int = 20
    #: After how long a run that is due and that nobody has claimed says that it is late.
    late_after: datetime.timedelta = datetime.timedelta(seconds=15)
    #: How patient the server is with owners of flow runs.
    policy: Policy = field(default_factory=Policy)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ServerError(f"{self.port} is no port: it has to be between 0 and 65535.")

    @property
    def is_loopback(self) -> bool:
        """Whether only programs of this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def database(self) -> URL:
        """Where the database is, with the default filled in.

        Raises:
            DatabaseError: If the URL is of no database that can be used.
        """
        if self.database_url is not None:
            return parse_url(self.database_url)
        from headrace.server.db.sqlite import default_url

        return default_url(self.home)


def is_loopback(host: str) -> bool:
    """Tell whether an address is one that only this machine reaches."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False

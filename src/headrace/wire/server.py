"""The server itself."""

from __future__ import annotations

from headrace.wire.base import Answer


class ServerInfo(Answer):
    """What a server says of itself.

    Attributes:
        version: Headrace's version.
        wire: The version of the messages that it speaks.
        database: `sqlite` or `postgresql`.
        auth: Whether it asks for keys.
    """

    version: str
    wire: int
    database: str
    auth: bool

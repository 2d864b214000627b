"""API keys."""

from __future__ import annotations

import datetime

from headrace.wire.base import Answer, Request

#: What a key may be for, from all to little: `admin` all, `user` all but keys, `agent` claiming and
#: reporting, `read` looking.
SCOPES = ("admin", "user", "agent", "read")


class CreateKey(Request):
    """Make an API key.

    Attributes:
        name: Its name, for people.
        scope: One of `SCOPES`.
        expires: From when on it is worth nothing; None for never.
    """

    name: str
    scope: str = "user"
    expires: datetime.datetime | None = None


class Key(Answer):
    """An API key, without its secret.

    Attributes:
        id: Its id.
        name: Its name.
        scope: One of `SCOPES`.
        created: When it was made.
        expires: From when on it is worth nothing.
        revoked: When it was revoked.
        last_used: When it was last used, to the minute.
    """

    id: str
    name: str
    scope: str
    created: datetime.datetime
    expires: datetime.datetime | None = None
    revoked: datetime.datetime | None = None
    last_used: datetime.datetime | None = None


class NewKey(Answer):
    """A key that was just made.

    Attributes:
        key: What is known of it.
        secret: The key itself, shown this once.
    """

    key: Key
    secret: str

"""API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.client.resource import Resource, path
from headrace.wire.auth import CreateKey, Key, NewKey

if TYPE_CHECKING:
    import datetime


class Auth(Resource):
    """What can be asked about API keys, with one of scope `admin`."""

    def create_key(
        self, name: str, scope: str = "user", expires: datetime.datetime | None = None
    ) -> NewKey:
        """Make an API key. Its secret is shown this once.

        Args:
            name: Its name, for people.
            scope: What it is for: one of `headrace.wire.auth.SCOPES`.
            expires: From when on it is worth nothing, an aware datetime; None for never.
        """
        return self._transport.request(
            "POST", "/auth/keys", CreateKey(name=name, scope=scope, expires=expires), NewKey
        )

    def keys(self) -> list[Key]:
        """Return all API keys, without their secrets."""
        return self._transport.request("GET", "/auth/keys", answer=list[Key])

    def revoke_key(self, key_id: str) -> None:
        """Make a key worth nothing, from now on.

        Raises:
            NotFound: If there is none of this id.
        """
        self._transport.request("DELETE", path("auth", "keys", key_id))

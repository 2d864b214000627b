"""Key values."""

from __future__ import annotations

from typing import Any

from headrace.client import bodies
from headrace.client.resource import Resource
from headrace.wire.key_values import KeyValue, KnownKey, SetKeyValue


class KeyValues(Resource):
    """What can be asked about key values."""

    def set_key_value(self, key: str, value: Any) -> None:
        """Keep a value under a key, in the place of what was there.

        Args:
            key: The key: unique on the server.
            value: The value: JSON of at most 64 KiB.

        Raises:
            NotJsonError: If the value is no JSON.
            Refused: If it is too long, or the key cannot be one.
        """
        bodies.values({key: value}, "value of the key")
        wanted = SetKeyValue(key=key, value=value)
        self._transport.request("POST", "/key-values", wanted, KeyValue, repeatable=True)

    def get_key_value(self, key: str) -> Any:
        """Return a key's value.

        Raises:
            NotFound: If there is no such key.
        """
        found = self._transport.request(
            "GET", "/key-values/one", answer=KeyValue, query={"key": key}
        )
        return found.value

    def delete_key(self, key: str) -> None:
        """Forget a key and its value.

        Raises:
            NotFound: If there is no such key.
        """
        self._transport.request("DELETE", "/key-values/one", query={"key": key})

    def keys_of_values(self) -> list[KnownKey]:
        """Return all keys, sorted, without their values."""
        return self._transport.request("GET", "/key-values", answer=list[KnownKey])

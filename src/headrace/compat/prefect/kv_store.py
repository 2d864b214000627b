"""`prefect.backend.kv_store`, with Headrace's client behind it."""

from __future__ import annotations

from typing import Any

from headrace.core.errors import NotFound
from headrace.tasks.flow_runs.asking import the_client


def set_key_value(key: str, value: Any) -> str:
    """Keep a value under a key, in the place of what was there; return the key, which is its id.

    Args:
        key: The key.
        value: The value: JSON.

    Raises:
        NotJsonError: If the value is no JSON.
        Refused: If it is too long, or the key cannot be one. That is a `ValueError`.
    """
    the_client().set_key_value(key, value)
    return key


def get_key_value(key: str) -> Any:
    """Return a key's value.

    Raises:
        ValueError: If there is no such key.
    """
    try:
        return the_client().get_key_value(key)
    except NotFound as error:
        raise ValueError(f"No value found for key: {key}") from error


def delete_key(key: str) -> bool:
    """Forget a key and its value; return true.

    Raises:
        ValueError: If there is no such key.
    """
    try:
        the_client().delete_key(key)
    except NotFound as error:
        raise ValueError(f"No key {key} found to delete") from error
    return True


def list_keys() -> list[str]:
    """Return all keys, sorted."""
    return [each.key for each in the_client().keys_of_values()]

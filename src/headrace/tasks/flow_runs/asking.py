"""The client that library tasks ask the server by."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from headrace.config import config

if TYPE_CHECKING:
    from headrace.client import Client


def the_client() -> Client:
    """Return a client of the server that the settings name; it keeps its connections."""
    return _made(config.api_url, config.api_key or config.cloud.api_key)


@lru_cache(maxsize=4)
def _made(api_url: str, api_key: str) -> Client:
    # Imported late: most flows that use the task library speak to no server.
    from headrace.client import Client

    return Client(api_url, api_key)

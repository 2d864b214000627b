"""The client that library tasks ask the server by.

What it needs is imported late: most flows that use the task library speak to no server.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from headrace.config import config

if TYPE_CHECKING:
    from headrace.client import Client


def the_client() -> Client:
    """Return a client of the server that the settings name; it keeps its connections."""
    return _made(config.api_url, config.api_key or config.cloud.api_key)


def client_of_this_run() -> Client:
    """Return a client for what is about the very run that this process belongs to.

    Without a key it has the run's own token, which will do for that and for nothing else.
    """
    from headrace.engine.run_directory import RUN_TOKEN

    key = config.api_key or config.cloud.api_key or os.environ.get(RUN_TOKEN, "")
    return _made(config.api_url, key)


@lru_cache(maxsize=4)
def _made(api_url: str, api_key: str) -> Client:
    from headrace.client import Client

    return Client(api_url, api_key)

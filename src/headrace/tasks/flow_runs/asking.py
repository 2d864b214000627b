"""The client that library tasks ask the server by, and where they do so.

What it needs is imported late: most flows that use the task library speak to no server.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from headrace.config import config
from headrace.core.function_task import FunctionTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.client import Client

P = ParamSpec("P")
R = TypeVar("R")


def task_at_home(fn: Callable[P, R]) -> FunctionTask[P, R]:
    """Make a task of a function that speaks to the server: from the runner's process, always."""
    made = FunctionTask(fn)
    made.runs_at_home = True
    return made


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

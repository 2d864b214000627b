"""All routes of the server."""

from __future__ import annotations

from typing import Any

from headrace.server.api import (
    agents,
    auth,
    flow_runs,
    flows,
    health,
    key_values,
    logs,
    projects,
    runs,
    task_runs,
)

_MODULES = (
    agents,
    auth,
    flow_runs,
    flows,
    health,
    key_values,
    logs,
    projects,
    runs,
    task_runs,
)

#: The handlers of all routes.
ROUTES: list[Any] = [route for module in _MODULES for route in module.routes]

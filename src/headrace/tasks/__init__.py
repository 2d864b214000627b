"""The task library: conditions, resources, shell commands, secrets, notifications, pauses.

Each name is imported when it is first used, so that nothing is paid for what a flow does not use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.core.collections import Dict, List, Set, Tuple
    from headrace.core.constant import Constant
    from headrace.core.function_task import FunctionTask
    from headrace.core.operators import GetAttr, GetItem
    from headrace.tasks.control_flow import (
        CompareValue,
        FilterTask,
        Merge,
        case,
        ifelse,
        merge,
        switch,
    )
    from headrace.tasks.notifications import EmailTask, SlackTask
    from headrace.tasks.pause import pause_task
    from headrace.tasks.resources import (
        ResourceManager,
        resource_cleanup_trigger,
        resource_manager,
    )
    from headrace.tasks.secrets import EnvVarSecret, PrefectSecret, SecretBase
    from headrace.tasks.shell import ShellTask

__all__ = [
    "case",
    "switch",
    "ifelse",
    "merge",
    "FilterTask",
    "CompareValue",
    "Merge",
    "resource_manager",
    "ResourceManager",
    "resource_cleanup_trigger",
    "ShellTask",
    "SlackTask",
    "EmailTask",
    "PrefectSecret",
    "EnvVarSecret",
    "SecretBase",
    "pause_task",
    "FunctionTask",
    "Constant",
    "List",
    "Tuple",
    "Set",
    "Dict",
    "GetItem",
    "GetAttr",
]

_HOMES = {
    "resource_manager": "headrace.tasks.resources",
    "ResourceManager": "headrace.tasks.resources",
    "resource_cleanup_trigger": "headrace.tasks.resources",
    "ShellTask": "headrace.tasks.shell",
    "SlackTask": "headrace.tasks.notifications",
    "EmailTask": "headrace.tasks.notifications",
    "PrefectSecret": "headrace.tasks.secrets",
    "EnvVarSecret": "headrace.tasks.secrets",
    "SecretBase": "headrace.tasks.secrets",
    "pause_task": "headrace.tasks.pause",
    "FunctionTask": "headrace.core.function_task",
    "Constant": "headrace.core.constant",
    "List": "headrace.core.collections",
    "Tuple": "headrace.core.collections",
    "Set": "headrace.core.collections",
    "Dict": "headrace.core.collections",
    "GetItem": "headrace.core.operators",
    "GetAttr": "headrace.core.operators",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOMES.get(name, "headrace.tasks.control_flow")), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

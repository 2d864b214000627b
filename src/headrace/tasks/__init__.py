"""The task library: conditions, resources, shell commands, secrets, notifications, flow runs.

Each name is imported when it is first used, so that nothing is paid for what a flow does not use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.core.lazy import lazy_names

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
    from headrace.tasks.flow_runs.orders import CancelFlowRun, RenameFlowRun
    from headrace.tasks.flow_runs.starting import StartFlowRun, create_flow_run
    from headrace.tasks.flow_runs.waiting import get_task_run_result, wait_for_flow_run
    from headrace.tasks.notifications import EmailTask, SlackTask
    from headrace.tasks.pause import pause_task
    from headrace.tasks.resources import (
        ResourceManager,
        resource_cleanup_trigger,
        resource_manager,
    )
    from headrace.tasks.secrets import EnvVarSecret, PrefectSecret, SecretBase
    from headrace.tasks.shell import ShellTask
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "headrace.core.collections": ["Dict", "List", "Set", "Tuple"],
            "headrace.core.constant": ["Constant"],
            "headrace.core.function_task": ["FunctionTask"],
            "headrace.core.operators": ["GetAttr", "GetItem"],
            "headrace.tasks.control_flow": [
                "case",
                "CompareValue",
                "FilterTask",
                "ifelse",
                "merge",
                "Merge",
                "switch",
            ],
            "headrace.tasks.flow_runs.orders": ["CancelFlowRun", "RenameFlowRun"],
            "headrace.tasks.flow_runs.starting": ["create_flow_run", "StartFlowRun"],
            "headrace.tasks.flow_runs.waiting": ["get_task_run_result", "wait_for_flow_run"],
            "headrace.tasks.notifications": ["EmailTask", "SlackTask"],
            "headrace.tasks.pause": ["pause_task"],
            "headrace.tasks.resources": [
                "resource_cleanup_trigger",
                "resource_manager",
                "ResourceManager",
            ],
            "headrace.tasks.secrets": ["EnvVarSecret", "PrefectSecret", "SecretBase"],
            "headrace.tasks.shell": ["ShellTask"],
        },
    )

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
    "create_flow_run",
    "wait_for_flow_run",
    "get_task_run_result",
    "StartFlowRun",
    "RenameFlowRun",
    "CancelFlowRun",
    "FunctionTask",
    "Constant",
    "List",
    "Tuple",
    "Set",
    "Dict",
    "GetItem",
    "GetAttr",
]

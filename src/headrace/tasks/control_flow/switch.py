"""`switch` and `ifelse`: branches that are taken by the value of a condition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.core.annotations import EdgeAnnotation
from headrace.core.building import current_graph
from headrace.core.collections import as_task, is_constant
from headrace.core.errors import NotInFlowError, TaskTypeError
from headrace.core.tags import tags
from headrace.tasks.control_flow.compare import AsBool, CompareValue, check_condition

if TYPE_CHECKING:
    from headrace.core.graph import Graph


def switch(condition: Any, cases: Mapping[Any, Any], mapped: bool = False) -> None:
    """Run the task whose key is the condition's result; skip the others.

    What hangs on a skipped task is skipped, too, unless it says `skip_on_upstream_skip=False`, as
    `merge` does. Only the tasks named are skipped: what is upstream of one of them runs anyway.

    Args:
        condition: A task.
        cases: The task of each value; of a list of tasks, only the gathering of their results
            depends on the condition. None stands for nothing to do.
        mapped: Whether each child of the tasks goes by its own child of the condition.

    Raises:
        NotInFlowError: If no flow is open.
        TaskTypeError: If the cases are no mapping, or one of them is no task.

    Example:
        ```python
        with Flow("backup") as flow:
            switch(weekday(), {"sunday": full_backup(), "monday": no_backup()})
        ```
    """
    check_condition(condition, "switch")
    _branch("switch", condition, cases, mapped)


def ifelse(condition: Any, true_task: Any, false_task: Any, mapped: bool = False) -> None:
    """Run one task if the condition's result counts as true, else the other; skip the one left.

    Args:
        condition: A task.
        true_task: The task to run if it is true; None for nothing.
        false_task: The task to run if it is false; None for nothing.
        mapped: Whether each child of the tasks goes by its own child of the condition.

    Raises:
        NotInFlowError: If no flow is open.
        TaskTypeError: If a branch is no task.
    """
    if true_task is None and false_task is None:
        return
    check_condition(condition, "ifelse")
    as_bool = AsBool(name="as_bool").bind(condition, mapped=mapped, flow=_open_graph("ifelse"))
    _branch("ifelse", as_bool, {True: true_task, False: false_task}, mapped)


def _branch(where: str, condition: Any, cases: Mapping[Any, Any], mapped: bool) -> None:
    if not isinstance(cases, Mapping):
        raise TaskTypeError(
            f"The cases of {where} are {cases!r:.60}, a {type(cases).__name__}; give a dict from "
            "each value of the condition to the task to run."
        )
    graph = _open_graph(where)
    branches = {value: task for value, task in cases.items() if task is not None}
    for value, task in branches.items():
        _check_branch(where, value, task)
    with tags("switch"):
        for value, task in branches.items():
            branch = as_task(task, flow=graph)
            matches = CompareValue(value).bind(condition, mapped=mapped, flow=graph)
            graph.set_dependencies(branch, upstream_tasks=[matches], mapped=mapped)


def _open_graph(where: str) -> Graph:
    graph = current_graph()
    if graph is None:
        raise NotInFlowError(
            f"{where} was called outside a flow. Call it inside a `with Flow(...)` block."
        )
    return graph


def _check_branch(where: str, value: object, branch: object) -> None:
    if isinstance(branch, EdgeAnnotation) or is_constant(branch):
        raise TaskTypeError(
            f"The branch of {where} for {value!r} is {branch!r:.60}, a {type(branch).__name__}, "
            "which cannot be run or skipped. Give a task: decorate a function with @task, or leave "
            "the branch out."
        )

"""`merge`: one task after branches of which only some were taken."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from headrace.core.errors import TaskDefinitionError
from headrace.core.signals import SKIP
from headrace.core.task import Task
from headrace.core.triggers import not_all_skipped

if TYPE_CHECKING:
    from headrace.core.graph import Graph


class Merge(Task[Any]):
    """Takes the first of its inputs that is not None.

    It runs if nothing upstream failed and not everything there was skipped; if everything was
    skipped, so is it.

    Args:
        **kwargs: As for `Task`.

    Raises:
        TaskDefinitionError: If it is told to be skipped as soon as one branch is.
    """

    def __init__(self, **kwargs: Any) -> None:
        if kwargs.setdefault("skip_on_upstream_skip", False):
            raise TaskDefinitionError(
                "A merge cannot have skip_on_upstream_skip=True: it would be skipped whenever one "
                "of its branches is, which is when it is needed."
            )
        kwargs.setdefault("trigger", not_all_skipped)
        super().__init__(**kwargs)

    def run(self, **task_results: Any) -> Any:
        """Return the first input that is a result, in the order of the names' numbers.

        None is no result, and neither is the signal that a skipped task has in its place.
        """
        for name in sorted(task_results, key=_by_number):
            result = task_results[name]
            if result is not None and not isinstance(result, SKIP):
                return result
        return None


_NUMBER = re.compile(r"\d+$")


def _by_number(name: str) -> tuple[str, int]:
    """Order `task_2` before `task_10`."""
    number = _NUMBER.search(name)
    return (name, 0) if number is None else (name[: number.start()], int(number.group()))


def merge(*tasks: Any, flow: Graph | None = None, mapped: bool = False, **kwargs: Any) -> Task[Any]:
    """Unite branches again: make a task whose result is that of the branch that was taken.

    Args:
        *tasks: The last task of each branch. If more than one of them has a result, the first
            counts; None is no result. A branch of several tasks is given as a list of them.
        flow: The flow; the open one by default.
        mapped: Whether each child of the merge takes its own child of each branch.
        **kwargs: As for `Task`.

    Returns:
        The new task. It is skipped if all branches are.

    Raises:
        NotInFlowError: If there is no flow.

    Example:
        ```python
        with Flow("load") as flow:
            with case(is_large(path), True):
                large = load_in_parts(path)
            with case(is_large(path), False):
                small = load_at_once(path)
            count(merge(large, small))
        ```
    """
    branches = {f"task_{number}": task for number, task in enumerate(tasks, 1)}
    return Merge(**kwargs).bind(flow=flow, mapped=mapped, **branches)

"""The task behind each branch of a condition."""

from __future__ import annotations

import warnings
from typing import Any

from headrace.core.errors import TaskTypeError
from headrace.core.signals import SKIP
from headrace.core.task import Task


class CompareValue(Task[None]):
    """Skips, and with it the branch that hangs on it, unless it is given the value that it knows.

    Args:
        value: The value that lets the branch run.
        **kwargs: As for `Task`.

    Raises:
        TaskTypeError: If the value is a task, whose result is not known yet.
    """

    def __init__(self, value: Any, **kwargs: Any) -> None:
        check_match(value)
        self.value = value
        kwargs.setdefault("name", f'CompareValue: "{value}"')
        super().__init__(**kwargs)

    def run(self, value: Any) -> None:
        """Compare `value` with the value that lets the branch run.

        Raises:
            SKIP: If the two differ.
        """
        if value != self.value:
            raise SKIP(f"{value!r:.80} is not {self.value!r:.80}: this branch is not taken.")


class AsBool(Task[bool]):
    """Tells whether its input counts as true."""

    def run(self, x: Any) -> bool:
        """Return `bool(x)`."""
        return bool(x)


def check_match(value: object) -> None:
    """Make sure that a value can be compared with a result to come.

    Raises:
        TaskTypeError: If it is a task.
    """
    if isinstance(value, Task):
        raise TaskTypeError(
            f"A condition is compared with the task {value!r}, whose result is not known while the "
            "flow is built. Compare two tasks by a task: case(a.is_equal(b), True)."
        )


def check_condition(condition: object, where: str) -> None:
    """Warn of a condition that Python has evaluated already.

    Args:
        condition: What was given as the condition: a task, as a rule.
        where: What it was given to.
    """
    if isinstance(condition, bool):
        warnings.warn(
            f"The condition of {where} is the value {condition}, which is the same in every run. "
            "If it was meant to compare two tasks, use a.is_equal(b) or a.is_not_equal(b): a == b "
            "asks whether the tasks themselves are the same.",
            stacklevel=3,
        )

"""A value that stands where a task is needed."""

from __future__ import annotations

from typing import Any

from headrace.core.task import Task
from headrace.core.task_definition import R_co


class Constant(Task[R_co]):
    """A task whose result is a value that is known already.

    Flows make these where a value is mapped over or has to be run after; a value that is just
    passed becomes no task at all.

    Args:
        value: The value.
        name: The task's name; by default the value, if it is short.
        **kwargs: As for `Task`.
    """

    is_tracked = False

    def __init__(self, value: R_co, name: str | None = None, **kwargs: Any) -> None:
        self.value = value
        kwargs.setdefault("checkpoint", False)  # the flow itself has the value
        super().__init__(name=_short_name(value) if name is None else name, **kwargs)

    def run(self) -> R_co:
        """Return the value."""
        return self.value


def _short_name(value: Any) -> str:
    # Only short values are shown, so the representation of a long one is never made.
    if not (isinstance(value, str | bytes | list | tuple | set | dict) and len(value) > 6):
        shown = repr(value)
        if len(shown) <= 8:
            return shown
    return f"Constant[{type(value).__name__}]"

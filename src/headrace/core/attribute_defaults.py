"""Arguments of `run` that default to attributes of the task."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Run = TypeVar("Run", bound="Callable[..., Any]")


def defaults_from_attrs(*attr_args: str) -> Callable[[Run], Run]:
    """Let arguments of a task class's `run` default to attributes of the task.

    An argument that is passed, even as None, wins over the attribute.

    Args:
        *attr_args: The names that are both arguments of `run` and attributes of the task. In the
            signature of `run` they should have a default, which is never used.

    Returns:
        A decorator for `run`.

    Example:
        ```python
        class Greet(Task):
            def __init__(self, whom=None, **kwargs):
                self.whom = whom
                super().__init__(**kwargs)

            @defaults_from_attrs("whom")
            def run(self, whom=None):
                return f"Hello, {whom}"
        ```
    """

    def decorate(run: Run) -> Run:
        code = getattr(run, "__code__", None)
        names = () if code is None else code.co_varnames[: code.co_argcount]

        @wraps(run)
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            given_by_position = names[1 : 1 + len(args)]
            for name in attr_args:
                if name not in kwargs and name not in given_by_position:
                    kwargs[name] = getattr(self, name)
            return run(self, *args, **kwargs)

        return method  # type: ignore[return-value]  # it is called as `run` is

    return decorate

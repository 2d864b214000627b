"""Tasks made from functions, and the decorator that makes them."""

from __future__ import annotations

from functools import WRAPPER_ASSIGNMENTS
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, overload

from headrace.core.errors import TaskDefinitionError, TaskTypeError
from headrace.core.signature import signature_of
from headrace.core.task import Task
from headrace.core.task_definition import R_co

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")


class FunctionTask(Task[R_co], Generic[P, R_co]):
    """A task whose `run` is a function.

    Args:
        fn: The function.
        name: The task's name; by default the function's.
        **kwargs: As for `Task`.

    Raises:
        TaskTypeError: If `fn` cannot be called, or is a task.
        TaskDefinitionError: If the function takes `*args`, has positional-only parameters or ones
            of reserved names, is asynchronous, or cannot be read at all.
    """

    if TYPE_CHECKING:
        # The function itself, so that `fn.run(...)` is checked as a call of the function is.
        @property
        def run(self) -> Callable[P, R_co]:
            """The function."""

    def __init__(self, fn: Callable[P, R_co], name: str | None = None, **kwargs: Any) -> None:
        if isinstance(fn, Task):
            raise TaskTypeError(
                f"{fn!r} is a task already; make a variant of it with .copy(...), or call it with "
                "task_args={...}."
            )
        if not callable(fn):
            raise TaskTypeError(
                f"A task can be made from a function, but {fn!r} is a {type(fn).__name__}, which "
                "cannot be called."
            )
        if name is None:
            name = getattr(fn, "__name__", type(self).__name__)
        attributes = self.__dict__
        # What makes the task look like its function, for documentation and for debuggers.
        attributes.update(getattr(fn, "__dict__", {}))
        for attribute in WRAPPER_ASSIGNMENTS:
            if attribute != "__annotations__" and hasattr(fn, attribute):
                attributes[attribute] = getattr(fn, attribute)
        attributes["__wrapped__"] = fn
        attributes["run"] = fn
        attributes["_own_signature"] = signature_of(fn, name)
        _refuse_coroutines(fn, name)
        super().__init__(name=name, **kwargs)


# The mark of a code object that makes a coroutine or an asynchronous generator.
_CO_ASYNCHRONOUS = 0x80 | 0x200


def _refuse_coroutines(fn: Any, name: str) -> None:
    code = getattr(fn, "__code__", None)
    if code is not None and code.co_flags & _CO_ASYNCHRONOUS:
        raise TaskDefinitionError(
            f"The function of task {name!r} is asynchronous, and would return a coroutine instead "
            "of a result. Make it a plain function that calls `asyncio.run(...)`."
        )


@overload
def task(fn: Callable[P, R_co], /) -> FunctionTask[P, R_co]: ...


@overload
def task(
    fn: None = None, /, **task_init_kwargs: Any
) -> Callable[[Callable[P, R_co]], FunctionTask[P, R_co]]: ...


@overload
def task(fn: Callable[P, R_co], /, **task_init_kwargs: Any) -> FunctionTask[P, R_co]: ...


def task(fn: Callable[..., Any] | None = None, /, **task_init_kwargs: Any) -> Any:
    """Make a task from a function; used as a decorator, with arguments or without.

    Args:
        fn: The function.
        **task_init_kwargs: As for `Task`: `name`, `max_retries`, `tags` and so on.

    Returns:
        The task; without a function, a decorator that makes it.

    Example:
        ```python
        @task(max_retries=3, retry_delay=timedelta(seconds=10))
        def fetch(url: str) -> bytes: ...
        ```
    """
    if fn is None:
        return lambda fn: FunctionTask(fn, **task_init_kwargs)
    return FunctionTask(fn, **task_init_kwargs)

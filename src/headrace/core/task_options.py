"""The constructor arguments of tasks: what is valid, and the form in which tasks keep them."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

from headrace.core.errors import TaskDefinitionError, TaskTypeError
from headrace.core.settings import authoring_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.core.result import Result

#: The attributes that `Task.__init__` sets; a subclass that uses the names would lose its own.
RESERVED_ATTRIBUTES = (
    "auto_generated",
    "cache_for",
    "cache_key",
    "cache_validator",
    "checkpoint",
    "log_stdout",
    "max_retries",
    "name",
    "nout",
    "result",
    "retry_delay",
    "retry_on",
    "skip_on_upstream_skip",
    "slug",
    "state_handlers",
    "tags",
    "target",
    "task_run_name",
    "timeout",
    "trigger",
)


def normal_tags(tags: Iterable[str] | None, task: str) -> set[str]:
    """Return tags as a set of its own.

    Raises:
        TaskTypeError: If `tags` is one string.
    """
    if isinstance(tags, str):
        raise TaskTypeError(
            f"The tags of task {task!r} are one string, {tags!r}; give a list: [{tags!r}]."
        )
    return set(tags) if tags is not None else set()


def normal_handlers(handlers: Sequence[Any] | None) -> list[Any]:
    """Return state handlers as a list of its own.

    Raises:
        TaskTypeError: If `handlers` is no sequence.
    """
    if handlers and not isinstance(handlers, Sequence):
        raise TaskTypeError(
            f"state_handlers is {handlers!r}, which is no sequence; give a list of functions."
        )
    return list(handlers or ())


def normal_timeout(timeout: float | datetime.timedelta | None, task: str) -> float | None:
    """Return a timeout in seconds: an int if it is whole.

    Raises:
        TaskTypeError: If it is neither a number nor a timedelta.
        TaskDefinitionError: If it is negative.
    """
    if timeout is None:
        return None
    if isinstance(timeout, datetime.timedelta):
        timeout = timeout.total_seconds()
        timeout = int(timeout) if timeout.is_integer() else timeout
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TaskTypeError(
            f"The timeout of task {task!r} is {timeout!r}; give seconds, or a timedelta."
        )
    if timeout < 0:
        raise TaskDefinitionError(f"The timeout of task {task!r} is negative: {timeout} s.")
    return timeout


def normal_retries(
    max_retries: int | None,
    retry_delay: datetime.timedelta | None,
    retry_on: type[Exception] | Iterable[type[Exception]] | None,
    task: str,
) -> tuple[int, datetime.timedelta | None, set[type[Exception]] | None]:
    """Return the retry settings, with the configured defaults, as tasks keep them.

    Raises:
        TaskDefinitionError: If they contradict each other.
        TaskTypeError: If `retry_on` is no exception type, or not only of these.
    """
    settings = authoring_settings()
    retries = settings.max_retries if max_retries is None else max_retries
    if retries and retry_delay is None:
        retry_delay = settings.retry_delay
    if isinstance(retries, bool) or not isinstance(retries, int):
        if retries is not False:
            raise TaskTypeError(
                f"The max_retries of task {task!r} is {retries!r}; give a whole number."
            )
        retries = 0
    if retries < 0:
        raise TaskDefinitionError(f"The max_retries of task {task!r} is negative: {retries}.")
    if retries and retry_delay is None:
        raise TaskDefinitionError(
            f"Task {task!r} has max_retries={retries} but no retry_delay; say how long to wait "
            "before each retry, with retry_delay=timedelta(...)."
        )
    if not retries and retry_delay is not None:
        raise TaskDefinitionError(
            f"Task {task!r} has a retry_delay but no retries; give max_retries=1 or more."
        )
    if not retries and retry_on:
        raise TaskDefinitionError(
            f"Task {task!r} has retry_on but no retries; give max_retries=1 or more."
        )
    if retry_delay is not None and not isinstance(retry_delay, datetime.timedelta):
        raise TaskTypeError(
            f"The retry_delay of task {task!r} is {retry_delay!r}; give a timedelta."
        )
    return retries, retry_delay, normal_retry_on(retry_on, task)


def normal_retry_on(retry_on: Any, task: str) -> set[type[Exception]] | None:
    """Return the exception types to retry on as a set; None for all of them.

    Raises:
        TaskTypeError: If there is something else among them.
    """
    if not retry_on:
        return None
    kinds: set[Any] = set(retry_on) if isinstance(retry_on, Iterable) else {retry_on}
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise TaskTypeError(
                f"The retry_on of task {task!r} holds {kind!r}, which is no exception type; give "
                "classes such as ConnectionError, not instances."
            )
    return kinds


def located(result: Result | None, target: str | Callable[..., str] | None) -> Result | None:
    """Return a result whose location is the target, if there are both."""
    if not result or not target:
        return result
    if result.location and result.location != target:
        warnings.warn(
            "Both a target and a result with a location were given; the target is used.",
            stacklevel=4,
        )
    return result.at(target)


def warn_of_task_arguments(cls: type, task_class: type) -> None:
    """Let the constructor of a task class warn if it is given a task.

    Args:
        cls: The class; its `__init__` is wrapped.
        task_class: The class whose instances are tasks.
    """
    init = cls.__dict__["__init__"]

    @wraps(init)
    def checked_init(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        for value in (*args, *kwargs.values()):
            if isinstance(value, task_class):
                name = type(self).__name__
                warnings.warn(
                    f"A task was given to the constructor of {name}. Most likely it was meant as "
                    f"an input: make the task first, with what is known already, and call it with "
                    f"its inputs: `{name}(...)(task)`.",
                    stacklevel=2,
                )

    cls.__init__ = checked_init  # type: ignore[misc]  # wraps the class's own

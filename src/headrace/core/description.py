"""Descriptions of tasks in plain data: what a server or a person can know without the code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable

    from headrace.core.task import Task


def task_inputs(run: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    """Describe each parameter of a `run`: its `type`, its `default`, and if it is `required`."""
    import inspect

    empty = inspect.Parameter.empty
    return {
        name: {
            "type": Any if parameter.annotation is empty else parameter.annotation,
            "default": None if parameter.default is empty else parameter.default,
            "required": parameter.default is empty,
        }
        for name, parameter in inspect.signature(run).parameters.items()
    }


def task_outputs(run: Callable[..., Any]) -> Any:
    """Return the annotated type of the result of a `run`; `Any` if there is none."""
    import inspect

    annotation = inspect.signature(run).return_annotation
    return Any if annotation is inspect.Signature.empty else annotation


def qualified_name(thing: Any) -> str:
    """Return the dotted name of a class or function, or of the class of anything else."""
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{named.__module__}.{named.__qualname__}"


def describe_task(task: Task[Any], slug: str | None = None) -> dict[str, Any]:
    """Describe a task in plain data.

    Args:
        task: The task.
        slug: Its slug in the flow that is described; by default the one it has itself.

    Returns:
        What is JSON-able of it; times in seconds.
    """
    return {
        "type": qualified_name(type(task)),
        "name": task.name,
        "slug": slug or task.slug,
        "tags": sorted(task.tags),
        "max_retries": task.max_retries,
        "retry_delay": _seconds(task.retry_delay),
        "timeout": task.timeout,
        "trigger": function_name(task.trigger),
        "skip_on_upstream_skip": task.skip_on_upstream_skip,
        "cache_for": _seconds(task.cache_for),
        "cache_key": task.cache_key,
        "cache_validator": function_name(task.cache_validator),
        "inputs": {
            name: {"required": about["required"], "type": str(about["type"])}
            for name, about in task.inputs().items()
        },
        "outputs": str(task.outputs()),
        "auto_generated": task.auto_generated,
    }


def function_name(function: Callable[..., Any]) -> str:
    """Return a dotted name for a function that a task holds, with its arguments where it says."""
    own = getattr(function, "name", None)
    if isinstance(own, str):
        return own
    return qualified_name(function)


def _seconds(duration: datetime.timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()

"""Descriptions of tasks in plain data: what a server or a person can know without the code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable

    from headrace.core.graph import Graph
    from headrace.core.task_definition import TaskDefinition


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


def describe_task(task: TaskDefinition[Any], slug: str | None = None) -> dict[str, Any]:
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
            name: {"required": about["required"], "type": _shown(about["type"])}
            for name, about in task.inputs().items()
        },
        "outputs": _shown(task.outputs()),
        "auto_generated": task.auto_generated,
    }


def describe_graph(graph: Graph) -> dict[str, Any]:
    """Describe a graph in plain data: its tasks and edges, sorted by slug.

    Values that are inputs of tasks are left out: they are the user's data.
    """
    slugs = graph.slugs
    tasks = sorted(slugs, key=slugs.__getitem__)
    parameters = graph.parameters()
    edges = [
        {
            **edge.serialize(),
            "upstream_task": {"slug": slugs[edge.upstream_task]},
            "downstream_task": {"slug": slugs[edge.downstream_task]},
        }
        for edge in graph.edges
    ]
    edges.sort(
        key=lambda e: (
            e["upstream_task"]["slug"],
            e["downstream_task"]["slug"],
            e["key"] or "",
            e["mapped"],
            e["flattened"],
        )
    )
    return {
        "type": qualified_name(type(graph)),
        "name": graph.name,
        "parameters": [task.serialize() for task in tasks if task in parameters],
        "tasks": [{**task.serialize(), "slug": slugs[task]} for task in tasks],
        "edges": edges,
        "reference_tasks": [
            {"slug": slug} for slug in sorted(map(slugs.__getitem__, graph._reference_tasks))
        ],
    }


def describe_part(part: Any) -> Any:
    """Describe a part of a flow: by its own `serialize`, or by its type if it has none."""
    if part is None:
        return None
    if hasattr(part, "serialize"):
        return part.serialize()
    return {"type": qualified_name(type(part))}


def function_name(function: Callable[..., Any]) -> str:
    """Return a dotted name for a function that a task holds, with its arguments where it says."""
    own = getattr(function, "name", None)
    if isinstance(own, str):
        return own
    return qualified_name(function)


def _shown(annotation: Any) -> str:
    import re

    # Where an object happens to be in memory is no part of what a task is.
    return re.sub(r" at 0x[0-9a-fA-F]+", "", str(annotation))


def _seconds(duration: datetime.timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()

"""Whether the description of a flow's graph is one: it comes from outside, and is shown to people."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from headrace.server.problems import Refusal

_GRAPH = {"type", "name", "parameters", "tasks", "edges", "reference_tasks"}
_TASK = {
    "type",
    "name",
    "slug",
    "tags",
    "max_retries",
    "retry_delay",
    "timeout",
    "trigger",
    "skip_on_upstream_skip",
    "cache_for",
    "cache_key",
    "cache_validator",
    "inputs",
    "outputs",
    "auto_generated",
}
_PARAMETER = _TASK | {"default", "required"}
_EDGE = {"type", "upstream_task", "downstream_task", "key", "mapped", "flattened"}
_END = {"slug"}
#: How many tasks, and how many edges, a flow may have.
MOST_TASKS = 100_000
MOST_EDGES = 500_000


def check_graph(graph: dict[str, Any]) -> None:
    """Make sure that a graph is described as `core.description` does, and fits together.

    Nothing that it does not write is let in: neither an executor nor code can hide in it.

    Raises:
        Refusal: If it is not; 422.
    """
    _keys("The graph", graph, _GRAPH, required={"name", "tasks", "edges"})
    tasks = _items(graph, "tasks", MOST_TASKS)
    parameters = _items(graph, "parameters", MOST_TASKS)
    names = {_slug_of(parameter) for parameter in parameters}
    for parameter in parameters:
        slug = _slug_of(parameter)
        _keys(f"The parameter {slug!r}", parameter, _PARAMETER, required={"slug", "name"})
        if not isinstance(parameter.get("required", False), bool):
            raise _wrong(f"The parameter {slug!r} must have true or false as its `required`.")
    slugs: set[str] = set()
    for task in tasks:
        slug = _slug_of(task)
        about = f"The task {slug!r}"
        _keys(about, task, _PARAMETER if slug in names else _TASK, required={"slug", "name"})
        if not isinstance(task["name"], str):
            raise _wrong(f"{about} must have a string as its name.")
        if slug in slugs:
            raise _wrong(f"Two tasks have the slug {slug!r}.")
        slugs.add(slug)
    _check_edges(_items(graph, "edges", MOST_EDGES), slugs)
    for reference in _items(graph, "reference_tasks", MOST_TASKS):
        _end("A reference task", reference, slugs)
    if missing := names - slugs:
        raise _wrong(f"The parameter {min(missing)!r} is not among the tasks.")


def upstreams(graph: dict[str, Any]) -> dict[str, list[str]]:
    """Return the slugs of the upstream tasks of each task, by its slug; each once, in order."""
    found: dict[str, dict[str, None]] = {task["slug"]: {} for task in graph["tasks"]}
    for edge in graph["edges"]:
        found[edge["downstream_task"]["slug"]][edge["upstream_task"]["slug"]] = None
    return {slug: sorted(ups) for slug, ups in found.items()}


def _check_edges(edges: list[dict[str, Any]], slugs: set[str]) -> None:
    after: dict[str, list[str]] = {slug: [] for slug in slugs}
    waits: dict[str, int] = dict.fromkeys(slugs, 0)
    for edge in edges:
        _keys("An edge", edge, _EDGE, required={"upstream_task", "downstream_task"})
        upstream = _end("An edge's upstream task", edge["upstream_task"], slugs)
        downstream = _end("An edge's downstream task", edge["downstream_task"], slugs)
        after[upstream].append(downstream)
        waits[downstream] += 1
    ready = [slug for slug, count in waits.items() if not count]
    reached = 0
    while ready:
        reached += 1
        for slug in after[ready.pop()]:
            waits[slug] -= 1
            if not waits[slug]:
                ready.append(slug)
    if reached < len(slugs):
        circle = min(slug for slug, count in waits.items() if count)
        raise _wrong(
            f"Its tasks depend on each other in a circle, which {circle!r} is part of or after."
        )


def _items(graph: dict[str, Any], key: str, most: int) -> list[dict[str, Any]]:
    items = graph.get(key, [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _wrong(f"Its {key} must be a list of objects.")
    if len(items) > most:
        raise _wrong(f"It has {len(items):,} {key}, of which {most:,} are the most.")
    return items


def _keys(what: str, item: dict[str, Any], known: set[str], required: set[str]) -> None:
    if unknown := item.keys() - known:
        raise _wrong(
            f"{what} has the key {min(unknown)!r}, which is not part of a description. Executors, "
            f"code and values are not sent to a server."
        )
    if missing := required - item.keys():
        raise _wrong(f"{what} lacks the key {min(missing)!r}.")


def _slug_of(task: dict[str, Any]) -> str:
    slug = task.get("slug")
    if not isinstance(slug, str) or not slug or len(slug) > 1000:
        raise _wrong(f"A task must have a slug of 1 to 1000 characters, not {slug!r}.")
    return slug


def _end(what: str, end: object, slugs: Collection[str]) -> str:
    if not isinstance(end, dict) or end.keys() != _END or not isinstance(end["slug"], str):
        raise _wrong(f"{what} must be given by its slug alone, not as {end!r}.")
    slug: str = end["slug"]
    if slug not in slugs:
        raise _wrong(f"{what} is {slug!r}, which is not among the tasks.")
    return slug


def _wrong(why: str) -> Refusal:
    return Refusal(422, "bad_graph", f"This is no description of a flow's graph. {why}")

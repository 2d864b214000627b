"""The order of tasks: each after all that is upstream of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.core.errors import CycleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from headrace.core.edge import Edge
    from headrace.core.task import Task


def topological_order(
    tasks: Iterable[Task[Any]], incoming: Mapping[Task[Any], Sequence[Edge]]
) -> tuple[Task[Any], ...]:
    """Sort tasks so that each comes after its upstream tasks; linear in tasks and edges.

    Tasks stay in the order given, except that one that is needed earlier moves right before the
    first that needs it.

    Args:
        tasks: The tasks; upstream tasks that are not among them are left out.
        incoming: The edges to each task; a task that has none may be missing.

    Returns:
        The tasks in order.

    Raises:
        CycleError: If there is no such order; it names the tasks of one cycle.
    """
    wanted = dict.fromkeys(tasks)
    done: dict[Task[Any], None] = {}
    for task in wanted:
        if task not in done:
            _finish(task, wanted, incoming, done)
    return tuple(done)


def _finish(
    first: Task[Any],
    wanted: Mapping[Task[Any], None],
    incoming: Mapping[Task[Any], Sequence[Edge]],
    done: dict[Task[Any], None],
) -> None:
    """Add a task to `done`, after everything upstream of it that is not there yet."""
    # A depth-first walk against the edges, without recursion: flows may be 100,000 tasks deep.
    path: dict[Task[Any], None] = {first: None}
    stack = [(first, iter(incoming.get(first, ())))]
    while stack:
        task, edges = stack[-1]
        for edge in edges:
            upstream = edge.upstream_task
            if upstream in done or upstream not in wanted:
                continue
            if upstream in path:
                raise _cycle(upstream, path)
            path[upstream] = None
            stack.append((upstream, iter(incoming.get(upstream, ()))))
            break
        else:
            stack.pop()
            del path[task]
            done[task] = None


def _cycle(start: Task[Any], path: Mapping[Task[Any], None]) -> CycleError:
    walked = list(path)
    # The walk goes upstream, so that its reverse is the way the results would have to travel.
    circle = [start, *reversed(walked[walked.index(start) :])]
    names = " -> ".join(repr(task.name) for task in circle)
    return CycleError(
        f"The flow has a cycle: {names}. Each of these tasks waits for the one before it, so none "
        "could ever run; remove one of these edges."
    )

"""Changing a graph as a whole: taking up another one, and putting one task in another's place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.core.collections import as_task
from headrace.core.constant import Constant
from headrace.core.edge import check_accepts

if TYPE_CHECKING:
    from headrace.core.graph import Graph
    from headrace.core.task import Task


def take_up(
    graph: Graph, other: Graph, merge_parameters: bool, merge_reference_tasks: bool
) -> None:
    """Add the tasks, edges and constants of another graph; see `Graph.update`."""
    if merge_parameters:
        theirs = {parameter.name: parameter for parameter in other.parameters()}
        for parameter in sorted(graph.parameters(), key=lambda p: p.name):
            if theirs.get(parameter.name, parameter) is not parameter:
                graph.replace(parameter, theirs[parameter.name], validate=False)
    references = graph.reference_tasks() | other.reference_tasks()
    for task in other.slugs:
        graph.add_task(task)
    for edge in other._edges:
        graph._connect(edge)
    for task, constants in other.constants.items():
        graph.constants[task].update(constants)
    if merge_reference_tasks:
        graph.set_reference_tasks(task for task in graph.slugs if task in references)


def put_in_place(graph: Graph, old: Task[Any], new: Any) -> None:
    """Give a task the place of another; see `Graph.replace`."""
    graph._check_contains(old)
    new = as_task(new, flow=graph)
    if new is old:
        return
    # A value needs no inputs, so nothing is upstream of it any more.
    incoming = [] if isinstance(new, Constant) else list(graph.incoming(old))
    outgoing = list(graph.outgoing(old))
    constants = {} if isinstance(new, Constant) else graph.constants.get(old, {})
    for key in [*(edge.key for edge in incoming), *constants]:
        if key is not None:
            check_accepts(new, key)
    graph._remove(old)
    if old in graph._reference_tasks or not outgoing or not isinstance(new, Constant):
        graph.add_task(new)
    if constants:
        graph.constants[new] = {**constants, **graph.constants.get(new, {})}
    for edge in incoming:
        graph.add_edge(
            edge.upstream_task, new, edge.key, edge.mapped, edge.flattened, validate=False
        )
    for edge in outgoing:
        graph.add_edge(
            new, edge.downstream_task, edge.key, edge.mapped, edge.flattened, validate=False
        )
    graph._reference_tasks = {
        (new if task is old else task): None for task in graph._reference_tasks
    }

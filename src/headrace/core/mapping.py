"""Mapping: the annotations of inputs, and mapping whole functions that add tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from headrace.core.annotations import EdgeAnnotation, flatten, mapped, unmapped
from headrace.core.collections import as_task
from headrace.core.constant import Constant
from headrace.core.errors import EdgeError, MappingError, NotInFlowError
from headrace.core.graph import Graph, current_graph
from headrace.core.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.core.edge import Edge

T = TypeVar("T")

__all__ = ["EdgeAnnotation", "apply_map", "flatten", "mapped", "unmapped"]


def apply_map(func: Callable[..., T], *args: Any, flow: Graph | None = None, **kwargs: Any) -> T:
    """Map a function that adds tasks to a flow over the elements of its arguments.

    The function is called once, with tasks; every task that it adds is mapped. In it, tasks are
    called plainly; `case` and `merge` work as outside.

    Args:
        func: The function. If `flow` is given, it has to take `flow`, too, and pass it on.
        *args: What it is mapped over: tasks or sequences; `unmapped(...)` is passed whole and
            `flatten(...)` loses one level of nesting.
        flow: The flow; the open one by default.
        **kwargs: As `args`, by name.

    Returns:
        What the function returns.

    Raises:
        NotInFlowError: If there is no flow.
        MappingError: If an argument has no elements.

    Example:
        ```python
        def halve_if_even(x):
            with case(is_even(x), True):
                halved = halve(x)
            return merge(halved, x)

        with Flow("halve") as flow:
            apply_map(halve_if_even, range(10))
        ```
    """
    graph = flow or current_graph()
    if graph is None:
        raise NotInFlowError(
            "apply_map was called outside a flow. Call it inside a `with Flow(...)` block, or pass "
            "flow=... to it."
        )
    for value in (*args, *kwargs.values()):
        if not isinstance(value, Task | EdgeAnnotation | Sequence):
            raise MappingError(
                f"apply_map cannot map over {value!r:.40}, a {type(value).__name__}, which is no "
                "sequence. Make it a list, or wrap it in unmapped(...) to pass it whole."
            )
    template = _Template(f"{graph.name} (inside apply_map)")
    inputs = [_Input(value, graph, template) for value in (*args, *kwargs.values())]
    tasks = [one.task for one in inputs]
    template.inputs.update(tasks)
    by_name: dict[str, Any] = dict(zip(kwargs, tasks[len(args) :], strict=True))
    if flow is not None:
        by_name["flow"] = template
    before = set(graph.slugs)
    with template:
        returned = func(*tasks[: len(args)], **by_name)
    _adopt(graph, template, {one.task: one for one in inputs}, before)
    return returned


class _Template(Graph):
    """Where the function of `apply_map` puts its tasks, before they are mapped."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.inputs: set[Task[Any]] = set()

    def _check_mapping(self) -> None:
        raise EdgeError(
            "A task inside apply_map cannot be mapped: all that the function adds is mapped "
            "already. Call the task plainly, or map it outside of the function."
        )

    def _is_inlined(self, edge: Edge) -> bool:
        return edge.upstream_task not in self.inputs and super()._is_inlined(edge)


class _Input:
    """One argument of `apply_map`: the task that stands for it, and how it travels."""

    __slots__ = ("flattened", "is_value", "mapped", "task")

    def __init__(self, value: Any, graph: Graph, template: Graph) -> None:
        annotations = value.annotations if isinstance(value, EdgeAnnotation) else {}
        self.task = as_task(value, flow=graph)
        self.mapped: bool = annotations.get("mapped", True)
        self.flattened: bool = annotations.get("flattened", False)
        self.is_value = isinstance(self.task, Constant)
        # A value is added only if a task comes to use it.
        if not self.is_value:
            graph.add_task(self.task)
            template.add_task(self.task)


def _adopt(
    graph: Graph, template: Graph, inputs: dict[Task[Any], _Input], before: set[Task[Any]]
) -> None:
    """Add what the function put into the template to the graph, mapped."""
    new = [task for task in template.slugs if task not in before and task not in inputs]
    added = set(new)
    for task in template.sorted_tasks():
        if task in added:
            graph.add_task(task)
    for edge in template.edges:
        graph.add_edge(
            edge.upstream_task,
            edge.downstream_task,
            edge.key,
            mapped=_is_mapped(edge, inputs),
            flattened=edge.flattened or _is_flattened(edge, inputs),
            validate=False,
        )
    for task, constants in template.constants.items():
        graph.constants[task].update(constants)
    # Every task needs to know how many children it has: the ones that depend on no other new task
    # learn it from the inputs, even from those that they do not use.
    for task in new:
        upstream = graph.upstream_tasks(task)
        if upstream & added:
            continue
        for one in inputs.values():
            if one.task not in upstream and (one.mapped or not one.is_value):
                graph.add_edge(
                    one.task, task, mapped=one.mapped, flattened=one.flattened, validate=False
                )


def _is_mapped(edge: Edge, inputs: dict[Task[Any], _Input]) -> bool:
    one = inputs.get(edge.upstream_task)
    return True if one is None else one.mapped


def _is_flattened(edge: Edge, inputs: dict[Task[Any], _Input]) -> bool:
    one = inputs.get(edge.upstream_task)
    return False if one is None else one.flattened

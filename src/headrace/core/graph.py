"""The graph of a flow: its tasks and the edges between them."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from headrace.core.annotations import EdgeAnnotation
from headrace.core.building import Building, close_building, current_graph, open_building
from headrace.core.collections import as_task, is_constant
from headrace.core.constant import Constant
from headrace.core.context import provide
from headrace.core.edge import Edge, check_accepts, check_key
from headrace.core.errors import (
    DuplicateSlugError,
    EdgeError,
    MappingError,
    NotInFlowError,
    ParameterError,
    TaskTypeError,
)
from headrace.core.graph_merging import put_in_place, take_up
from headrace.core.graph_reading import AnyTask, ReadableGraph
from headrace.core.operators import OPERATORS
from headrace.core.parameter import Parameter
from headrace.core.settings import authoring_settings
from headrace.core.tags import current_tags
from headrace.core.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from headrace.core.scopes import Scope


__all__ = ["AnyTask", "Graph", "current_graph"]


# Authors may ask the context what is being built, as a run asks it what is being run.
provide("flow", current_graph)
provide("tags", lambda: set(current_tags()))


class Graph(ReadableGraph):
    """Tasks and the edges between them; what a flow consists of.

    Tasks that are called inside a `with` block of the graph are added to it. Adding a task or an
    edge takes constant time.

    Args:
        name: The graph's name, for messages.
    """

    # ----------------------------------------------------------------------------- `with graph`

    def __enter__(self) -> Self:
        building = Building(self)
        self._open.append((building, open_building(building)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        building, token = self._open.pop()
        close_building(token)
        if kind is not None:
            return
        unused = [task for task in building.unused if task not in self.slugs]
        if unused:
            names = ", ".join(map(repr, unused))
            warnings.warn(
                f"Tasks were made in the block of {self!r} but not added to it: {names}. A task "
                "is added when it is called, or used as an input of a task that is.",
                stacklevel=2,
            )

    @property
    def is_open(self) -> bool:
        """Whether a `with` block of this graph is open."""
        return bool(self._open)

    def open_scope(self, scope: Scope) -> None:
        """Let a scope hear of each task added from now on; scopes nest."""
        self._scopes.append(scope)

    def close_scope(self, scope: Scope) -> None:
        """Let a scope hear of no more tasks."""
        self._scopes.remove(scope)

    # ----------------------------------------------------------------------------- adding tasks

    def add_task(self, task: AnyTask) -> AnyTask:
        """Add a task; one that is here already stays as it is.

        Args:
            task: The task.

        Returns:
            The task.

        Raises:
            TaskTypeError: If it is no task.
            DuplicateSlugError: If its slug is taken by another task.
            ParameterError: If it is a parameter whose name is taken by another one.
        """
        if not isinstance(task, Task):
            raise _no_task(task, self)
        if task in self.slugs:
            return task
        slug = task.slug
        if not slug:
            slug = self._new_slug(task)
        elif slug in self._taken_slugs:
            raise self._slug_is_taken(slug, task)
        self.slugs[task] = slug
        self._taken_slugs[slug] = task
        self._sorted = None
        if self._scopes and not isinstance(task, Parameter | Constant):
            for scope in reversed(self._scopes):
                scope.add_task(task, self)
        return task

    def _slug_is_taken(self, slug: str, task: AnyTask) -> DuplicateSlugError | ParameterError:
        other = self._taken_slugs[slug]
        if isinstance(task, Parameter) and isinstance(other, Parameter):
            return ParameterError(
                f"{self!r} has two different parameters named {slug!r}. Make one parameter and use "
                "it in both places, or give one of them another name; to unite two flows, use "
                "update(..., merge_parameters=True)."
            )
        return DuplicateSlugError(
            f"{task!r} has the slug {slug!r}, which is taken by {other!r} in {self!r}. Give one of "
            "them another slug, or none, so that the flow makes one."
        )

    def set_reference_tasks(self, tasks: Iterable[AnyTask]) -> None:
        """Say which tasks decide the flow's final state.

        Args:
            tasks: The tasks; none of them means the default again.

        Raises:
            NotInFlowError: If one is not part of this graph.
        """
        references = dict.fromkeys(listed(tasks, "reference tasks"))
        for task in references:
            if task not in self.slugs:
                raise NotInFlowError(
                    f"{task!r} cannot be a reference task of {self!r}, because it is not part of "
                    "it. Add it first; of a call, use what it returned."
                )
        self._reference_tasks = references

    # ----------------------------------------------------------------------------- adding edges

    def add_edge(
        self,
        upstream_task: Any,
        downstream_task: Any,
        key: str | None = None,
        mapped: bool = False,
        flattened: bool = False,
        validate: bool | None = None,
    ) -> Edge:
        """Connect two tasks, which are added if they are not here yet.

        Args:
            upstream_task: The task that runs first. A value that only is an input is no task: it
                becomes a constant of the downstream task.
            downstream_task: The task that waits for it.
            key: The parameter of the downstream task that takes the result, if any.
            mapped: Whether the downstream task has a child for each element of the result.
            flattened: Whether one level of nesting is removed from the result on the way.
            validate: Whether the graph is checked at once; by default as configured.

        Returns:
            The edge.

        Raises:
            EdgeError: If the downstream task is a parameter, does not take the key, or has it
                already; or if it is mapped inside `apply_map`.
            CycleError: If both are one task; if validated, if a cycle has come about.
        """
        if mapped:
            self._check_mapping()
        edge = Edge(upstream_task, downstream_task, key, mapped, flattened, flow=self)
        upstream, downstream = edge.upstream_task, edge.downstream_task
        self._check_downstream(downstream)
        if key is not None:
            check_accepts(downstream, key)
            self._check_key_is_free(downstream, key, edge)
        if key is not None and self._is_inlined(edge):
            self.add_task(downstream)
            self.constants[downstream][key] = upstream.value  # type: ignore[attr-defined]
            return edge
        if edge.mapped:
            _check_mappable(edge)
        self.add_task(upstream)
        self.add_task(downstream)
        self._connect(edge)
        if _is_eager(validate):
            self.validate()
        return edge

    def set_dependencies(
        self,
        task: Any,
        upstream_tasks: Iterable[Any] | None = None,
        downstream_tasks: Iterable[Any] | None = None,
        keyword_tasks: Mapping[str, Any] | None = None,
        mapped: bool = False,
        validate: bool | None = None,
    ) -> None:
        """Connect a task, which is added if it is not here yet, to others.

        Args:
            task: The task.
            upstream_tasks: Tasks that run before it.
            downstream_tasks: Tasks that run after it.
            keyword_tasks: Its inputs, by parameter name: tasks or values.
            mapped: Whether it is mapped over all that is upstream of it here.
            validate: Whether the graph is checked at once; by default as configured.

        Raises:
            EdgeError: As for `add_edge`.
            CycleError: As for `add_edge`.
        """
        if mapped:
            self._check_mapping()
        task = as_task(task, flow=self)
        for key in keyword_tasks or ():
            check_key(key)
            check_accepts(task, key)
        self._bind_inputs(task, keyword_tasks or {}, upstream_tasks, mapped)
        for value in listed(downstream_tasks, "downstream_tasks"):
            self.add_edge(task, value, validate=False)
        if _is_eager(validate):
            self.validate()

    def bind_call(
        self,
        task: AnyTask,
        inputs: Mapping[str, Any],
        upstream_tasks: Iterable[Any] | None,
        mapped: bool,
    ) -> None:
        """Add a task with the inputs of a call, which are known to fit its `run`.

        Args and errors are those of `set_dependencies`.
        """
        if mapped:
            self._check_mapping()
        self._bind_inputs(task, inputs, upstream_tasks, mapped)
        if authoring_settings().eager_edge_validation:
            self.validate()

    def _bind_inputs(
        self,
        task: AnyTask,
        inputs: Mapping[str, Any],
        upstream_tasks: Iterable[Any] | None,
        mapped: bool,
    ) -> None:
        edges: list[Edge] = []
        constants: dict[str, Any] = {}
        for key, value in inputs.items():
            if isinstance(value, Task):
                edge = Edge.between(value, task, key, mapped)
            elif mapped or isinstance(value, EdgeAnnotation) or not is_constant(value):
                edge = Edge(value, task, key, mapped, flow=self)
            else:
                if isinstance(value, type) and issubclass(value, Task):
                    raise _class_as_input(value, key, task)
                constants[key] = value
                continue
            if self._is_inlined(edge):
                constants[key] = edge.upstream_task.value  # type: ignore[attr-defined]
            else:
                edges.append(edge)
        if upstream_tasks is not None:
            edges += [
                Edge(value, task, None, mapped, flow=self)
                for value in listed(upstream_tasks, "upstream_tasks")
            ]
        if edges or constants:
            self._check_downstream(task)
            for edge in edges:
                if edge.mapped:
                    _check_mappable(edge)
            if task in self._incoming or task in self.constants:
                for edge in edges:
                    if edge.key is not None:
                        self._check_key_is_free(task, edge.key, edge)
                for key in constants:
                    self._check_key_is_free(task, key, None)
        slugs = self.slugs
        for edge in edges:
            if edge.upstream_task not in slugs:
                self.add_task(edge.upstream_task)
        self.add_task(task)
        if constants:
            present = self.constants.get(task)
            self.constants[task] = {**present, **constants} if present else constants
        for edge in edges:
            self._connect(edge)

    def add_operation(
        self, operator: str, operands: Sequence[Any], task_args: Mapping[str, Any]
    ) -> AnyTask:
        """Add the task behind an operator between tasks.

        Args:
            operator: The name of the operator's task class, such as "Add".
            operands: Its inputs, in order.
            task_args: Constructor arguments of the task.

        Returns:
            The task.
        """
        return OPERATORS[operator](**task_args).bind(*operands, flow=self)

    def chain(self, *tasks: Any, validate: bool | None = None) -> list[Edge]:
        """Let tasks run one after another.

        Args:
            *tasks: The tasks, in order.
            validate: Whether the graph is checked at once; by default as configured.

        Returns:
            The edges between them.
        """
        return [
            self.add_edge(earlier, later, validate=validate) for earlier, later in pairwise(tasks)
        ]

    def _check_downstream(self, task: AnyTask) -> None:
        if isinstance(task, Parameter):
            raise EdgeError(
                f"{task!r} cannot wait for another task: parameters are known before the flow "
                "runs. Give the value to a task of its own instead."
            )

    def _check_mapping(self) -> None:
        """Raise an error if tasks of this graph cannot be mapped."""

    def _is_inlined(self, edge: Edge) -> bool:
        """Tell whether a value becomes an input of the downstream task without being a task."""
        return (
            isinstance(edge.upstream_task, Constant)
            and edge.key is not None
            and not edge.mapped
            and not edge.flattened
        )

    def _check_key_is_free(self, task: AnyTask, key: str, edge: Edge | None) -> None:
        taken = edge is not None and task in self.constants and key in self.constants[task]
        if not taken and task in self._incoming:
            keys = self._keys.get(task)
            if keys is None:
                keys = {e.key for e in self._incoming[task] if e.key is not None}
                self._keys[task] = keys
            # The very same edge once more changes nothing.
            taken = key in keys and edge not in self._edges
        if taken:
            raise EdgeError(
                f"The argument {key!r} of {task!r} has been given already. To call the task again "
                "with other arguments, make a copy of it first: task.copy()."
            )

    # -------------------------------------------------------------------------------- changing

    def update(
        self,
        flow: Graph,
        merge_parameters: bool = False,
        validate: bool | None = None,
        merge_reference_tasks: bool = False,
    ) -> None:
        """Take up the tasks, edges and constants of another graph.

        Args:
            flow: The other graph, which stays as it is.
            merge_parameters: Whether the other's parameters take the place of those here that
                have the same name; else these are an error.
            validate: Whether the graph is checked; by default as configured.
            merge_reference_tasks: Whether the reference tasks of both are the new ones.

        Raises:
            ParameterError: If both have a parameter of one name, and these are not merged.
            DuplicateSlugError: If a task's own slug is taken.
        """
        take_up(self, flow, merge_parameters, merge_reference_tasks)
        if merge_parameters or _is_eager(validate):
            self.validate()

    def replace(self, old: AnyTask, new: Any, validate: bool = True) -> None:
        """Put a task in the place of another: its edges, its constants, its part as reference.

        Args:
            old: The task that goes.
            new: The task that comes, or a value.
            validate: Whether the graph is checked afterwards.

        Raises:
            NotInFlowError: If the old task is not part of this graph.
            CycleError: If validated, if a cycle has come about.
        """
        put_in_place(self, old, new)
        if validate:
            self.validate()


def _is_eager(validate: bool | None) -> bool:
    return authoring_settings().eager_edge_validation if validate is None else validate


def _check_mappable(edge: Edge) -> None:
    upstream = edge.upstream_task
    if isinstance(upstream, Constant):
        value = upstream.value
        if not (hasattr(value, "__getitem__") and hasattr(value, "__len__")):
            raise MappingError(
                f"Task {edge.downstream_task.name!r} cannot be mapped over {value!r:.40}, a "
                f"{type(value).__name__}, which has no elements to pick. Make it a list, or wrap "
                "it in unmapped(...) to pass it whole."
            )


def _class_as_input(value: type, key: str, task: AnyTask) -> TaskTypeError:
    return TaskTypeError(
        f"The argument {key!r} of {task!r} is the class {value.__name__}, not a task; make one and "
        f"call it: {value.__name__}()(...)."
    )


def listed(tasks: Iterable[Any] | None, role: str) -> list[Any]:
    """Return what was given as several tasks, as a list.

    Args:
        tasks: The tasks; None for none.
        role: What they are, for the message of the error.

    Raises:
        TaskTypeError: If it is one task.
    """
    if tasks is None:
        return []
    if isinstance(tasks, Task):
        raise TaskTypeError(f"The {role} are one task, {tasks!r}; give a list of tasks.")
    return list(tasks)


def _no_task(thing: object, graph: Graph) -> TaskTypeError:
    if isinstance(thing, type) and issubclass(thing, Task):
        return TaskTypeError(
            f"The class {thing.__name__} was added to {graph!r}, where a task is needed; make one: "
            f"{thing.__name__}()."
        )
    return TaskTypeError(
        f"{thing!r} was added to {graph!r}, but it is a {type(thing).__name__}, not a task. "
        "Decorate a function with @task, or pass values as inputs of a task."
    )

"""The graph of a flow: its tasks and the edges between them."""

from __future__ import annotations

import warnings
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol, Self

from headrace.core.annotations import EdgeAnnotation
from headrace.core.building import Building, close_building, current_graph, open_building
from headrace.core.collections import as_task, is_constant
from headrace.core.constant import Constant
from headrace.core.context import provide
from headrace.core.edge import Edge, check_key
from headrace.core.errors import (
    DuplicateSlugError,
    EdgeError,
    NotInFlowError,
    ParameterError,
    TaskTypeError,
)
from headrace.core.operators import OPERATORS
from headrace.core.parameter import Parameter
from headrace.core.settings import authoring_settings
from headrace.core.sorting import topological_order
from headrace.core.tags import current_tags
from headrace.core.task import Task
from headrace.core.views import SetView

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType


__all__ = ["Graph", "Scope", "current_graph"]

AnyTask = Task[Any]

# Authors may ask the context what is being built, as a run asks it what is being run.
provide("flow", current_graph)
provide("tags", lambda: set(current_tags()))


class Scope(Protocol):
    """Something that hears of each task added to a graph while it is open, such as a `case`."""

    def add_task(self, task: AnyTask, graph: Graph) -> None:
        """Hear of a task that has just been added; called before the task has edges.

        Parameters and constants are not told of. A scope that asks for the task's edges does so
        when it is closed.
        """


class Graph:
    """Tasks and the edges between them; what a flow consists of.

    All orders are those in which things were added, so that the same code makes the same graph.
    Adding a task or an edge, and asking for the edges of a task, takes constant time for each
    edge named; copying, sorting and validating take linear time.

    Args:
        name: The graph's name, for messages.

    Attributes:
        slugs: What identifies each task in this graph; its keys are the tasks, in order.
        constants: The inputs of each task that are plain values, by parameter name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.slugs: dict[AnyTask, str] = {}
        self.constants: defaultdict[AnyTask, dict[str, Any]] = defaultdict(dict)
        self._taken_slugs: dict[str, AnyTask] = {}
        self._slug_counts: dict[str, int] = {}
        self._edges: dict[Edge, None] = {}
        self._incoming: dict[AnyTask, list[Edge]] = {}
        self._outgoing: dict[AnyTask, list[Edge]] = {}
        # The keys of the edges to a task, collected when a second call gives it edges.
        self._keys: dict[AnyTask, set[str]] = {}
        self._reference_tasks: dict[AnyTask, None] = {}
        self._sorted: tuple[AnyTask, ...] | None = None
        self._scopes: list[Scope] = []
        self._open: list[tuple[Building, Any]] = []

    def __repr__(self) -> str:
        return f'<{type(self).__name__}: name="{self.name}">'

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        assert isinstance(other, Graph)
        return (
            self.name == other.name
            and self.slugs.keys() == other.slugs.keys()
            and self._edges.keys() == other._edges.keys()
            and self.reference_tasks() == other.reference_tasks()
        )

    # Two graphs that are equal now may not be after the next edge, so neither can be a key.
    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[AnyTask]:
        return iter(self.sorted_tasks())

    def __getstate__(self) -> dict[str, Any]:
        # Edges know both their ends, and blocks are open in one process only.
        state = {**self.__dict__, "_edges": list(self._edges)}
        for derived in ("_incoming", "_outgoing", "_keys", "_sorted", "_scopes", "_open"):
            del state[derived]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        edges = state.pop("_edges")
        self.__dict__.update(state)
        self._edges, self._incoming, self._outgoing, self._keys = {}, {}, {}, {}
        self._sorted, self._scopes, self._open = None, [], []
        for edge in edges:
            self._connect(edge)

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

    # -------------------------------------------------------------------------- what is in here

    @property
    def tasks(self) -> SetView[AnyTask]:
        """The tasks: a read-only set, in the order in which they were added."""
        return SetView(self.slugs)

    @property
    def edges(self) -> SetView[Edge]:
        """The edges: a read-only set, in the order in which they were added."""
        return SetView(self._edges)

    def incoming(self, task: AnyTask) -> Sequence[Edge]:
        """Return the edges to a task, in order, without a copy: not to be changed."""
        return self._incoming.get(task, ())

    def outgoing(self, task: AnyTask) -> Sequence[Edge]:
        """Return the edges from a task, in order, without a copy: not to be changed."""
        return self._outgoing.get(task, ())

    def is_connected(self, task: AnyTask) -> bool:
        """Tell whether a task has any edge in this graph."""
        return task in self._incoming or task in self._outgoing

    def edges_to(self, task: AnyTask) -> set[Edge]:
        """Return the edges to a task.

        Raises:
            NotInFlowError: If the task is not part of this graph.
        """
        self._check_contains(task)
        return set(self.incoming(task))

    def edges_from(self, task: AnyTask) -> set[Edge]:
        """Return the edges from a task.

        Raises:
            NotInFlowError: If the task is not part of this graph.
        """
        self._check_contains(task)
        return set(self.outgoing(task))

    def all_upstream_edges(self) -> dict[AnyTask, set[Edge]]:
        """Return the edges to each task."""
        return {task: set(self.incoming(task)) for task in self.slugs}

    def all_downstream_edges(self) -> dict[AnyTask, set[Edge]]:
        """Return the edges from each task."""
        return {task: set(self.outgoing(task)) for task in self.slugs}

    def upstream_tasks(self, task: AnyTask) -> set[AnyTask]:
        """Return the tasks that a task waits for.

        Raises:
            NotInFlowError: If the task is not part of this graph.
        """
        return {edge.upstream_task for edge in self.edges_to(task)}

    def downstream_tasks(self, task: AnyTask) -> set[AnyTask]:
        """Return the tasks that wait for a task.

        Raises:
            NotInFlowError: If the task is not part of this graph.
        """
        return {edge.downstream_task for edge in self.edges_from(task)}

    def root_tasks(self) -> set[AnyTask]:
        """Return the tasks that wait for no other."""
        return {task for task in self.slugs if not self.incoming(task)}

    def terminal_tasks(self) -> set[AnyTask]:
        """Return the tasks that no other waits for."""
        return {task for task in self.slugs if not self.outgoing(task)}

    def parameters(self) -> set[Parameter]:
        """Return the parameters."""
        return {task for task in self.slugs if isinstance(task, Parameter)}

    def get_tasks(
        self,
        name: str | None = None,
        slug: str | None = None,
        tags: Iterable[str] | None = None,
        task_type: type[AnyTask] | tuple[type[AnyTask], ...] | None = None,
    ) -> list[AnyTask]:
        """Find tasks that meet all conditions given.

        Args:
            name: The task's name.
            slug: The task's slug in this graph.
            tags: Tags that the task has, possibly among others.
            task_type: A class of tasks, or several.

        Returns:
            The tasks, in the order in which they were added.

        Raises:
            TaskTypeError: If `task_type` is no class.
        """
        if task_type is not None and isinstance(task_type, Task):
            raise TaskTypeError(
                f"task_type is the task {task_type!r}; give its class, {type(task_type).__name__}."
            )
        wanted_tags = None if tags is None else {tags} if isinstance(tags, str) else set(tags)
        return [
            task
            for task, own_slug in self.slugs.items()
            if (name is None or task.name == name)
            and (slug is None or slug in (own_slug, task.slug))
            and (wanted_tags is None or task.tags.issuperset(wanted_tags))
            and (task_type is None or isinstance(task, task_type))
        ]

    def _check_contains(self, task: AnyTask) -> None:
        if task not in self.slugs:
            raise NotInFlowError(
                f"{task!r} is not part of {self!r}. A call of a task adds a copy to the flow and "
                "returns it; use what the call returned."
            )

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

    def _new_slug(self, task: AnyTask) -> str:
        tags = task.tags
        prefix = "-".join((task.name, *sorted(tags))) if tags else task.name
        count = self._slug_counts.get(prefix, 0)
        while True:
            count += 1
            slug = f"{prefix}-{count}"
            if slug not in self._taken_slugs:
                self._slug_counts[prefix] = count
                return slug

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
            _check_accepts(downstream, key)
            self._check_key_is_free(downstream, key, edge)
        if key is not None and self._is_inlined(edge):
            self.add_task(downstream)
            self.constants[downstream][key] = upstream.value  # type: ignore[attr-defined]
            return edge
        self.add_task(upstream)
        self.add_task(downstream)
        self._connect(edge)
        if authoring_settings().eager_edge_validation if validate is None else validate:
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
            _check_accepts(task, key)
        self._bind_inputs(task, keyword_tasks or {}, upstream_tasks, mapped)
        for value in _listed(downstream_tasks, "downstream_tasks"):
            self.add_edge(task, value, validate=False)
        if authoring_settings().eager_edge_validation if validate is None else validate:
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
                constants[key] = value
                continue
            if self._is_inlined(edge):
                constants[key] = edge.upstream_task.value  # type: ignore[attr-defined]
            else:
                edges.append(edge)
        if upstream_tasks is not None:
            edges += [
                Edge(value, task, None, mapped, flow=self)
                for value in _listed(upstream_tasks, "upstream_tasks")
            ]
        if edges or constants:
            self._check_downstream(task)
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
            self.constants[task].update(constants)
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

    def _connect(self, edge: Edge) -> None:
        edges = self._edges
        size = len(edges)
        edges[edge] = None
        if len(edges) == size:
            return
        self._sorted = None
        downstream, key = edge.downstream_task, edge.key
        incoming = self._incoming.get(downstream)
        if incoming is None:
            self._incoming[downstream] = [edge]
        else:
            incoming.append(edge)
            if key is not None and downstream in self._keys:
                self._keys[downstream].add(key)
        outgoing = self._outgoing.get(edge.upstream_task)
        if outgoing is None:
            self._outgoing[edge.upstream_task] = [edge]
        else:
            outgoing.append(edge)

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
        if merge_parameters:
            theirs = {parameter.name: parameter for parameter in flow.parameters()}
            for parameter in sorted(self.parameters(), key=lambda p: p.name):
                if theirs.get(parameter.name, parameter) is not parameter:
                    self.replace(parameter, theirs[parameter.name], validate=False)
        references = self.reference_tasks() | flow.reference_tasks()
        for task in flow.slugs:
            self.add_task(task)
        for edge in flow._edges:
            self._connect(edge)
        for task, constants in flow.constants.items():
            self.constants[task].update(constants)
        if merge_reference_tasks:
            self.set_reference_tasks(task for task in self.slugs if task in references)
        wanted = authoring_settings().eager_edge_validation if validate is None else validate
        if wanted or merge_parameters:
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
        self._check_contains(old)
        new = as_task(new, flow=self)
        if new is old:
            return
        # A value needs no inputs, so nothing is upstream of it any more.
        incoming = [] if isinstance(new, Constant) else list(self.incoming(old))
        outgoing = list(self.outgoing(old))
        constants = {} if isinstance(new, Constant) else self.constants.get(old, {})
        for key in [*(edge.key for edge in incoming), *constants]:
            if key is not None:
                _check_accepts(new, key)
        self._remove(old)
        if old in self._reference_tasks or not outgoing or not isinstance(new, Constant):
            self.add_task(new)
        if constants:
            self.constants[new] = {**constants, **self.constants.get(new, {})}
        for edge in incoming:
            self.add_edge(
                edge.upstream_task, new, edge.key, edge.mapped, edge.flattened, validate=False
            )
        for edge in outgoing:
            self.add_edge(
                new, edge.downstream_task, edge.key, edge.mapped, edge.flattened, validate=False
            )
        self._reference_tasks = {
            (new if task is old else task): None for task in self._reference_tasks
        }
        if validate:
            self.validate()

    def _remove(self, task: AnyTask) -> None:
        del self._taken_slugs[self.slugs.pop(task)]
        self.constants.pop(task, None)
        for edge in [*self.incoming(task), *self.outgoing(task)]:
            self._disconnect(edge)
        self._sorted = None

    def _disconnect(self, edge: Edge) -> None:
        self._edges.pop(edge, None)
        for ends, task in (
            (self._incoming, edge.downstream_task),
            (self._outgoing, edge.upstream_task),
        ):
            if task in ends:
                ends[task].remove(edge)
                if not ends[task]:
                    del ends[task]
        self._keys.pop(edge.downstream_task, None)

    def copy(self) -> Self:
        """Return a graph of the same tasks and edges, free to be changed apart."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.slugs = self.slugs.copy()
        new.constants = defaultdict(dict, {t: dict(c) for t, c in self.constants.items()})
        new._taken_slugs = self._taken_slugs.copy()
        new._slug_counts = self._slug_counts.copy()
        new._edges = self._edges.copy()
        new._incoming = {task: edges.copy() for task, edges in self._incoming.items()}
        new._outgoing = {task: edges.copy() for task, edges in self._outgoing.items()}
        new._keys = {}
        new._reference_tasks = self._reference_tasks.copy()
        new._scopes = []
        new._open = []
        return new

    # ------------------------------------------------------------------ reference tasks, orders

    def reference_tasks(self) -> set[AnyTask]:
        """Return the tasks that decide the flow's final state.

        By default these are the terminal tasks; tasks that set up or clean up a resource do not
        count.
        """
        if self._reference_tasks:
            return set(self._reference_tasks)
        return {
            task
            for task in self.slugs
            if not task.is_resource_init
            and not task.is_resource_cleanup
            and all(edge.downstream_task.is_resource_cleanup for edge in self.outgoing(task))
        }

    def set_reference_tasks(self, tasks: Iterable[AnyTask]) -> None:
        """Say which tasks decide the flow's final state.

        Args:
            tasks: The tasks; none of them means the default again.

        Raises:
            NotInFlowError: If one is not part of this graph.
        """
        references = dict.fromkeys(_listed(tasks, "reference tasks"))
        for task in references:
            if task not in self.slugs:
                raise NotInFlowError(
                    f"{task!r} cannot be a reference task of {self!r}, because it is not part of "
                    "it. Add it first; of a call, use what it returned."
                )
        self._reference_tasks = references

    def sorted_tasks(self, root_tasks: Iterable[AnyTask] | None = None) -> tuple[AnyTask, ...]:
        """Return the tasks, each after all that is upstream of it.

        Args:
            root_tasks: If given, only these tasks and all that is downstream of them.

        Returns:
            The tasks; where their edges leave it open, in the order in which they were added.

        Raises:
            CycleError: If there is no such order.
            NotInFlowError: If a root task is not part of this graph.
        """
        if self._sorted is None:
            self._sorted = topological_order(self.slugs, self._incoming)
        roots = list(root_tasks or ())
        if not roots:
            return self._sorted
        reached: set[AnyTask] = set()
        while roots:
            task = roots.pop()
            if task not in reached:
                self._check_contains(task)
                reached.add(task)
                roots.extend(edge.downstream_task for edge in self.outgoing(task))
        return tuple(task for task in self._sorted if task in reached)

    def validate(self) -> None:
        """Check that the graph can be run.

        Raises:
            CycleError: If it has a cycle.
        """
        self.sorted_tasks()


def _check_accepts(task: AnyTask, key: str) -> None:
    signature = task._run_signature()
    if not signature.accepts(key):
        raise EdgeError(f"{task!r} has no argument {key!r}; its run takes {signature}.")


def _listed(tasks: Iterable[Any] | None, role: str) -> list[Any]:
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

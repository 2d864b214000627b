"""What a graph can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.core.errors import TaskTypeError
from headrace.core.graph_store import GraphStore
from headrace.core.parameter import Parameter
from headrace.core.sorting import topological_order
from headrace.core.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from headrace.core.edge import Edge

AnyTask = Task[Any]


class ReadableGraph(GraphStore):
    """A graph that answers questions about its tasks and edges.

    Asking for the edges of a task takes constant time for each of them; sorting, validating and
    finding take linear time.
    """

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        assert isinstance(other, ReadableGraph)
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

    # ------------------------------------------------------------------------ around one task

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

    # ----------------------------------------------------------------------------- all tasks

    def all_upstream_edges(self) -> dict[AnyTask, set[Edge]]:
        """Return the edges to each task."""
        return {task: set(self.incoming(task)) for task in self.slugs}

    def all_downstream_edges(self) -> dict[AnyTask, set[Edge]]:
        """Return the edges from each task."""
        return {task: set(self.outgoing(task)) for task in self.slugs}

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

    # -------------------------------------------------------------------------------- orders

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

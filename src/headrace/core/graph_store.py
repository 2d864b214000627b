"""What a graph holds: tasks, slugs, constants, and the edges of each task."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Self

from headrace.core.errors import NotInFlowError
from headrace.core.views import SetView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.core.building import Building
    from headrace.core.edge import Edge
    from headrace.core.scopes import Scope
    from headrace.core.task import Task


_FOLLOWS = ("_taken_slugs", "_incoming", "_outgoing", "_keys", "_sorted", "_scopes", "_open")


class GraphStore:
    """The tasks and edges of a graph, as they are kept.

    All orders are those in which things were added, so that the same code makes the same graph.

    Args:
        name: The graph's name, for messages.

    Attributes:
        slugs: What identifies each task in this graph; its keys are the tasks, in order.
        constants: The inputs of each task that are plain values, by parameter name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.slugs: dict[Task[Any], str] = {}
        self.constants: defaultdict[Task[Any], dict[str, Any]] = defaultdict(dict)
        self._taken_slugs: dict[str, Task[Any]] = {}
        self._slug_counts: dict[str, int] = {}
        self._edges: dict[Edge, None] = {}
        self._incoming: dict[Task[Any], list[Edge]] = {}
        self._outgoing: dict[Task[Any], list[Edge]] = {}
        # The keys of the edges to a task, collected when a second call gives it edges.
        self._keys: dict[Task[Any], set[str]] = {}
        self._reference_tasks: dict[Task[Any], None] = {}
        self._sorted: tuple[Task[Any], ...] | None = None
        self._scopes: list[Scope] = []
        self._open: list[tuple[Building, Any]] = []

    def __repr__(self) -> str:
        return f'<{type(self).__name__}: name="{self.name}">'

    def __getstate__(self) -> dict[str, Any]:
        # The rest follows from these, and blocks are open in one process only.
        state = {**self.__dict__, "_edges": list(self._edges)}
        for name in _FOLLOWS:
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        edges = state.pop("_edges")
        self.__dict__.update(state)
        self._taken_slugs = {slug: task for task, slug in self.slugs.items()}
        self._edges, self._incoming, self._outgoing, self._keys = {}, {}, {}, {}
        self._sorted, self._scopes, self._open = None, [], []
        for edge in edges:
            self._connect(edge)

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

    # ------------------------------------------------------------------------- reading the store

    @property
    def tasks(self) -> SetView[Task[Any]]:
        """The tasks: a read-only set, in the order in which they were added."""
        return SetView(self.slugs)

    @property
    def edges(self) -> SetView[Edge]:
        """The edges: a read-only set, in the order in which they were added."""
        return SetView(self._edges)

    def incoming(self, task: Task[Any]) -> Sequence[Edge]:
        """Return the edges to a task, in order, without a copy: not to be changed."""
        return self._incoming.get(task, ())

    def outgoing(self, task: Task[Any]) -> Sequence[Edge]:
        """Return the edges from a task, in order, without a copy: not to be changed."""
        return self._outgoing.get(task, ())

    def is_connected(self, task: object) -> bool:
        """Tell whether a task has any edge in this graph."""
        return task in self._incoming or task in self._outgoing

    def _check_contains(self, task: Task[Any]) -> None:
        if task not in self.slugs:
            raise NotInFlowError(
                f"{task!r} is not part of {self!r}. A call of a task adds a copy to the flow and "
                "returns it; use what the call returned."
            )

    # ------------------------------------------------------------------------ changing the store

    def _new_slug(self, task: Task[Any]) -> str:
        tags = task.tags
        prefix = "-".join((task.name, *sorted(tags))) if tags else task.name
        count = self._slug_counts.get(prefix, 0)
        while True:
            count += 1
            slug = f"{prefix}-{count}"
            if slug not in self._taken_slugs:
                self._slug_counts[prefix] = count
                return slug

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

    def _remove(self, task: Task[Any]) -> None:
        del self._taken_slugs[self.slugs.pop(task)]
        self.constants.pop(task, None)
        self._keys.pop(task, None)
        for edge in self._incoming.pop(task, ()):
            del self._edges[edge]
            _drop(self._outgoing, edge.upstream_task, edge)
        for edge in self._outgoing.pop(task, ()):
            del self._edges[edge]
            _drop(self._incoming, edge.downstream_task, edge)
            self._keys.pop(edge.downstream_task, None)
        self._sorted = None


def _drop(edges: dict[Task[Any], list[Edge]], task: Task[Any], edge: Edge) -> None:
    edges[task].remove(edge)
    if not edges[task]:
        del edges[task]

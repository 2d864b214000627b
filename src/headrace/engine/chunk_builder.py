"""Makes a chunk: the steps of the runs that go into it, with all that they take along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.core.triggers import BuiltinTrigger
from headrace.engine.binding import Binding
from headrace.engine.step import Step

if TYPE_CHECKING:
    from headrace.core.edge import Edge
    from headrace.core.states import State
    from headrace.engine.chunk import Chunk
    from headrace.engine.flight import Flight, Item
    from headrace.engine.kept_values import KeptValues
    from headrace.engine.plan import Node
    from headrace.engine.run import Run
    from headrace.engine.shared_values import SharedValues


class ChunkBuilder:
    """Fills one chunk, and its flight.

    Args:
        run: The flow run.
        flight: The flight; empty so far.
        chunk: The chunk; without steps so far.
        shared: How values that are here travel.
        kept: Which values stayed on workers.

    Attributes:
        places: Which step each run is.
    """

    __slots__ = ("_binding", "_run", "_shared", "_tasks", "chunk", "flight", "places")

    def __init__(
        self, run: Run, flight: Flight, chunk: Chunk, shared: SharedValues, kept: KeptValues
    ) -> None:
        self.flight = flight
        self.chunk = chunk
        self.places: dict[Item, int] = {}
        self._run = run
        self._shared = shared
        self._tasks: dict[Node, int] = {}
        self._binding = Binding(run.inputs, shared, kept, flight, self.places)

    def add(self, item: Item, decided: State | None, after: tuple[int, ...] = ()) -> None:
        """Add a run.

        Args:
            item: The run.
            decided: The state in which it ends without its function being called, if it does.
            after: The earlier steps that must simply succeed before it.
        """
        node, child = item
        run, flight, chunk, tasks = self._run, self.flight, self.chunk, self._tasks
        if node not in tasks:
            tasks[node] = len(chunk.tasks)
            chunk.tasks.append(self._shared.task_of(node))
            self._add_extra(node)
        begin = run.machine.begin_state(node, child)
        if begin is not None:
            flight.begins[item] = begin
        inputs: dict[str, Any] = {}
        has_sources = False
        upstream_states: dict[Edge, State] | None = None
        if decided is None:
            inputs, has_sources = self._binding.bind(node, child)
            if not isinstance(node.trigger, BuiltinTrigger):
                upstream_states = self._binding.upstream_states(node, child)
        position = len(chunk.steps)
        self.places[item] = position
        flight.items.append(item)
        flight.open.add(position)
        chunk.steps.append(
            Step(
                tasks[node],
                node.slug,
                child,
                inputs,
                has_sources,
                node.plain,
                node.measure,
                begin,
                decided,
                upstream_states,
                after,
                run.task_contexts.get(node.task) if run.task_contexts else None,
                node.task.cache_for is not None,
            )
        )

    def _add_extra(self, node: Node) -> None:
        """Send along what the task needs of this process's context."""
        extra = dict(self.chunk.extra or {})
        scope = self._run.scope
        if scope.find("raise_on_exception") is True:
            extra["raise_on_exception"] = True
        if node.task.cache_for is not None:
            key = node.task.cache_key or node.task.name
            caches = scope.find("caches")
            extra["caches"] = {**extra.get("caches", {}), key: list(caches.get(key, []))}
        if extra:
            self.chunk.extra = extra

"""Packs commands into chunks: which task runs travel together, and with what.

Two things make a chunk: *children* of mapped tasks and other ready runs that are short enough by
what was measured of their kind, and *fused* successors: the task, or child, that waits for nothing
but the run before it and will run if that one simply succeeds. How much is packed depends on how
much is ready: never so much that a worker would stand idle.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from headrace.core.states import Mapped
from headrace.core.triggers import BuiltinTrigger
from headrace.engine.chunk import Chunk
from headrace.engine.inputs import Inputs, with_value
from headrace.engine.places import here
from headrace.engine.plan import CHILD, FLAT, GATHER, ITEM, NOT_A_CHILD, WHOLE, Input, Node
from headrace.engine.sources import FlatOf, FromStep, Held, ItemOf, ListOf
from headrace.engine.step import Step
from headrace.engine.upstream import simply_succeeded
from headrace.executors.base import Shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.core.edge import Edge
    from headrace.core.states import State
    from headrace.engine.flow_machine import Command
    from headrace.engine.run import Run
    from headrace.engine.worker_checkpoints import Place

Item = tuple[Node, int]

MOST_STEPS = 1024  #: of one chunk, however short they are: it has to be pickled, too
LEAST_SHARE = 0.1  #: of a chunk's time, below which sharing out work costs more than it gains
SHORT_TEXT = 256  #: characters or bytes up to which a text travels as itself, not as `Shared`


class Flight:
    """A chunk that is on its way.

    Args:
        key: The submission's key.

    Attributes:
        items: Which runs it holds, in the order of its steps.
        fused: Which of them were put in ahead of the machine's command.
        begins: The states that they begin with, of those that are no plain first run.
        open: The positions that have not been reported.
        needs: The flights whose kept values it needs.
        uses: The runs whose kept values it needs.
        handle: By which what it kept is named.
    """

    __slots__ = ("begins", "fused", "handle", "items", "key", "needs", "open", "uses")

    def __init__(self, key: str) -> None:
        self.key = key
        self.items: list[Item] = []
        self.fused: set[Item] = set()
        self.begins: dict[Item, State] = {}
        self.open: set[int] = set()
        self.needs: dict[Flight, int] = {}
        self.uses: dict[Item, None] = {}
        self.handle: Any = None


class Packer:
    """Makes chunks of what is ready.

    Args:
        run: The flow run.
        seconds: How much work one chunk should hold; 0 for one run each.
        log_level: From which level on log lines are brought here; None for chunks that run here.

    Attributes:
        kept: Of each run whose value stayed where it was computed, the flight and the position.
        pace: How long a run takes, in seconds, as far as it was measured: by task, and by the kind
            of task, as most tasks run once and the first of a kind tells of the others.
        typical: How long any run takes; None before the first was measured.
        alone: Runs that travel alone, as a chunk with them was lost.
        checkpoints: Where workers write checkpoints of values that stay with them.
    """

    def __init__(self, run: Run, seconds: float, log_level: int | None = None) -> None:
        self._run = run
        self._seconds = seconds
        self._log_level = log_level
        self._inputs = run.inputs
        self.kept: dict[Item, tuple[Flight, int]] = {}
        self.kept_nodes: set[Node] = set()
        self.pace: dict[Any, float] = {}
        self.typical: float | None = None
        self.alone: set[Item] = set()
        self.checkpoints: Place | None = None
        self._count = 0
        self._tasks: dict[Node, Shared] = {}
        self._constants: dict[Node, tuple[dict[str, Any], bool]] = {}
        self._wholes: dict[Node, tuple[State, Any]] = {}

    def task_of(self, node: Node) -> Shared:
        """Return a node's task, as it travels."""
        shared = self._tasks.get(node)
        if shared is None:
            shared = self._tasks[node] = Shared(node.task)
        return shared

    def constants_of(self, node: Node) -> tuple[dict[str, Any], bool]:
        """Return a node's constants, as they travel, and whether any of them is a source."""
        known = self._constants.get(node)
        if known is None:
            values = {key: _shared(value) for key, value in node.constants.items()}
            known = values, any(type(value) is Shared for value in values.values())
            self._constants[node] = known
        return known

    def whole_of(self, node: Node) -> Any:
        """Return a node's value that is in this process, as it travels."""
        state = node.state
        if state is None:
            return None
        if node.children is not None:
            return state.result  # a list of its own for each who takes it, so that any may sort it
        known = self._wholes.get(node)
        if known is None or known[0] is not state:
            known = self._wholes[node] = state, _shared(state.result)
        return known[1]

    def measured(self, node: Node, seconds: float) -> None:
        """Take note of how long a run of a task took."""
        # The newest measurement weighs a quarter: quick to learn, slow to be fooled by one.
        pace = self.pace
        for key in (node, _kind(node)):
            before = pace.get(key)
            pace[key] = seconds if before is None else before + (seconds - before) / 4
        before = self.typical
        self.typical = seconds if before is None else before + (seconds - before) / 16

    def _pace(self, node: Node) -> float | None:
        """Return how long a run of a task is likely to take; None if there is no telling."""
        pace = self.pace.get(node)
        return self.pace.get(_kind(node)) if pace is None else pace

    def _share(self, ready: int, slots: int) -> tuple[float, int]:
        """Say how much of what is ready goes into one chunk: seconds, and runs of unknown length.

        A part of the rest each time, so that chunks get smaller as the work runs out, and those
        that turn out long leave something for the others to do meanwhile.
        """
        seconds = self._seconds
        if self.typical is not None:
            work = ready * self.typical / (2 * slots)
            seconds = min(seconds, max(seconds * LEAST_SHARE, work))
        return seconds, ceil(ready / (2 * slots))

    def pack(
        self,
        first: Command,
        take: Callable[[], Command | None],
        ready: int,
        slots: int,
    ) -> tuple[Flight, Chunk, Command | None]:
        """Make a chunk that begins with `first`.

        Args:
            first: The first command.
            take: Gives further commands, until it returns None.
            ready: How many of these there are, about.
            slots: How many chunks run at the same time.

        Returns:
            The flight, the chunk, and a command that was taken but does not fit in any more.
        """
        self._count += 1
        run = self._run
        flight = Flight(f"{run.scope.flow_run_id}-{self._count}")
        chunk = Chunk(
            flight.key,
            run.scope,
            [],
            [],
            self._seconds or None,
            run.flow_result,
            run.task_runner_cls,
            run.task_runner_handlers,
            log_level=self._log_level,
            home=None if self._log_level is None else here(),
            checkpoints=self.checkpoints,
        )
        places: dict[Item, int] = {}
        tasks: dict[Node, int] = {}
        left, unknown = self._share(ready + 1, slots)
        command: Command | None = first
        while command is not None:
            node, child = command.node, command.child
            item = (node, child)
            if places and not self._may_share(item):
                return flight, chunk, command
            self._add(flight, chunk, places, tasks, item, command.decided)
            pace = self._pace(node)
            if pace is None:
                unknown -= 1
            else:
                left -= pace
            if not self._may_share(item):
                break
            left = self._fuse(flight, chunk, places, tasks, item, left)
            if unknown <= 0 or left <= 0 or len(chunk.steps) >= MOST_STEPS:
                break
            command = take()
        return flight, chunk, None

    def _may_share(self, item: Item) -> bool:
        """Tell whether a run may travel with others."""
        task = item[0].task
        return (
            self._seconds > 0
            and not item[0].at_home
            and task.timeout is None
            and isinstance(task.trigger, BuiltinTrigger)
            and item not in self.alone
            and not any(":" in tag for tag in task.tags)
        )

    def _fuse(
        self,
        flight: Flight,
        chunk: Chunk,
        places: dict[Item, int],
        tasks: dict[Node, int],
        item: Item,
        left: float,
    ) -> float:
        """Add what follows a run and waits for nothing else, as long as there is time left."""
        tracker = self._run.tracker
        if tracker is not None and tracker.guarded:
            return left  # what follows is to be looked at before it is run
        while left > 0 and len(chunk.steps) < MOST_STEPS:
            following = self._successor(item)
            if (
                following is None
                or following in places
                or not self._may_share(following)
                or self._run.machine.is_held_back(*following)
            ):
                break
            above = places[item]
            self._add(flight, chunk, places, tasks, following, None, after=(above,))
            flight.fused.add(following)
            left -= self._pace(following[0]) or 0.0
            item = following
        return left

    def _successor(self, item: Item) -> Item | None:
        node, child = item
        if child < 0:
            if node.mapped:
                return None  # it only got its children now; what follows waits for them
            if len(node.dependents) != 1 or node.child_dependents or node.flat_dependents:
                return None
            following = node.dependents[0]
            if (
                following.mapped
                or following.waiting != 1
                or following.dirty
                or following.state is not None
            ):
                return None
        else:
            if len(node.child_dependents) != 1:
                return None
            following = node.child_dependents[0]
            waiting = following.child_waiting
            if (
                following.children is None
                or following.dirty
                or following.flat
                or waiting is None
                or child >= len(waiting)
                or waiting[child] != 1
                or following.children[child] is not None
                or (len(following.by_child) > 1 and not _others_succeeded(following, child, node))
            ):
                return None
        if self._run.machine.begins(following, child) or not following.runs_when_clean():
            return None
        return following, child

    def _add(
        self,
        flight: Flight,
        chunk: Chunk,
        places: dict[Item, int],
        tasks: dict[Node, int],
        item: Item,
        decided: State | None,
        after: tuple[int, ...] = (),
    ) -> None:
        node, child = item
        run = self._run
        if node not in tasks:
            tasks[node] = len(chunk.tasks)
            chunk.tasks.append(self.task_of(node))
            self._add_extra(chunk, node)
        begin = run.machine.begin_state(node, child)
        if begin is not None:
            flight.begins[item] = begin
        inputs: dict[str, Any] = {}
        has_sources = False
        upstream_states: dict[Edge, State] | None = None
        if decided is None:
            binding = _Binding(self, flight, places)
            inputs, has_sources = binding.bind(node, child)
            if not isinstance(node.trigger, BuiltinTrigger):
                upstream_states = binding.upstream_states(node, child)
        position = len(chunk.steps)
        places[item] = position
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

    def _add_extra(self, chunk: Chunk, node: Node) -> None:
        """Send along what the task needs of this process's context."""
        extra = dict(chunk.extra or {})
        scope = self._run.scope
        if scope.find("raise_on_exception") is True:
            extra["raise_on_exception"] = True
        if node.task.cache_for is not None:
            key = node.task.cache_key or node.task.name
            caches = scope.find("caches")
            extra["caches"] = {**extra.get("caches", {}), key: list(caches.get(key, []))}
        if extra:
            chunk.extra = extra


class _Binding(Inputs):
    """Binds the arguments of one step: values that are here, and sources of those that are not."""

    __slots__ = ("_flight", "_packer", "_places")

    def __init__(self, packer: Packer, flight: Flight, places: dict[Item, int]) -> None:
        self._flattened = packer._inputs._flattened
        self._packer = packer
        self._flight = flight
        self._places = places

    def bind(self, node: Node, child: int) -> tuple[dict[str, Any], bool]:  # type: ignore[override]
        """Return the arguments, and whether any of them is a source.

        An item that cannot be taken from a value here is left to the step, as a source that
        fails there: it is the task run that fails then.
        """
        constants, has_sources = self._packer.constants_of(node)
        arguments = dict(constants)
        kept_nodes = self._packer.kept_nodes
        for each in node.inputs:
            if each.key is None:
                continue
            upstream = each.upstream
            above = (upstream, child if each.how == CHILD else NOT_A_CHILD)
            if above in self._places:
                arguments[each.key] = FromStep(self._places[above])
                has_sources = True
            elif upstream in kept_nodes:
                arguments[each.key] = self._source(each, node, child)
                has_sources = True
            elif each.how < ITEM:
                value = arguments[each.key] = self._packer.whole_of(upstream)
                has_sources = has_sources or type(value) is Shared
            else:
                try:
                    arguments[each.key] = self._value(each, child)
                except Exception:  # noqa: BLE001 - a user's own sequence may raise anything
                    arguments[each.key] = ItemOf(_value_of(upstream.state), child)
                    has_sources = True
        return arguments, has_sources

    def _source(self, each: Input, node: Node, child: int) -> Any:
        """Return where an input comes from, at least a part of which stayed on a worker."""
        upstream, how = each.upstream, each.how
        if how == CHILD:
            return self._one(upstream, child)
        if upstream.children is None:
            whole = self._one(upstream, NOT_A_CHILD)
            if how == WHOLE:
                return whole
            if how == WHOLE + FLAT or (how == ITEM + FLAT and upstream.lengths is None):
                flat = FlatOf(whole)
                return flat if how == WHOLE + FLAT else ItemOf(whole, child)
            if how == ITEM:
                return ItemOf(whole, child)
            outer, inner = _place_in(upstream.lengths or [], child)
            return ItemOf(ItemOf(whole, outer), inner)
        if how == CHILD + FLAT:
            lengths = upstream.lengths or []
            outer, inner = _place_in(lengths, child)
            source = self._one(upstream, outer)
            return source if lengths[outer] is None else ItemOf(source, inner)
        sources = [self._one(upstream, index) for index in range(upstream.width)]
        if how == GATHER:
            return ListOf(sources)
        return ListOf(sources, upstream.lengths)

    def _item(self, each: Input, node: Node, child: int) -> Any:
        if each.upstream in self._packer.kept_nodes:
            return self._source(each, node, child)
        return super()._item(each, node, child)

    def _seen(self, upstream: Node, child: int, state: State) -> State:
        """Return a state whose value, or those of its children, may be a source."""
        if upstream not in self._packer.kept_nodes:
            return state
        if upstream.children is None or child >= 0:
            return with_value(state, self._one(upstream, child))
        seen = Mapped(state.message, n_map_states=upstream.width)
        seen.map_states = [
            None if each is None else with_value(each, self._one(upstream, index))
            for index, each in enumerate(upstream.children)
        ]
        return seen

    def _one(self, node: Node, child: int) -> Any:
        item = (node, child)
        kept = self._packer.kept.get(item)
        if kept is None:
            return _value_of(node.state_of(child))
        flight, position = kept
        self._flight.uses[item] = None
        need = self._flight.needs.setdefault(flight, len(self._flight.needs))
        return Held(need, position)


def _kind(node: Node) -> Any:
    return type(node.task), node.task.name


def _others_succeeded(following: Node, child: int, node: Node) -> bool:
    """Tell whether all that a child is mapped over simply succeeded, but for `node`, still open."""
    return all(
        simply_succeeded(above.state if above.children is None else above.children[child])
        for above in following.by_child
        if above is not node
    )


def _value_of(state: State | None) -> Any:
    return None if state is None else state.result


def _shared(value: Any) -> Any:
    """Return a value as it travels: by itself if it is small, else as `Shared`."""
    kind = type(value)
    if kind in _SMALL or (kind in (str, bytes) and len(value) <= SHORT_TEXT):
        return value
    return Shared(value)


_SMALL = (int, float, bool, complex, type(None))


def _place_in(lengths: list[int | None], index: int) -> tuple[int, int]:
    """Say which item of a nested sequence holds item `index` of the flat one, and where in it."""
    for outer, length in enumerate(lengths):
        width = 1 if length is None else length
        if index < width:
            return outer, index
        index -= width
    raise IndexError(index)

"""The flow machine: which task runs next, and what becomes of it if it must not run.

A pure state machine: it does no IO, calls no user code, sees no values and never asks for the time.
Events go in by `finish`, `reopen`, `wake` and `cancel`; commands come out one at a time from
`take`, so that a map over a hundred thousand children never exists as a hundred thousand commands.

Order: the stack of what is ready is last-in, first-out. What a task makes ready runs before what
was ready earlier, so a mapped pipeline goes depth first: child 0 through all its tasks, then child 1.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from headrace.core.errors import TransitionError
from headrace.core.states import (
    Cancelled,
    Mapped,
    Paused,
    Pending,
    Resume,
    Scheduled,
    State,
    Success,
)
from headrace.core.triggers import all_successful
from headrace.engine.command import Command
from headrace.engine.given import Given
from headrace.engine.plan import LENGTH, NOT_A_CHILD, Node
from headrace.engine.reopened import Reopened
from headrace.engine.timers import Timers
from headrace.engine.upstream import (
    ended_cleanly,
    expansion,
    objection,
    open_above,
    simply_succeeded,
    sources,
)

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterable, Mapping

    from headrace.core.task import Task

_NOBODY: list[Node] = []


class _Span:
    """Children of one node that are ready, from `next` to `stop`."""

    __slots__ = ("next", "node", "stop")

    def __init__(self, node: Node, stop: int) -> None:
        self.node = node
        self.next = 0
        self.stop = stop


_Ready = list[Node | _Span | tuple[Node, int]]


class FlowMachine:
    """Orders one flow run.

    Args:
        nodes: The plan.
        given: States of tasks to begin with.
        observe_all: Whether each task is run even where its state is clear without running, as
            somebody wants to see every change of state.
        watch: Told of every state that is entered, by node and map index; not of given ones.
        home_apart: Whether `take` leaves what runs in the runner's process to `take_home`.

    Attributes:
        cancelled: Why the run was cancelled; None while it is not.
        timers: The runs that wait for a time.
        ready_count: How many runs are ready for `take`, or were until something overtook them.
    """

    def __init__(
        self,
        nodes: Mapping[Task[Any], Node],
        given: Given | None = None,
        observe_all: bool = False,
        watch: Callable[[Node, int, State], None] | None = None,
        home_apart: bool = False,
    ) -> None:
        self.nodes = nodes
        self.cancelled: str | None = None
        self._watch = watch
        self._observe_all = observe_all
        self._ready: _Ready = []
        self._ready_at_home: _Ready = []
        self.timers = Timers()
        self._given = given or Given({}, {})
        #: States that runs begin with (retrying, resuming, cached), until they are taken.
        self._begin: dict[tuple[Node, int], State] = {}
        #: Which of these wait for a time, or for a person, before their turn comes.
        self._asleep: set[tuple[Node, int]] = set()
        self._settle_later: deque[Node] = deque()
        #: Runs whose values were lost and are made anew, and who waits for them.
        self._reopened = Reopened()
        if home_apart:
            for node in nodes.values():
                node.at_home = node.task.runs_at_home
        self.ready_count = 0
        for node in reversed([node for node in nodes.values() if node.waiting == 0]):
            self.put_back(node, NOT_A_CHILD)
        for task, state in self._given.states.items():
            self._begin_with(nodes[task], state)

    def _begin_with(self, node: Node, state: State) -> None:
        if node.mapped and isinstance(state, Mapped):
            return  # its children's states are looked up when it is expanded
        if self._given.stands(state) and not node.task.always_runs:
            node.state = state
            node.length, node.lengths = self._given.measure_of(node)
            self._settle_later.append(node)
        else:
            self._begin_later(node, NOT_A_CHILD, state)

    def _begin_later(self, node: Node, child: int, state: State) -> None:
        """Let a run begin with a state once it is its turn; with a scheduled one, at its time."""
        self._begin[node, child] = state
        if isinstance(state, Scheduled):
            self._asleep.add((node, child))

    # -- commands out ---------------------------------------------------------------------

    def take(self) -> Command | None:
        """Return the next run to start, or None if none is ready now."""
        return self._take(self._ready)

    def take_home(self) -> Command | None:
        """Return the next run to start in the runner's process, or None if none is ready now."""
        return self._take(self._ready_at_home)

    @property
    def has_ready(self) -> bool:
        """Whether there is something for `take` or `take_home`."""
        return bool(self._ready or self._ready_at_home)

    @property
    def has_ready_at_home(self) -> bool:
        """Whether there is something for `take_home`."""
        return bool(self._ready_at_home)

    def _take(self, ready: _Ready) -> Command | None:
        while self._settle_later:
            self._settle(self._settle_later.popleft())
        while ready:
            top = ready[-1]
            if type(top) is _Span:
                child = top.next
                top.next = child + 1
                if top.next >= top.stop:
                    ready.pop()
                node = top.node
            else:
                ready.pop()
                if type(top) is tuple:
                    node, child = top
                else:
                    node, child = top, NOT_A_CHILD  # type: ignore[assignment]
            if not node.at_home:
                self.ready_count -= 1
            command = self._decide(node, child)
            if command is not None:
                return command
        return None

    def _decide(self, node: Node, child: int) -> Command | None:
        """Say what becomes of a run whose upstream is finished: a command, or a state at once."""
        if self.cancelled is not None and not node.task.is_resource_cleanup:
            return None
        if self._reopened and self._reopened.hold(node, child):
            return None
        if child < 0:
            if node.state is not None and node.state.is_finished():
                return None  # it was given a state meanwhile
            if node.mapped:
                return self._conclude(node, child, expansion(node))
            clean = node.dirty == 0
        else:
            assert node.children is not None
            before = node.children[child]
            if before is not None and before.is_finished():
                return None  # it ended meanwhile, as a part of a chunk
            clean = node.dirty == 0 and all(map(simply_succeeded, node.states_above(child)))
        if self._asleep and (node, child) in self._asleep:
            self._asleep.remove((node, child))
            self.finish(node, child, self._begin[node, child])  # which waits, as it is scheduled
            return None
        if clean and node.trigger is all_successful:
            return Command(node, child)
        decided = objection(node, child, self._begin.get((node, child)))
        if decided is None:
            return Command(node, child)
        return self._conclude(node, child, decided)

    def _conclude(self, node: Node, child: int, decided: State) -> Command | None:
        """Give a run its state without running it; or run it, if handlers are to be told."""
        if node.task.state_handlers or self._observe_all:
            return Command(node, child, decided)
        self.finish(node, child, decided)
        return None

    def begin_state(self, node: Node, child: int) -> State | None:
        """Return, once, the state that a run begins with; None for a plain first run."""
        begin = self._begin
        return begin.pop((node, child), None) if begin else None

    def begins(self, node: Node, child: int) -> bool:
        """Tell whether a run has a state to begin with: it is no plain first run."""
        return (node, child) in self._begin

    def is_held_back(self, node: Node, child: int) -> bool:
        """Tell whether a run hangs on one that was taken back, and has to wait for it."""
        return self._reopened.blocks(node, child)

    # -- events in ------------------------------------------------------------------------

    def finish(
        self,
        node: Node,
        child: int,
        state: State,
        length: int | None = None,
        lengths: list[int | None] | None = None,
    ) -> None:
        """Enter the state in which a run ended, or in which it waits to be run again.

        Args:
            node: The task's node.
            child: The map index; `NOT_A_CHILD` for a task that is not mapped.
            state: The state. A scheduled one (retrying, paused) makes the run wait.
            length: How many items its value has, where `node.measure` asks for it.
            lengths: How many items each of these has, where `node.measure` asks for it.

        Raises:
            TransitionError: If the run is finished already.
        """
        if child < 0:
            if node.state is not None and node.state.is_finished() and node.settled:
                raise TransitionError(f"{node.slug} is {node.state!r} already; now {state!r}.")
            if self._watch is not None:
                self._watch(node, child, state)
            if node.mapped and isinstance(state, Mapped):
                self._expand(node, state)
                return
            node.state = state
            node.length = length
            node.lengths = lengths
            if state.is_finished():
                self._settle(node)
                self._free(node, child)
            else:
                self._hold(node, child, state)
            return
        children = node.children
        if children is None:
            raise TransitionError(f"{node.slug} has no children; child {child} is {state!r}.")
        before = children[child]
        if before is not None and before.is_finished():
            raise TransitionError(f"{node.slug}[{child}] is {before!r} already; now {state!r}.")
        if self._watch is not None:
            self._watch(node, child, state)
        children[child] = state
        if node.measure:
            assert node.lengths is not None
            node.lengths[child] = length
        if not state.is_finished():
            self._hold(node, child, state)
            return
        node.count_child(state)
        node.open_children -= 1
        if node.child_dependents and (node, child) not in self._reopened:
            self._tell_child_dependents(node, child)
        if node.open_children == 0:
            self._settle(node)
        self._free(node, child)

    def _free(self, node: Node, child: int) -> None:
        """Make ready who has waited for a run that was taken back, and has ended again."""
        if self._reopened:
            for waiting in self._reopened.end(node, child):
                self.put_back(*waiting)

    def _tell_child_dependents(self, node: Node, child: int) -> None:
        for dependent in reversed(node.child_dependents):
            waiting = dependent.child_waiting
            if waiting is None or child >= len(waiting) or not waiting[child]:
                continue
            waiting[child] -= 1
            if not waiting[child]:
                self.put_back(dependent, child)

    def _settle(self, node: Node) -> None:
        """Tell the nodes that wait for this one as a whole that it is finished."""
        clean = ended_cleanly(node)
        if node.settled:
            if not clean:
                self._warn_dependents(node)
            return
        node.settled = True
        if node.children is None:
            for dependent in reversed(node.child_dependents):
                # It will never have children, so who waits for a child waits no more.
                self._release(dependent, clean=True)
        for dependent in reversed(node.flat_dependents):
            self._release(dependent, clean=True)
        for dependent in node.dependents:
            self._release(dependent, clean)
        # Who was told is not told again. Letting go of them leaves no cycles between nodes, so a
        # run is gone when it is over, and the garbage collector has nothing to look for.
        node.dependents = _NOBODY
        node.flat_dependents = node.child_dependents = ()

    def _warn_dependents(self, settled: Node) -> None:
        """Let those who were told that a node ended well look again: it was run again, and did not.

        They are searched for, as it is rare: see `reopen`.
        """
        for node in self.nodes.values():
            if settled in node.whole:
                node.dirty += 1

    def _release(self, node: Node, clean: bool) -> None:
        if not clean:
            node.dirty += 1
        node.waiting -= 1
        if node.waiting == 0 and not (node.state is not None and node.state.is_finished()):
            self.put_back(node, NOT_A_CHILD)

    def _expand(self, node: Node, state: Mapped) -> None:
        """Make the children of a mapped task, and start those whose upstream is finished."""
        width = state.n_map_states
        before = self._given.of_children(node, width)
        children: list[State | None] = [None] * width
        node.children = children
        node.state = state
        node.open_children = width
        node.flat_index = [sources(upstream, width) for upstream in node.flat]
        # The run's final state shares this list: it is complete when the last child is.
        state.map_states = children
        if node.measure >= LENGTH:
            node.lengths = [None] * width
        reused = False
        for child, child_state in enumerate(before):
            if child_state is None:
                continue
            if self._given.stands(child_state):
                reused = True
                children[child] = child_state
                if node.lengths is not None:
                    node.lengths[child] = self._given.measure_of(node, child)[0]
                node.count_child(child_state)
                node.open_children -= 1
            else:
                self._begin_later(node, child, child_state)
        if node.open_children == 0:
            self._expand_dependents(node)
            self._settle(node)
            return
        if not node.by_child and not reused:
            if node.at_home:
                self._ready_at_home.append(_Span(node, width))
            else:
                self._ready.append(_Span(node, width))
                self.ready_count += width
        else:
            self._start_children(node, width)
        self._expand_dependents(node)

    def _expand_dependents(self, node: Node) -> None:
        # After the children, so on top of them: whoever is mapped over them is expanded before the
        # first one runs, and can follow each of them at once.
        for dependent in reversed(node.child_dependents):
            self._release(dependent, clean=True)

    def _start_children(self, node: Node, width: int) -> None:
        """Make ready the children whose own upstream children are finished."""
        children = node.children
        assert children is not None
        waiting = node.child_waiting = open_above(node, width, self._reopened)
        for child in range(width - 1, -1, -1):
            if not waiting[child] and children[child] is None:
                self.put_back(node, child)

    def _hold(self, node: Node, child: int, state: State) -> None:
        """Keep a run that is to go on later, and set a timer if it says when."""
        if isinstance(state, Scheduled):
            self._begin[node, child] = state
            if state.start_time is not None:
                self.timers.set(state.start_time.timestamp(), node, child)

    def wake(self, time: datetime.datetime) -> None:
        """Make ready what waits for a time that has come."""
        limit = time.timestamp()
        while (item := self.timers.take(limit)) is not None:
            held = self._begin.get(item)
            if held is None:
                continue
            if isinstance(held, Paused):
                # A pause with a time is over when the time comes: nobody has to say so.
                self._begin[item] = Resume("The pause is over.")
            self.put_back(*item)

    def reopen(self, node: Node, child: int, state: State) -> None:
        """Take back the end of a run whose value was lost, so that it runs again.

        Whoever hangs on it and was not taken yet waits until it has ended again.

        Args:
            node: The task's node.
            child: The map index; `NOT_A_CHILD` for a task that is not mapped.
            state: The new, visible state, with the reason.
        """
        if self._watch is not None:
            self._watch(node, child, state)
        if child < 0:
            node.state = state
        else:
            assert node.children is not None
            if isinstance(node.children[child], Success):
                node.successful -= 1
            node.children[child] = state
            node.open_children += 1
        self._reopened.add(node, child)
        self.put_back(node, child, state)

    def put_back(self, node: Node, child: int, begin: State | None = None) -> None:
        """Make a run ready: for the first time, or again if it was taken but not started.

        Args:
            node: The task's node.
            child: The map index; `NOT_A_CHILD` for a task that is not mapped.
            begin: The state it begins with, if that has been asked for already.
        """
        if begin is not None:
            self._begin[node, child] = begin
        item = node if child < 0 else (node, child)
        if node.at_home:
            self._ready_at_home.append(item)
        else:
            self._ready.append(item)
            self.ready_count += 1

    def cancel(self, reason: str) -> None:
        """Start nothing more. What is running ends as its executor reports it."""
        self.cancelled = reason
        for node in self.nodes.values():
            node.at_home = False  # clean-ups are done in this process all the same, by one thread
        self._ready.clear()
        self._ready_at_home.clear()
        self.timers.clear()
        self._reopened.clear()
        self.ready_count = 0

    # -- what there is --------------------------------------------------------------------

    def unfinished(self) -> Iterable[Node]:
        """Yield the nodes that are not finished."""
        return (node for node in self.nodes.values() if node.is_open)

    def end_cancelled(self, clean_up: bool = True) -> None:
        """Give each run that has not ended the state Cancelled, with the reason.

        Args:
            clean_up: Whether the clean-up of resources is left out, and is what `take` returns
                from now on.
        """
        cancelled: list[Node] = []
        for node in list(self.unfinished()):
            if not (clean_up and node.task.is_resource_cleanup):
                self._end_one_cancelled(node)
                cancelled.append(node)
            elif node.children is not None:
                node.children[:] = [s if s and s.is_finished() else None for s in node.children]
        # The clean-ups that were ready when the run was cancelled are made ready again; those that
        # wait come by themselves, when what they wait for is told to be finished.
        for node in self.unfinished():
            if node.children is not None:
                self._start_children(node, node.width)
            elif node.waiting == 0:
                self.put_back(node, NOT_A_CHILD)
        for node in cancelled:
            self._settle(node)

    def _end_one_cancelled(self, node: Node) -> None:
        reason = self.cancelled or "Cancelled"
        watch = self._watch
        if node.children is None:
            node.state = Cancelled(reason)
            if watch is not None:
                watch(node, NOT_A_CHILD, node.state)
            return
        for child, state in enumerate(node.children):
            if state is None or not state.is_finished():
                cancelled = node.children[child] = Cancelled(reason)
                if watch is not None:
                    watch(node, child, cancelled)
        node.open_children = 0

    def final_states(self) -> dict[Task[Any], State]:
        """Return the state of each task; pending where it never got its turn."""
        states: dict[Task[Any], State] = {}
        for task, node in self.nodes.items():
            state = node.state
            if state is None:
                state = Pending("Task not evaluated by FlowRunner.")
            elif node.children is not None and node.open_children:
                node.children[:] = [
                    Pending("Task not evaluated by FlowRunner.") if child is None else child
                    for child in node.children
                ]
            states[task] = state
        return states

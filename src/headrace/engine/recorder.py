"""Sees every change of state of a flow run's tasks: reports it, and writes its checkpoint.

A run is reported once, when it is over, unless it lasts longer than `SHOWN_AFTER_SECONDS`: then a
`Running` event says so meanwhile. Checkpoints are added before the event that speaks of them, and
made durable before it is sent.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from headrace.config.logging import get_logger
from headrace.core.now import timestamp
from headrace.core.states import Mapped, Retrying, Scheduled, State, Success
from headrace.engine.checkpoints import LARGE_BYTES, may_hold
from headrace.engine.pickling import pickled
from headrace.engine.places import here
from headrace.engine.plan import NOT_A_CHILD
from headrace.engine.resumption import is_made_anew
from headrace.engine.segments import BESIDE, NOTHING, STATE, STORED, VALUE, Record
from headrace.engine.state_pickling import pickled_state
from headrace.wire.events import TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headrace.core.result import Result
    from headrace.core.state import Place
    from headrace.core.task import Task
    from headrace.engine.checkpoints import Checkpoints
    from headrace.engine.chunk import Outcome
    from headrace.engine.orders import Orders
    from headrace.engine.plan import Node
    from headrace.engine.resumption import Resumption
    from headrace.engine.run import Run
    from headrace.engine.worker_checkpoints import Place as CheckpointPlace
    from headrace.executors.base import Executor
    from headrace.wire.events import Event

Item = tuple["Node", int]

SHOWN_AFTER_SECONDS: Final = 0.2  #: how long a run lasts before it is shown as running
LOOK_SECONDS: Final = 0.1  #: how often it is looked whether one does
MOST_CHARACTERS: Final = 5_000  #: of a state's message; an exception may say the whole of its data
_SUCCEEDED: Final = "Task run succeeded."  #: what goes without saying


class Recorder:
    """A `Tracker` that reports a tracked run and keeps its checkpoints.

    Args:
        emit: Takes the run's events.
        orders: What the run was told to do.
        checkpoints: Takes what a later attempt needs; None to keep nothing.
        resume: Makes what earlier attempts have left, of the plan and the run's parameters.

    Attributes:
        run: The run that it looks on at; None before it begins.
    """

    def __init__(
        self,
        emit: Callable[[Event], None],
        orders: Orders,
        checkpoints: Checkpoints | None = None,
        resume: Callable[[Mapping[Task[Any], Node], Mapping[str, Any]], Resumption] | None = None,
    ) -> None:
        self._emit = emit
        self._orders = orders
        self._checkpoints = checkpoints
        self._resume = resume
        self._resumption: Resumption | None = None
        self.run: Run | None = None
        #: The run that is called in this thread, and since when.
        self._current: tuple[Item, float] | None = None
        self._lock = threading.Lock()
        #: Runs that were shown as running, and since when those are seen that may be to come.
        self._shown: set[Item] = set()
        self._seen: dict[Item, float] = {}
        #: Whose end is being told just now.
        self._ending: Item | None = None
        self._over = threading.Event()
        #: How often tasks were called that are tried again.
        self._counts: dict[Item, int] = {}
        #: Tasks whose values no later attempt can read, and hashes of what hangs on them.
        self._volatile: set[Node] = set()
        #: Those of them that have returned one.
        self._forgotten: set[Node] = set()
        self._hashes: dict[Item, str | None] = {}
        self._taken: tuple[Item, Record] | None = None
        self._outcome: Outcome | None = None
        self._places: dict[Place, str] = {}
        self.guarded = False

    # -- what the run asks ------------------------------------------------------------------

    @property
    def is_lost(self) -> bool:
        """Whether the run is another process's: no user's function is called any more."""
        return self._orders.superseded is not None

    @property
    def stops(self) -> bool:
        """Whether nothing new starts, for good."""
        return self._orders.stops

    def may_start(self) -> bool:
        """Tell whether a task may start now."""
        return self._orders.may_start()

    def given(
        self, nodes: Mapping[Task[Any], Node], parameters: Mapping[str, Any]
    ) -> Mapping[Task[Any], State]:
        """Return the states that earlier attempts have left, and report what is taken over."""
        if self._resume is None:
            return {}
        resumption = self._resumption = self._resume(nodes, parameters)
        self.guarded = bool(resumption.candidates)
        for node, child, state, record in resumption.taken:
            self._report_taken(node, child, state, record)
        for task, state in resumption.given.items():
            children = state.map_states if isinstance(state, Mapped) else [state]
            first = 0 if isinstance(state, Mapped) else NOT_A_CHILD
            for child, begin in enumerate(children, first):
                if isinstance(begin, Retrying):
                    self._counts[nodes[task], child] = begin.run_count
        return resumption.given

    def flow_result(self, result: Result | None, executor: Executor) -> Result | None:
        """Return where the flow's results go: as the flow says, or marked as `in_checkpoints`.

        Values without a location of their own go into the checkpoints, which are in the same place.
        Those that stay on workers can only if workers can write there.
        """
        if self._checkpoints is None or not may_hold(result):
            return result
        if executor.keeps_values and self._checkpoints.store.directory is None:
            return result
        assert result is not None
        marked = result.copy()
        marked.in_checkpoints = True
        return marked

    def attach(self, run: Run) -> None:
        """Look on at this run."""
        self.run = run
        if self._checkpoints is not None:
            # Known before anything is fused or packed that hangs on them.
            self._volatile = {
                node
                for node in run.machine.nodes.values()
                if node.task.checkpoint is False and not is_made_anew(node.task)
            }
            self.guarded = self.guarded or bool(self._volatile)
        threading.Thread(target=self._watch, name="headrace-running", daemon=True).start()

    def close(self) -> None:
        """Look on no more: what is emitted after this is not the recorder's."""
        with self._lock:
            self._over.set()

    # -- what the run says ------------------------------------------------------------------

    def begin(self, node: Node, child: int) -> bool:
        """Take note that a task starts here and now; tell whether it may. Waits if it may later."""
        orders = self._orders
        if not orders.may_start() and not orders.wait_to_start():
            return False
        self._ending = None
        self._current = ((node, child), time.time())
        return True

    def known(self, node: Node, child: int, inputs: Mapping[str, Any]) -> State | None:
        """Return what an earlier attempt has left of a task with the same inputs.

        The inputs are hashed only where an upstream's value is one that a resume cannot read.
        """
        resumption = self._resumption
        is_candidate = resumption is not None and (node.slug, child) in resumption.candidates
        volatile = any(each.upstream in self._volatile for each in node.inputs)
        if not is_candidate and not volatile:
            return None
        hashed = _hash(node, inputs)
        if is_candidate:
            assert resumption is not None
            taken = resumption.take(node, child, hashed)
            if taken is not None:
                self._taken = ((node, child), taken[1])
                return taken[0]
        if volatile:
            self._hashes[node, child] = hashed
        return None

    def reported(self, node: Node, outcome: Outcome) -> None:
        """Take note of what a worker says of a run, before `changed` is told of its state."""
        self._outcome = outcome

    def changed(self, node: Node, child: int, state: State) -> None:
        """Take note of a task run's new state: add its checkpoint, and report it."""
        orders = self._orders
        if orders.superseded is not None or orders.terminated:
            return  # another attempt has the word, or will have it
        item = (node, child)
        current, outcome, shown = self._current, self._outcome, False
        if current is not None or outcome is not None or self._shown:
            with self._lock:
                self._current = None
                self._ending = item
                if item in self._shown:
                    shown = True
                    self._shown.discard(item)
        self._outcome = None
        at = state.timestamp or timestamp()
        started: float | None = None
        if not shown:
            if outcome is not None:
                started = at - outcome.seconds
            elif current is not None and current[0] == item and state.place is not None:
                started = current[1]
        if self._taken is not None and self._taken[0] == item:
            self._report_taken(node, child, state, self._taken[1])
            self._taken = None
            return
        if type(state) is Success:
            name, message = "Success", state.message
            if message == _SUCCEEDED:
                message = None
        else:
            name, message = type(state).__name__, state.message
            if message is not None and len(message) > MOST_CHARACTERS:
                message = f"{message[:MOST_CHARACTERS]} [...]"
        count = 1
        if self._counts:
            count = self._counts.pop(item, 0) + 1
        if state.place is None:
            count -= 1
        if isinstance(state, Retrying):
            count = self._counts[item] = state.run_count
        place = state.place
        where = None
        if place is not None:
            where = self._places.get(place)
            if where is None:
                where = self._places[place] = f"{place.host}:{place.pid}"
        stored = state.stored
        event = TaskState(
            slug=node.slug,
            type=name,
            at=at,
            map_index=child,
            message=message,
            started=started,
            run_count=count,
            location=None if stored is None else stored.location,
            place=where,
        )
        if name != "Success":
            self._add_rest(event, state)
        if state._context and "task_run_name" in state._context:
            event.name = state._context["task_run_name"]
        if self._checkpoints is not None:
            self._keep(node, child, state, event, outcome)
        self._emit(event)

    def _add_rest(self, event: TaskState, state: State) -> None:
        """Add to an event what only some kinds of states have."""
        if isinstance(state, Scheduled) and state.start_time is not None:
            event.due = state.start_time.timestamp()
        elif isinstance(state, Mapped):
            event.children = state.n_map_states

    def _report_taken(self, node: Node, child: int, state: State, record: Record) -> None:
        """Report a run that is taken over from an earlier attempt."""
        if self.is_lost:
            return
        self._emit(
            TaskState(
                slug=node.slug,
                type=type(state).__name__,
                at=timestamp(),
                map_index=child,
                message=None if state.message == _SUCCEEDED else state.message,
                run_count=record.run_count,
                location=None if state.stored is None else state.stored.location,
                place=record.place,
                reused=True,
            )
        )

    # -- checkpoints --------------------------------------------------------------------------

    def _keep(
        self, node: Node, child: int, state: State, event: TaskState, outcome: Outcome | None
    ) -> None:
        """Add the checkpoint of a state."""
        task = node.task
        resumption = self._resumption
        if is_made_anew(task):
            return
        if (
            resumption is not None
            and state.place is None
            and resumption.confirms(node, child, event.type)
        ):
            return  # decided as it was in an earlier attempt, which has recorded it
        assert self._checkpoints is not None
        if self._checkpoints.broken is not None and self.run is not None:
            self.run.patience = None  # nothing could be taken over after parking
            return
        kind = type(state)
        form, count = STATE, event.run_count
        data: bytes | None = None
        location: str | None = None
        if task.checkpoint is False and state._is_successful and kind is not Mapped:
            form = NOTHING
        elif outcome is not None and outcome.kept and state.stored is None:
            location = outcome.location
            form = NOTHING if location is None else BESIDE
        elif kind is Success and state.stored is None:
            form = VALUE
            data = pickled(state.result)
        elif kind is Mapped:
            count = event.children or 0
            if resumption is not None and resumption.has_taken_map(node, count):
                return  # it was recorded when it was made
        else:
            form = STATE if state.stored is None else STORED
            data = pickled_state(state)
        if data is None and form in (VALUE, STATE, STORED) and kind is not Mapped:
            form = NOTHING
        elif data is not None and len(data) > LARGE_BYTES and form == VALUE:
            location = self._checkpoints.store.write_value(node.name_of(child), data)
            form, data = BESIDE, None
        if form == NOTHING and node not in self._forgotten:
            self._is_volatile(node, child, outcome)
        self._checkpoints.add(
            Record(
                node.slug,
                child,
                event.type,
                form,
                count,
                data,
                location,
                self._hashes.pop((node, child), None) if self._hashes else None,
                event.at,
                event.place,
            )
        )

    def open_worker_checkpoints(self) -> CheckpointPlace | None:
        """Return where workers write checkpoints of values that stay with them; None for nowhere."""
        if self._checkpoints is None or self._checkpoints.store.directory is None:
            return None
        from headrace.engine.worker_checkpoints import open_place

        try:
            return open_place(self._checkpoints.store.directory, self._checkpoints.attempt)
        except OSError:
            return None  # the checkpoints themselves will say that they cannot be written

    def _is_volatile(self, node: Node, child: int, outcome: Outcome | None) -> None:
        """Take note that no later attempt can read what a task returned."""
        self._forgotten.add(node)
        self._volatile.add(node)
        self.guarded = True
        if node.task.checkpoint is False:
            why = "it has checkpoint=False"
        elif outcome is not None and outcome.kept:
            why = "its value stayed on a worker that does not see the directory of checkpoints"
        else:
            why = "its value cannot be pickled"
        get_logger("Checkpoints").info(
            "Task '%s': a resume would run it again, as %s.", node.name_of(child), why
        )
        if self.run is not None and self.run.patience is not None:
            # Parking would mean doing it again: long waits are waited for here.
            self.run.patience = None

    # -- the thread that looks for long runs ----------------------------------------------------

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            if self._orders.is_ending:
                continue
            self._show_current()
            self._show_elsewhere()

    def _show_current(self) -> None:
        current = self._current
        if current is None or time.time() - current[1] < SHOWN_AFTER_SECONDS:
            return
        with self._lock:
            # Under the lock its end cannot come between: it is told after this, if at all.
            if self._over.is_set():
                return
            if self._current is current and current[0] not in self._shown:
                self._shown.add(current[0])
                self._emit(self._running(*current))

    def _show_elsewhere(self) -> None:
        run = self.run
        assert run is not None
        now = time.time()
        seen: dict[Item, float] = {}
        for item in run.list_running():
            since = seen[item] = self._seen.get(item, now)
            if now - since >= SHOWN_AFTER_SECONDS:
                self.show(item, since)
        self._seen = seen

    def show(self, item: Item, since: float, place: Place | None = None) -> None:
        """Show a run as running that is elsewhere, if it is not over, and was not shown."""
        with self._lock:
            state = item[0].state_of(item[1])
            if self._over.is_set() or item in self._shown or item == self._ending:
                return
            if state is not None and state.is_finished():
                return
            self._shown.add(item)
            self._emit(self._running(item, since, place))

    def _running(self, item: Item, since: float, place: Place | None = None) -> TaskState:
        node, child = item
        if place is None and self._current is not None:
            place = here()
        return TaskState(
            slug=node.slug,
            type="Running",
            at=since,
            map_index=child,
            run_count=self._counts.get(item, 0) + 1,
            place=None if place is None else f"{place.host}:{place.pid}",
        )


def _hash(node: Node, inputs: Mapping[str, Any]) -> str | None:
    """Return a hash of a task's inputs, without handles and secrets; None if they have none."""
    from headrace.core.hashing import UNHASHABLE, hash_value

    handles = {each.key for each in node.inputs if each.upstream.task.always_runs}
    found = hash_value({key: value for key, value in inputs.items() if key not in handles})
    return None if found.startswith(UNHASHABLE) else found

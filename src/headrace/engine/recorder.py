"""Sees every change of state of a flow run's tasks: reports it, and has it kept.

A run is reported once, when it is over, unless it lasts so long that it is shown meanwhile.
Checkpoints are added before the event that speaks of them, and made durable before it is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from headrace.core.now import timestamp
from headrace.core.states import Mapped, Retrying, Scheduled, State, Success, known_name
from headrace.engine.keeper import Keeper
from headrace.engine.long_runs import LongRuns
from headrace.engine.plan import NOT_A_CHILD
from headrace.wire.events import TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headrace.core.result import Result
    from headrace.core.state import Place
    from headrace.core.task import Task
    from headrace.engine.checkpoints import Checkpoints
    from headrace.engine.orders import Orders
    from headrace.engine.outcome import Outcome
    from headrace.engine.plan import Node
    from headrace.engine.resumption import Resumption
    from headrace.engine.run import Run
    from headrace.engine.segments import Record
    from headrace.engine.turns import Turn
    from headrace.engine.worker_checkpoints import Place as CheckpointPlace
    from headrace.executors.base import Executor
    from headrace.wire.events import Event

    Resume = Callable[[Mapping[Task[Any], Node], Mapping[str, Any]], Resumption]

Item = tuple["Node", int]

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
        resume: Resume | None = None,
    ) -> None:
        self._emit = emit
        self._orders = orders
        self._keeper = None if checkpoints is None else Keeper(checkpoints)
        self._resume = resume
        self.run: Run | None = None
        self._long_runs = LongRuns(self._show, lambda: orders.is_ending)
        #: How often tasks were called that are tried again.
        self._counts: dict[Item, int] = {}
        #: What is taken over just now, in place of being run.
        self._taken: tuple[Item, Record] | None = None
        self._outcome: Outcome | None = None
        self._places: dict[Place, str] = {}

    # -- what the run asks ------------------------------------------------------------------

    @property
    def guarded(self) -> bool:
        """Whether `known` is to be asked before a task of this run is started."""
        return self._keeper is not None and self._keeper.guarded

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
        if self._resume is None or self._keeper is None:
            return {}
        resumption = self._resume(nodes, parameters)
        self._keeper.resume(resumption)
        for node, child, state, record in resumption.taken:
            self._report_taken(node, child, state, record)
        for task, state in resumption.given.items():
            is_mapped = isinstance(state, Mapped)
            children = state.map_states if isinstance(state, Mapped) else [state]
            for child, begin in enumerate(children, 0 if is_mapped else NOT_A_CHILD):
                if isinstance(begin, Retrying):
                    self._counts[nodes[task], child] = begin.run_count
        return resumption.given

    def flow_result(self, result: Result | None, executor: Executor) -> Result | None:
        """Return where the flow's results go: as the flow says, or marked as `in_checkpoints`."""
        return result if self._keeper is None else self._keeper.flow_result(result, executor)

    def open_worker_checkpoints(self) -> CheckpointPlace | None:
        """Return where workers write checkpoints of values that stay with them; None for nowhere."""
        return None if self._keeper is None else self._keeper.open_worker_checkpoints()

    def attach(self, run: Run) -> None:
        """Look on at this run."""
        self.run = run
        if self._keeper is not None:
            self._keeper.attach(run)
        self._long_runs.start(run)

    def close(self) -> None:
        """Look on no more: what is emitted after this is not the recorder's."""
        self._long_runs.close()

    # -- what the run says ------------------------------------------------------------------

    def begin(self, node: Node, child: int) -> bool:
        """Take note that a task starts here and now; tell whether it may. Waits if it may later."""
        orders = self._orders
        if not orders.may_start() and not orders.wait_to_start():
            return False
        self._long_runs.begin((node, child))
        return True

    def known(self, node: Node, child: int, inputs: Mapping[str, Any]) -> State | None:
        """Return what an earlier attempt has left of a task with the same inputs."""
        taken = None if self._keeper is None else self._keeper.known(node, child, inputs)
        if taken is None:
            return None
        self._taken = ((node, child), taken[1])
        return taken[0]

    def reported(self, node: Node, outcome: Outcome) -> None:
        """Take note of what a worker says of a run, before `changed` is told of its state."""
        self._outcome = outcome

    def turned(self, turn: Turn) -> None:
        """Take note of where a loop stands. May be called from any thread."""
        if self._keeper is not None and not self.is_lost and not self._orders.terminated:
            self._keeper.keep_turn(turn)

    def show(self, item: Item, since: float, place: Place | None = None) -> None:
        """Take note that a run is under way on a worker, and has been for a while."""
        self._long_runs.show(item, since, place)

    def changed(self, node: Node, child: int, state: State) -> None:
        """Take note of a task run's new state: add its checkpoint, and report it."""
        orders = self._orders
        if orders.superseded is not None or orders.terminated:
            return  # another attempt has the word, or will have it
        item = (node, child)
        outcome, self._outcome = self._outcome, None
        begun, was_shown = self._long_runs.end(item, outcome is not None)
        if self._taken is not None and self._taken[0] == item:
            self._report_taken(node, child, state, self._taken[1])
            self._taken = None
            return
        at = state.timestamp or timestamp()
        started: float | None = None
        if not was_shown and state.place is not None:
            started = begun if outcome is None else at - outcome.seconds
        message = state.message
        if message == _SUCCEEDED:
            message = None
        count = self._counts.pop(item, 0) if self._counts else 0
        where: str | None = None
        if state.place is not None:
            count += 1
            where = self._places.get(state.place) or self._place(state.place)
        event = TaskState(
            slug=node.slug,
            type=known_name(type(state)),
            at=at,
            map_index=child,
            message=message,
            started=started,
            run_count=count,
            place=where,
        )
        if type(state) is not Success or state.stored is not None or state._context:
            self._add_rest(item, event, state)
        if self._keeper is not None:
            self._keeper.keep(node, child, state, event, outcome)
        self._emit(event)

    def _add_rest(self, item: Item, event: TaskState, state: State) -> None:
        """Add to an event what only some states have."""
        if event.message is not None and len(event.message) > MOST_CHARACTERS:
            event.message = f"{event.message[:MOST_CHARACTERS]} [...]"
        if isinstance(state, Retrying):
            event.run_count = self._counts[item] = state.run_count
        if isinstance(state, Scheduled) and state.start_time is not None:
            event.due = state.start_time.timestamp()
        elif isinstance(state, Mapped):
            event.children = state.n_map_states
        if state.stored is not None:
            event.location = state.stored.location
        if state._context:
            event.name = state._context.get("task_run_name")

    def _place(self, place: Place) -> str:
        text = self._places[place] = f"{place.host}:{place.pid}"
        return text

    def _report_taken(self, node: Node, child: int, state: State, record: Record) -> None:
        """Report a run that is taken over from an earlier attempt."""
        if self.is_lost:
            return
        self._emit(
            TaskState(
                slug=node.slug,
                type=known_name(type(state)),
                at=timestamp(),
                map_index=child,
                message=None if state.message == _SUCCEEDED else state.message,
                # When its function began is known to the server.
                ended=record.at,
                run_count=record.run_count,
                location=None if state.stored is None else state.stored.location,
                place=record.place,
                reused=True,
            )
        )

    def _show(self, item: Item, since: float, place: Place | None) -> None:
        node, child = item
        self._emit(
            TaskState(
                slug=node.slug,
                type="Running",
                at=since,
                map_index=child,
                run_count=self._counts.get(item, 0) + 1,
                place=None if place is None else f"{place.host}:{place.pid}",
            )
        )

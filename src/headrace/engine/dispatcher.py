"""Performs the commands of a flow run by an executor that runs elsewhere.

Ready runs go out in chunks, a few for each slot; events come back over the channel and go into the
machine. The dispatcher is the only one who talks to both. Runs that belong in this process get a
thread of their own in it, beside the executor.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import CancelledError
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from headrace.config.logging import get_logger
from headrace.core.constant import Constant
from headrace.core.context import current
from headrace.core.errors import ExecutionLost, SerializationError, ValueLost
from headrace.core.now import timestamp
from headrace.core.parameter import Parameter
from headrace.core.states import Cancelled, Failed, State
from headrace.engine.chunk import Chunk, run_chunk
from headrace.engine.flight import Flight, Item
from headrace.engine.home import Home
from headrace.engine.interrupts import told
from headrace.engine.losses import Losses
from headrace.engine.outcome import Outcome, Started
from headrace.engine.packing import Packer
from headrace.engine.portable import run_portable, unpack
from headrace.engine.statistics import Statistics
from headrace.engine.turns import Turn
from headrace.executors.base import Event, Report, Resized, Submission

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from headrace.engine.command import Command
    from headrace.engine.plan import Node
    from headrace.engine.run import Run
    from headrace.executors.base import Executor

MOST_SECONDS_DEAF = 0.5  #: how late an interrupt may be heeded
GRACE_SECONDS = 5.0  #: what running tasks get to end in when the run is cancelled


class _Interrupted(Exception):
    """Comes over the channel when the run is to end: Ctrl-C, or SIGTERM."""


class Dispatcher:
    """Performs one flow run.

    Args:
        run: The flow run.
        executor: A started executor that is not inline.

    Attributes:
        statistics: What it has done so far.
    """

    def __init__(self, run: Run, executor: Executor) -> None:
        self._run = run
        self._machine = run.machine
        self._executor = executor
        leaves = executor.leaves_process
        self._call = run_portable if leaves else run_chunk
        level = logging.getLogger("headrace").getEffectiveLevel() if leaves else None
        self._packer = Packer(run, executor.chunk_seconds, level)
        self._kept = self._packer.kept
        self._pace = self._packer.pace
        self._channel: SimpleQueue[Event | _Interrupted] = SimpleQueue()
        self._flights: dict[str, Flight] = {}
        self._home = Home(executor, self._channel.put)
        self._under_way: set[Item] = set()
        #: Runs that the machine has commanded while they were under way already, fused.
        self._wanted: set[Item] = set()
        #: Runs that were fused and have ended unfinished, before the machine has commanded them.
        self._overtaken: set[Item] = set()
        self._losses = Losses(run.machine, self._packer)
        self._left_over: Command | None = None
        self._is_taken_back = False
        self.statistics = Statistics()
        run.count_running = self._count_running
        run.list_running = self._list_running
        if executor.keeps_values and run.tracker is not None:
            self._packer.checkpoints = run.tracker.open_worker_checkpoints()

    def perform(self) -> None:
        """Perform all commands, until the machine has no more."""
        token = current.set(self._run.scope)
        try:
            with told(lambda reason: self._channel.put(_Interrupted(reason))):
                while self._fill() or self._flights or self._wait_for_timer():
                    if self._flights:
                        self._handle_next(self._run.due_in())
            self._handle_what_has_come()
        except _Interrupted as interrupt:
            self._cancel(str(interrupt) or "The run was interrupted.")
        finally:
            self._home.cancel()
            current.reset(token)

    def collect(self, nodes: Iterable[Node]) -> None:
        """Bring the values of these tasks here that have stayed where they were computed."""
        kept = self._kept.places
        items = [
            (item, *kept[item])
            for node in nodes
            for item in ((node, child) for child in range(-1, node.width))
            if item in kept
        ]
        flights = list(dict.fromkeys(flight for _, flight, _ in items))
        if not flights:
            return
        values = self._executor.gather([flight.handle for flight in flights])
        by_flight = dict(zip(flights, values, strict=True))
        for item, flight, position in items:
            state = item[0].state_of(item[1])
            value = by_flight[flight]
            if state is None or not state.is_successful():
                continue
            if isinstance(value, ValueLost):
                if not self._losses.load(item):
                    # It succeeded, and nobody needs the value to go on: it is not run again for
                    # show.
                    state.message = f"{state.message} {value}"
                    state.result = value
                continue
            found = value[position]
            if isinstance(found, SerializationError):
                state.message = f"{state.message} {found}"
            state.result = found if state.stored is None else state.stored.from_value(found)
        self._executor.release([flight.handle for flight in flights])

    def _count_running(self) -> int:
        # A submission runs one task at a time; what is queued beyond the slots does not run yet.
        at_home = len(self._home.flights)
        return min(len(self._flights) - at_home, self._executor.slots) + at_home

    def _list_running(self) -> list[Item]:
        """Return the runs that are here, and those that a pool must have begun with.

        It takes what comes first. A chunk of several is at its first: a long one ends it, as its
        time is up. Workers that keep values say by themselves what they run.
        """
        try:
            flights = list(self._home.flights.values())
            if not self._executor.keeps_values:
                here = self._home.flights
                away = [flight for key, flight in list(self._flights.items()) if key not in here]
                flights += away[: self._executor.slots]
            return [flight.items[min(flight.open)] for flight in flights if flight.open]
        except (RuntimeError, ValueError):
            return []  # it was asked by another thread, in the middle of a change

    # -- out ------------------------------------------------------------------------------

    def _fill(self) -> bool:
        """Begin as much as there is room for, here and elsewhere; tell whether it was anything."""
        if not self._may_start():
            return False
        begun = self._fill_home()
        begun |= self._fill_executor()
        # What ends without being run may make others ready.
        while self._machine.has_ready_at_home and self._home.has_room and self._may_start():
            begun |= self._fill_home()
            begun |= self._fill_executor()
        return begun

    def _fill_home(self) -> bool:
        """Begin what runs in this process; tell whether it was anything."""
        machine = self._machine
        begun = False
        while machine.has_ready_at_home and self._home.has_room and self._may_start():
            command = self._next(machine.take_home)
            if command is None:
                break
            packer = self._packer
            flight, chunk, _ = packer.pack(command, machine.take_home, 0, 1)
            self._flights[flight.key] = flight
            self._under_way.update(flight.items)
            kept = [self._kept.places[item] for item in flight.uses]
            uses = [(flight.needs[each], position) for each, position in kept]
            self._home.begin(flight, chunk, uses)
            begun = True
        return begun

    def _fill_executor(self) -> bool:
        """Hand over as much as the executor should have in hand; tell whether it was anything."""
        executor = self._executor
        slots = executor.slots
        batch: list[Submission] = []
        flights: list[Flight] = []
        room = slots * executor.queue_depth - len(self._flights) + len(self._home.flights)
        while room > 0:
            command = self._take()
            if command is None:
                break
            flight, chunk, self._left_over = self._packer.pack(
                command, self._take, self._machine.ready_count, slots
            )
            self._flights[flight.key] = flight
            self._under_way.update(flight.items)
            flights.append(flight)
            batch.append(_submission(flight, chunk, self._call))
            room -= 1
        if batch:
            handles = executor.submit_batch(batch, self._channel.put)
            statistics = self.statistics
            statistics.submissions += len(flights)
            for flight, handle in zip(flights, handles, strict=True):
                flight.handle = handle
                if len(flight.items) > 1:
                    statistics.together += len(flight.items)
                    statistics.fused += len(flight.fused)
        return bool(batch)

    def _may_start(self) -> bool:
        """Tell whether anything new may begin now."""
        tracker = self._run.tracker
        if tracker is None or tracker.may_start():
            return True
        if tracker.stops and not self._is_taken_back:
            # What was handed over, and has not begun, is for a later attempt.
            self._is_taken_back = True
            self._executor.take_back()
        return False

    def _take(self) -> Command | None:
        """Return the next command that is to go out."""
        if not self._may_start():
            return None
        command, self._left_over = self._left_over, None
        if command is not None and self._machine.is_held_back(command.node, command.child):
            # A value that it needs was lost since it was taken.
            self._machine.put_back(command.node, command.child)
            command = None
        return self._next(self._machine.take, command)

    def _next(
        self, take: Callable[[], Command | None], command: Command | None = None
    ) -> Command | None:
        """Return the first command, from this one on, of a run that is not clear without it."""
        while True:
            if command is None:
                command = take()
            if command is None:
                return None
            item = (command.node, command.child)
            if item in self._under_way:
                self._wanted.add(item)
            elif item in self._overtaken:
                self._overtaken.discard(item)
            elif command.node.plain and isinstance(command.node.task, Parameter | Constant):
                # What they give is here: sending them anywhere would only take time.
                self._run.finish(*item, self._run.execute(command))
            elif (known := self._known(command)) is not None:
                self._run.finish(*item, known)
            else:
                return command
            command = None

    def _known(self, command: Command) -> State | None:
        """Return the state that an earlier attempt has left, if the inputs are here and the same."""
        tracker = self._run.tracker
        node = command.node
        if tracker is None or not tracker.guarded or command.decided is not None:
            return None
        if any(each.upstream in self._kept.nodes for each in node.inputs):
            return None
        try:
            inputs = self._run.inputs.bind(node, command.child)
        except Exception:  # noqa: BLE001 - a user's own sequence may raise anything; the run will
            return None
        return tracker.known(node, command.child, inputs)

    # -- in -------------------------------------------------------------------------------

    def _handle_next(self, patience: float | None) -> None:
        """Wait for the next event, not longer than until a timer is due; handle what has come."""
        # A signal that comes on the brink of a wait does not end it, so none is without an end.
        seconds = MOST_SECONDS_DEAF if patience is None else min(patience, MOST_SECONDS_DEAF)
        try:
            event = self._channel.get(timeout=seconds)
        except Empty:
            self._run.wake()
            return
        self._handle(event)
        self._handle_what_has_come()

    def _handle_what_has_come(self) -> None:
        while True:
            try:
                event = self._channel.get_nowait()
            except Empty:
                return
            self._handle(event)

    def _handle(self, event: Event | _Interrupted) -> None:
        if isinstance(event, _Interrupted):
            raise event
        if isinstance(event, Resized):
            return  # more or less is handed over from now on
        flight = self._flights.get(event.key)
        if flight is None:
            return  # of a submission that is over: an echo
        if isinstance(event, Report):
            for part in event.reports:
                report = unpack(part)
                if isinstance(report, Outcome):
                    self._report(flight, report)
                elif isinstance(report, Started):
                    self._show(flight, report)
                elif isinstance(report, Turn):
                    if self._run.tracker is not None:
                        self._run.tracker.turned(report)
                else:
                    report.replay()
            return
        del self._flights[event.key]
        self._home.leave(flight)
        left = [flight.items[position] for position in sorted(flight.open)]
        self._under_way.difference_update(left)
        error, is_cancelled = event.error, self._machine.cancelled is not None
        is_undone = error is None or (self._is_taken_back and isinstance(error, CancelledError))
        if is_undone and not is_cancelled:
            self._hand_back(flight, left)
        elif is_cancelled or error is None or isinstance(error, KeyboardInterrupt):
            self._end(flight, left, Cancelled("The task was stopped."))
            if not is_cancelled:
                # A task that interrupts itself interrupts the run, as it does in this thread.
                raise _Interrupted("The run was interrupted.")
        elif isinstance(error, ValueLost):
            commanded = [item for item in left if self._was_commanded(flight, item)]
            self.statistics.values_lost += 1
            self._losses.make_anew(flight, error, commanded)
        elif isinstance(error, ExecutionLost):
            commanded = [item for item in left if self._was_commanded(flight, item)]
            self.statistics.lost += len(commanded)
            self._losses.lose(flight, error, commanded)
        elif len(flight.items) > 1 and isinstance(error, SerializationError):
            # One of them cannot travel. Which one shows when each travels alone.
            self._packer.alone.update(left)
            self._hand_back(flight, left)
        elif self._run.scope.find("raise_on_exception") is True:
            raise error
        else:
            self._end(flight, left, Failed(str(error), result=error))

    def _show(self, flight: Flight, started: Started) -> None:
        if self._run.tracker is not None and started.position in flight.open:
            self._run.tracker.show(flight.items[started.position], started.since, started.place)

    def _report(self, flight: Flight, outcome: Outcome) -> None:
        position = outcome.position
        if position not in flight.open:
            return  # it came twice
        flight.open.discard(position)
        item = flight.items[position]
        node, child = item
        state = outcome.state
        if outcome.kept:
            self._kept.add(item, flight, position)
        self._pace.learn(node, outcome.seconds)
        if self._run.tracker is not None:
            self._run.tracker.reported(node, outcome)
        self._under_way.discard(item)
        if item in self._wanted:
            self._wanted.discard(item)
        elif item in flight.fused and not state.is_finished():
            self._overtaken.add(item)
        self._machine.finish(node, child, state, outcome.length, outcome.lengths)

    def _hand_back(self, flight: Flight, items: Iterable[Item]) -> None:
        """Make runs ready again that were not started; a fused one only if its turn has come."""
        for item in reversed(list(items)):
            if self._was_commanded(flight, item):
                self.statistics.handed_back += 1
                self._machine.put_back(*item, flight.begins.get(item))

    def _was_commanded(self, flight: Flight, item: Item) -> bool:
        """Tell whether the machine has commanded this run, and not only fusing put it in."""
        if item in self._wanted:
            self._wanted.discard(item)
            return True
        return item not in flight.fused

    def _end(self, flight: Flight, items: Iterable[Item], state: State) -> None:
        """Give runs a state that they did not give themselves."""
        from copy import copy

        # That a task was stopped with its run is no error of the task.
        level = logging.DEBUG if isinstance(state, Cancelled) else logging.ERROR
        for item in items:
            if self._was_commanded(flight, item):
                ended = copy(state)
                ended.timestamp = timestamp()
                node, child = item
                node.task.logger.log(level, "Task '%s': %s", node.name_of(child), state.message)
                self._machine.finish(*item, ended)

    # -- waiting and stopping ---------------------------------------------------------------

    def _wait_for_timer(self) -> bool:
        """Wait until something is due; tell whether anything was."""
        tracker = self._run.tracker
        if tracker is not None and not self._may_start():
            if tracker.stops:
                return False
            self._handle_next(None)
            return True
        seconds = self._run.due_in()
        if seconds is None:
            return self._left_over is not None or self._machine.has_ready
        if seconds:
            self._handle_next(seconds)
        else:
            self._run.wake()
        return True

    def _cancel(self, reason: str) -> None:
        """Stop everything: nothing new begins, and what runs is asked to end."""
        get_logger("FlowRunner").warning("%s The flow run is cancelled.", reason)
        self._machine.cancel(reason)
        self._left_over = None
        self._executor.cancel()
        self._home.cancel()
        deadline = time.monotonic() + GRACE_SECONDS
        while self._flights:
            seconds = deadline - time.monotonic()
            if seconds <= 0:
                break
            try:
                event = self._channel.get(timeout=seconds)
                # One Ctrl-C reaches this process and those of the pool, and may be told by both.
                if not isinstance(event, _Interrupted):
                    self._handle(event)
            except Empty:
                break
            except KeyboardInterrupt:
                break  # asked twice: do not wait


def _submission(flight: Flight, chunk: Chunk, call: Callable[..., Any]) -> Submission:
    node, child = flight.items[0]
    task = node.task
    return Submission(
        flight.key,
        call,
        chunk,
        [need.handle for need in flight.needs],
        priority=node.index,
        context={
            "task_name": task.name,
            "task_slug": node.slug,
            "task_tags": task.tags,
            "task_index": None if child < 0 else child,
        },
    )

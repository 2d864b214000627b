"""One flow run in this process: the machine, and what its commands need to be performed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from headrace.core.context import FlowRunContext, Overlay, Scope, TaskRunContext, current
from headrace.core.now import is_replaced, now
from headrace.core.states import State
from headrace.engine.inputs import Inputs, measure, unbindable
from headrace.engine.plain_run import is_plain, run_plain
from headrace.engine.plan import Node
from headrace.engine.scopes import begin_scope
from headrace.engine.task_runner import TaskRunner

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Mapping, Sequence

    from headrace.core.edge import Edge
    from headrace.core.result import Result
    from headrace.core.task import Task
    from headrace.engine.command import Command
    from headrace.engine.flow_machine import FlowMachine
    from headrace.engine.task_runner import TaskRunnerHandler
    from headrace.engine.tracker import Tracker


class Run:
    """What performs the commands of one flow run.

    Args:
        machine: Decides what is run.
        scope: The flow run's context.
        flow_result: Where results are stored if a task does not say.
        task_runner_cls: Runs the tasks.
        task_runner_handlers: Told of every change of state of every task.
        task_contexts: More context keys, by task.
        patience: How far ahead a retry or a pause may lie to be waited for, in seconds; what lies
            further ends the run as scheduled. None for any time.
        tracker: Looks on, if the run is tracked.
    """

    def __init__(
        self,
        machine: FlowMachine,
        scope: FlowRunContext,
        flow_result: Result | None = None,
        task_runner_cls: type[TaskRunner] = TaskRunner,
        task_runner_handlers: Sequence[TaskRunnerHandler] = (),
        task_contexts: Mapping[Task[Any], Mapping[str, Any]] | None = None,
        patience: float | None = None,
        tracker: Tracker | None = None,
    ) -> None:
        self.machine = machine
        self.scope = scope
        self.flow_result = flow_result
        self.task_runner_cls = task_runner_cls
        self.task_runner_handlers = list(task_runner_handlers)
        self.task_contexts = task_contexts or {}
        self.patience = patience
        self.tracker = tracker
        self.inputs = Inputs()
        #: Counts the task runs that are being executed; whoever performs several says how.
        self.count_running: Callable[[], int] = _one
        #: Lists those that are being executed elsewhere, as far as this process can tell.
        self.list_running: Callable[[], Sequence[tuple[Node, int]]] = tuple
        ordinary = task_runner_cls is TaskRunner and not self.task_runner_handlers
        for node in machine.nodes.values():
            node.plain = ordinary and is_plain(node.task, flow_result, scope.checkpointing)

    def task_scope(self, node: Node, child: int, begin: State | None) -> TaskRunContext:
        """Make the context of a task run."""
        parent: Scope = self.scope
        if self.task_contexts:
            own = self.task_contexts.get(node.task)
            if own:
                parent = Overlay(parent, dict(own))
        return begin_scope(parent, node.task, node.slug, child, begin)

    def execute(self, command: Command) -> State:
        """Perform a command here and now, and return the state in which the run ended or waits."""
        node, child = command.node, command.child
        begin = self.machine.begin_state(node, child)
        decided = command.decided
        scope = self.task_scope(node, child, begin)
        try:
            arguments = {} if decided is not None else self.inputs.bind(node, child)
        except Exception as error:  # noqa: BLE001 - a user's own sequence may raise anything
            return unbindable(node.task, node.name_of(child), error)
        if self.tracker is not None and self.tracker.guarded and decided is None:
            known = self.tracker.known(node, child, arguments)
            if known is not None:
                return known
        if node.plain and decided is None and (begin is None or not begin.is_cached()):
            return run_plain(node.task, arguments, scope)
        return self.runner(node.task).execute(
            arguments, scope, begin, decided, self.upstream_states(node, child)
        )

    def runner(self, task: Task[Any]) -> TaskRunner:
        """Make the runner of a task that is not plain."""
        return self.task_runner_cls(task, self.task_runner_handlers, self.flow_result)

    def upstream_states(self, node: Node, child: int) -> dict[Edge, State] | None:
        """Return the upstream states of a task whose trigger looks at them; else None."""
        if hasattr(node.trigger, "objection"):
            return None
        return self.inputs.upstream_states(node, child)

    def finish(self, node: Node, child: int, state: State) -> None:
        """Tell the machine how a run ended whose value is in this process."""
        if node.measure:
            length, lengths = measure(node.measure, child, state)
            self.machine.finish(node, child, state, length, lengths)
        else:
            self.machine.finish(node, child, state)

    def due_in(self) -> float | None:
        """Return in how many seconds a run goes on that is worth waiting for; None if none does."""
        due = self.machine.timers.next_due
        if due is None:
            return None
        if is_replaced():
            return 0.0  # a clock of a test's own does not move by waiting
        seconds = max(0.0, due - time.time())
        if self.patience is not None and seconds > self.patience:
            return None
        return seconds

    def wake(self) -> None:
        """Make ready what waited for this moment."""
        moment: datetime.datetime = now()
        due = self.machine.timers.next_due
        if is_replaced() and due is not None:
            moment = max(moment, moment.fromtimestamp(due, moment.tzinfo))
        self.machine.wake(moment)


def _one() -> int:
    return 1


def run_inline(run: Run, tracker: Tracker | None = None) -> None:
    """Perform all commands in this thread, one after another.

    Args:
        run: The flow run.
        tracker: Asked before each; None lets them pass.

    Raises:
        KeyboardInterrupt: If the user interrupts a task.
    """
    machine = run.machine
    token = current.set(run.scope)
    try:
        while True:
            command = machine.take()
            if command is not None:
                if tracker is not None and not tracker.begin(command.node, command.child):
                    machine.put_back(command.node, command.child)
                    return
                run.finish(command.node, command.child, run.execute(command))
                continue
            seconds = run.due_in()
            if seconds is None:
                return
            if seconds:
                time.sleep(seconds)
            run.wake()
    finally:
        current.reset(token)

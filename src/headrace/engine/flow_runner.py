"""Runs one flow in this process: does what the flow machine says, by an executor."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from headrace.config import config
from headrace.config.logging import get_logger
from headrace.core.context import FlowRunContext, Overlay, Scope, current
from headrace.core.errors import FlowError, HeadraceError, ParameterError
from headrace.core.handlers import heed
from headrace.core.now import now
from headrace.core.signals import EndRun, StateSignal
from headrace.core.states import (
    Cancelled,
    Failed,
    Paused,
    Pending,
    Running,
    Scheduled,
    State,
    Success,
)
from headrace.core.wording import repr_of
from headrace.engine.flow_machine import FlowMachine
from headrace.engine.given import Given
from headrace.engine.inputs import measure_given
from headrace.engine.interrupts import interruptible
from headrace.engine.plan import Node, plan
from headrace.engine.run import Run, run_inline
from headrace.engine.task_runner import TaskRunner
from headrace.executors.local import LocalExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from headrace.core.task import Task
    from headrace.engine.progress import Progress
    from headrace.engine.tracker import Tracker
    from headrace.executors.base import Executor
    from headrace.flow import Flow

    FlowRunnerHandler = Callable[["FlowRunner", State, State], State | None]


_default_task_runner_class: type[TaskRunner] = TaskRunner


def set_default_task_runner_class(cls: type[TaskRunner]) -> None:
    """Say by which class of task runners flows run that do not name one."""
    global _default_task_runner_class
    _default_task_runner_class = cls


class FlowRunner:
    """Runs one flow.

    Args:
        flow: The flow.
        task_runner_cls: Runs its tasks; a class derived from `TaskRunner`. By default that, or what
            `set_default_task_runner_class` says.
        state_handlers: Called as `handler(runner, old_state, new_state)` on every change of the
            flow run's state, after the flow's own; a state that they return takes its place.
        observer: Given the `Progress` of each run before its first task begins, to read from a
            thread of its own.
        tracker: Looks on at the run, and may hold it up, if it is a tracked one.
    """

    def __init__(
        self,
        flow: Flow,
        task_runner_cls: type[TaskRunner] | None = None,
        state_handlers: Iterable[FlowRunnerHandler] | None = None,
        observer: Callable[[Progress], None] | None = None,
        tracker: Tracker | None = None,
    ) -> None:
        self.flow = flow
        self.task_runner_cls = task_runner_cls or _default_task_runner_class
        self.state_handlers = list(state_handlers or ())
        self.observer = observer
        self.tracker = tracker
        self.logger = get_logger(type(self).__name__)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.flow.name}>"

    def run(
        self,
        state: State | None = None,
        task_states: Mapping[Task[Any], State] | None = None,
        return_tasks: Iterable[Task[Any]] | None = None,
        parameters: Mapping[str, Any] | None = None,
        task_runner_state_handlers: Iterable[Any] | None = None,
        executor: Executor | None = None,
        context: Mapping[str, Any] | None = None,
        task_contexts: Mapping[Task[Any], Mapping[str, Any]] | None = None,
        patience: float | None = 0.0,
    ) -> State:
        """Run the flow once.

        Args:
            state: The state to begin with; `Pending` by default.
            task_states: States of tasks to begin with: finished ones are not run again.
            return_tasks: The tasks whose states are in the result; none by default.
            parameters: Values of the flow's parameters, by name.
            task_runner_state_handlers: Told of every change of state of every task.
            executor: Where the tasks execute; by default what the flow says, or this thread.
            context: More keys for the run's context.
            task_contexts: More context keys for single tasks.
            patience: How far ahead, in seconds, a retry or the end of a pause may lie to be waited
                for; None for any time.

        Returns:
            The flow run's state. Its result is a dict from each of `return_tasks` to its state.

        Raises:
            FlowError: If `return_tasks` or `task_states` names a task that is not in the flow.
            ParameterError: If a parameter is unknown or missing.
        """
        wanted = list(return_tasks or ())
        self._check_tasks(wanted, "return_tasks")
        self._check_tasks(task_states or {}, "task_states")
        values = check_parameters(self.flow, parameters or {})
        executor = _usable(executor or self.flow.executor or LocalExecutor())
        scope = self._scope(values, context or {})
        self.logger.info("Beginning Flow run for '%s'", self.flow.name)
        token = current.set(scope)
        try:
            begin = state if state is not None else Pending("Flow run created")
            running = self._start(begin)
            nodes = self._plan()
            tracker = self.tracker
            if tracker is not None:
                task_states = {**tracker.given(nodes, values), **(task_states or {})}
            machine = FlowMachine(
                nodes,
                Given(
                    task_states, measure_given(nodes, task_states), keep_cached=tracker is not None
                )
                if task_states
                else None,
                observe_all=bool(task_runner_state_handlers) or self.task_runner_cls.sees_all,
                watch=None if tracker is None else tracker.changed,
                home_apart=not executor.inline,
            )
            run = Run(
                machine,
                scope,
                self.flow.result
                if tracker is None
                else tracker.flow_result(self.flow.result, executor),
                self.task_runner_cls,
                list(task_runner_state_handlers or ()),
                task_contexts,
                patience,
                tracker,
            )
            if tracker is not None:
                tracker.attach(run)
            if self.observer is not None:
                from headrace.engine.progress import Progress

                self.observer(Progress(run))
            self._perform(run, executor, wanted)
            return self._end(running, machine, wanted)
        except EndRun as end:
            return end.state
        except StateSignal as signal:
            return signal.state
        except Exception as error:
            if scope.find("raise_on_exception") is True or isinstance(error, FlowError):
                raise
            if isinstance(error, HeadraceError):
                # It says itself what is wrong and what to do; where it arose tells a user nothing.
                message = str(error)
                self.logger.error("%s", message)  # noqa: TRY400 - as just said
            else:
                message = f"Unexpected error while running flow: {repr_of(error)}"
                self.logger.exception("%s", message)
            return self._change(Running("Running flow."), Failed(message, result=error))
        finally:
            current.reset(token)

    # -- the steps ------------------------------------------------------------------------

    def _plan(self) -> dict[Task[Any], Node]:
        """Make the nodes of the run; a runner for tests puts others in the place of some tasks."""
        return plan(self.flow)

    def _check_tasks(self, tasks: Iterable[Task[Any]], argument: str) -> None:
        slugs = self.flow.slugs
        strangers = [task for task in tasks if task not in slugs]
        if strangers:
            names = ", ".join(repr(getattr(task, "name", task)) for task in strangers)
            raise FlowError(
                f"{argument} has tasks that are not in the flow {self.flow.name!r}: {names}."
            )

    def _scope(self, parameters: dict[str, Any], context: Mapping[str, Any]) -> FlowRunContext:
        below: Scope = current.get()
        extras = {**_set_by_hand(below), **context}
        run_id = extras.pop("flow_run_id", None) or _new_id()
        return FlowRunContext(
            flow_name=self.flow.name,
            flow_run_id=run_id,
            flow_run_name=extras.pop("flow_run_name", None) or run_id,
            parameters={**extras.pop("parameters", {}), **parameters},
            flow_id=extras.pop("flow_id", None),
            scheduled_start_time=extras.pop("scheduled_start_time", None),
            date=extras.pop("date", None),
            checkpointing=bool(extras.pop("checkpointing", config.flows.checkpointing)),
            running_with_backend=bool(extras.pop("running_with_backend", False)),
            attempt=int(extras.pop("attempt", 1)),
            extras=extras,
            parent=below,
        )

    def _start(self, state: State) -> State:
        """Put the flow run into Running.

        Raises:
            EndRun: If it cannot be run now, with the state in which it stays.
        """
        if state.is_running():
            return state
        if not state.is_pending():
            self.logger.info("Flow run has already finished.")
            raise EndRun(state)
        if isinstance(state, Scheduled) and state.start_time and state.start_time > now():
            self.logger.debug("Flow '%s': start_time has not been reached.", self.flow.name)
            raise EndRun(state)
        running = self._change(state, Running("Running flow."))
        if not running.is_running():
            raise EndRun(running)  # a handler has other plans
        return running

    def _perform(self, run: Run, executor: Executor, wanted: list[Task[Any]]) -> None:
        """Do what the machine says until it has nothing more to say, or the user interrupts.

        The values of the tasks that are wanted are brought here, wherever they were computed.
        """
        machine = run.machine
        with executor.start():
            try:
                with interruptible():
                    if executor.inline:
                        run_inline(run, self.tracker)
                    else:
                        from headrace.engine.dispatcher import Dispatcher

                        dispatcher = Dispatcher(run, executor)
                        dispatcher.perform()
                        if machine.cancelled is not None:
                            wanted = [*wanted, *_resources(machine)]
                        dispatcher.collect(machine.nodes[task] for task in wanted)
            except KeyboardInterrupt as interrupt:
                self._leave_if_lost()
                reason = str(interrupt) or "The run was interrupted."
                self.logger.warning("%s The flow run is cancelled.", reason)
                machine.cancel(reason)
            except BaseException:
                # Raised to the caller, on request or by a fault: that, too, ends the run. What was
                # set up elsewhere cannot be reached any more.
                if executor.inline:
                    machine.cancel("The run was ended by an error.")
                    self._clean_up(run)
                raise
            self._leave_if_lost()
            if machine.cancelled is not None:
                self._clean_up(run)

    def _leave_if_lost(self) -> None:
        """End at once if the run is another process's: no handler and no clean-up is called."""
        if self.tracker is not None and self.tracker.is_lost:
            raise EndRun(Cancelled("The run is another process's."))

    def _clean_up(self, run: Run) -> None:
        """Clean up, in this thread, the resources that a cancelled run has set up."""
        run.machine.end_cancelled()
        try:
            with interruptible():
                run_inline(run)
        except KeyboardInterrupt:
            self.logger.warning("Interrupted again: resources may not have been cleaned up.")
        run.machine.end_cancelled(clean_up=False)

    def _end(self, running: State, machine: FlowMachine, wanted: list[Task[Any]]) -> State:
        """Return the state in which the flow run ends, or waits."""
        nodes = machine.nodes
        states = machine.final_states()
        # A tracked run brings no values here; the states cost nothing, and handlers ask for them.
        result = {task: states[task] for task in (wanted if self.tracker is None else states)}
        reference = [nodes[task] for task in self.flow.reference_tasks()]
        final = self._final_state(running, machine, reference, result)
        handler = self.flow.terminal_state_handler
        # What is parked has not ended, and comes here again.
        if handler is not None and (self.tracker is None or final.is_finished()):
            final = heed(handler, handler(self.flow, final, _states_of(reference)), final)
        return self._change(running, final)

    def _final_state(
        self,
        running: State,
        machine: FlowMachine,
        reference: list[Node],
        result: dict[Task[Any], State],
    ) -> State:
        log = self.logger.info
        if machine.cancelled is not None:
            log("Flow run CANCELLED: %s", machine.cancelled)
            return Cancelled(machine.cancelled, result=result)
        terminal = self.flow.terminal_tasks()
        if any(machine.nodes[task].is_open for task in terminal):
            return self._unfinished(running, machine, result)
        if any(node.failed or _failed(node.state) for node in reference):
            log("Flow run FAILED: some reference tasks failed.")
            return Failed("Some reference tasks failed.", result=result)
        if all(_succeeded(node) for node in reference):
            log("Flow run SUCCESS: all reference tasks succeeded")
            return Success("All reference tasks succeeded.", result=result)
        log("Flow run SUCCESS: no reference tasks failed")
        return Success("No reference tasks failed.", result=result)

    def _unfinished(
        self, running: State, machine: FlowMachine, result: dict[Task[Any], State]
    ) -> State:
        """Return the state of a run that waits: for a time, or for a person."""
        self.logger.info("Flow run RUNNING: terminal tasks are incomplete.")
        if running.result is None or isinstance(running.result, dict):
            running.result = result
        for node in machine.unfinished():
            waiting = [node.state, *(node.children or ())]
            if any(isinstance(state, Paused) for state in waiting):
                running.message = (
                    f"Task {node.task.name!r} is paused. Resume it with "
                    "flow.run(task_states={..., task: Resume()}) and the states of this run."
                )
        return running

    def _change(self, old: State, new: State) -> State:
        """Tell the handlers of a change of state; return the state that they agree on."""
        if old is new:
            return new
        flow = self.flow
        try:
            for handler in flow.state_handlers:
                new = heed(handler, handler(flow, old, new), new)
            for runner_handler in self.state_handlers:
                new = heed(runner_handler, runner_handler(self, old, new), new)
        except StateSignal as signal:
            return signal.state
        except Exception as error:
            if current.get().find("raise_on_exception") is True:
                raise
            self.logger.exception("Exception raised while calling state handlers:")
            failed = Failed("Exception raised while calling state handlers.", result=error)
            if isinstance(new.result, dict):
                failed.context["handler_error"] = repr_of(error)
                failed.result = new.result
            raise EndRun(failed) from error
        return new


def _resources(machine: FlowMachine) -> Iterator[Task[Any]]:
    """Yield the tasks whose values the clean-up of resources works with."""
    for task, node in machine.nodes.items():
        if task.is_resource_cleanup:
            yield from (each.upstream.task for each in node.inputs if each.key is not None)


def check_parameters(flow: Flow, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a flow's parameters, with the defaults filled in.

    Raises:
        ParameterError: If one is unknown, or is required and was not given.
    """
    known = {parameter.name: parameter for parameter in flow.parameters()}
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise ParameterError(
            f"Flow {flow.name!r} has no parameter {', '.join(map(repr, unknown))}. "
            f"It has: {', '.join(sorted(known)) or 'none'}."
        )
    missing = [p.name for p in known.values() if p.required and p.name not in parameters]
    if missing:
        raise ParameterError(
            f"Flow {flow.name!r} was not given the required parameter "
            f"{', '.join(map(repr, missing))}. Pass it: "
            f"flow.run(parameters={{{', '.join(f'{name!r}: ...' for name in missing)}}})."
        )
    defaults = {p.name: p.default for p in known.values() if not p.required}
    return {**defaults, **parameters}


def _set_by_hand(scope: Scope | None) -> dict[str, Any]:
    """Return the context keys that a user has set around the run: they go wherever its tasks go."""
    keys: dict[str, Any] = {}
    while scope is not None:
        if isinstance(scope, Overlay):
            keys = {**scope.values, **keys}
        scope = scope.parent
    return keys


def _usable(executor: Any) -> Executor:
    """Return what is given as an executor, if it is one.

    Raises:
        FlowError: If it is not.
    """
    if isinstance(executor, type):
        raise FlowError(
            f"The executor is the class {executor.__name__}; make one: {executor.__name__}()."
        )
    if not hasattr(executor, "start") or not hasattr(executor, "submit"):
        raise FlowError(
            f"The executor is {executor!r:.60}, which is none; give one of headrace.executors, such "
            "as LocalDaskExecutor()."
        )
    return executor  # type: ignore[no-any-return]


def _new_id() -> str:
    # The form of a random UUID, without importing what makes them.
    bits = bytearray(os.urandom(16))
    bits[6] = bits[6] & 0x0F | 0x40
    bits[8] = bits[8] & 0x3F | 0x80
    text = bits.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _failed(state: State | None) -> bool:
    return state is not None and state.is_failed()


def _succeeded(node: Node) -> bool:
    if node.children is not None:
        return node.successful == len(node.children)
    return node.state is not None and node.state.is_successful()


def _states_of(nodes: list[Node]) -> set[State]:
    """Return the states of these tasks, a mapped one's as those of its children."""
    states: set[State] = set()
    for node in nodes:
        if node.children is not None:
            states.update(state for state in node.children if state is not None)
        elif node.state is not None:
            states.add(node.state)
    return states

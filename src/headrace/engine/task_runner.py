"""Takes one task run through its steps: trigger, target, cache, run, result, retry, loop.

What follows from what is decided by pure rules (`core.transitions`, `core.triggers`,
`core.caching`); this module does the calls in between. It runs wherever the executor puts it.

A *plain* task (no handlers, timeout, cache, target, stored result or custom trigger) takes a short
cut through the same rules, in `plain_run`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.core.context import TaskRunContext, current
from headrace.core.errors import ResultNotImplementedError
from headrace.core.handlers import heed
from headrace.core.now import now, timestamp
from headrace.core.result import Result
from headrace.core.signals import PAUSE, TRIGGERFAIL, EndRun, StateSignal
from headrace.core.states import (
    Cached,
    Failed,
    Looped,
    Mapped,
    Pending,
    Running,
    Skipped,
    State,
    Success,
    TriggerFailed,
    succeeded,
)
from headrace.core.triggers import BuiltinTrigger
from headrace.core.wording import repr_of
from headrace.engine.places import here
from headrace.engine.scopes import next_turn
from headrace.engine.task_errors import ended_by, retry_or_fail

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from headrace.core.edge import Edge
    from headrace.core.task import Task

    TaskRunnerHandler = Callable[["TaskRunner", State, State], State | None]


class TaskRunner:
    """Runs one task.

    Args:
        task: The task.
        state_handlers: Called as `handler(runner, old_state, new_state)` on every change of state,
            after the task's own; a state that they return takes the place of the new one.
        flow_result: Where the task's result is stored if the task does not say.
    """

    #: Whether a flow takes to this class even the runs whose states are clear without running: the
    #: skipped, the not triggered, and the mapped ones as a whole.
    sees_all: ClassVar[bool] = False

    #: The name of the run, if it has got one of its own.
    _run_name: str | None = None

    def __init__(
        self,
        task: Task[Any],
        state_handlers: Sequence[TaskRunnerHandler] | None = None,
        flow_result: Result | None = None,
    ) -> None:
        self.task = task
        self.state_handlers = list(state_handlers or ())
        self.flow_result = flow_result
        self.logger = task.logger

    @property
    def result(self) -> Result | None:
        """Where the task's result is stored: what the task says, or else the flow."""
        result = self.task.result if self.task.result is not None else self.flow_result
        target = self.task.target
        return result if result is None or target is None else result.at(target)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.task.name}>"

    # -- the steps ------------------------------------------------------------------------

    def execute(
        self,
        inputs: Mapping[str, Any],
        scope: TaskRunContext,
        state: State | None = None,
        decided: State | None = None,
        upstream_states: Mapping[Edge, State] | None = None,
    ) -> State:
        """Take the task through its steps and return the state it ends in.

        Args:
            inputs: The arguments of the task's function.
            scope: The task run's context.
            state: The state to begin with; `Pending` by default.
            decided: The state in which the run ends without its function being called: handlers
                are told, and that is all.
            upstream_states: The upstream states, if the task has a trigger of the user's own.

        Returns:
            The state: finished, or scheduled to run again.

        Raises:
            KeyboardInterrupt: If the user interrupts the task.
        """
        ended = self._execute(inputs, scope, state, decided, upstream_states)
        if self._run_name is not None:
            # It may have been made on a worker: the state takes it to where runs are reported.
            ended.context["task_run_name"] = self._run_name
        return ended

    def _execute(
        self,
        inputs: Mapping[str, Any],
        scope: TaskRunContext,
        state: State | None,
        decided: State | None,
        upstream_states: Mapping[Edge, State] | None,
    ) -> State:
        token = current.set(scope)
        try:
            begin = state if state is not None else Pending("Task run created")
            if decided is not None:
                return self._change(begin, decided)
            return self._steps(begin, inputs, scope, upstream_states)
        except EndRun as end:
            return end.state
        except StateSignal as signal:
            return signal.state
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if scope.find("raise_on_exception") is True:
                raise
            self.logger.exception(
                "Task '%s': Unexpected error while running task:", scope.task_full_name
            )
            return Failed(f"Unexpected error while running task: {repr_of(error)}", result=error)
        finally:
            current.reset(token)

    def _steps(
        self,
        state: State,
        inputs: Mapping[str, Any],
        scope: TaskRunContext,
        upstream_states: Mapping[Edge, State] | None,
    ) -> State:
        task = self.task
        self._check_trigger(state, upstream_states, scope)
        if task.task_run_name is not None:
            self._name_run(inputs)
        known = self._look_up(state, inputs)
        if known is not None:
            return self._change(state, known)
        while True:
            if not state.is_pending():
                state = Pending("Cache was invalid; ready to run.")
            running = self._change(state, Running("Starting task run."))
            if not running.is_running():
                return running  # a handler has other plans
            ended = self._call(inputs, scope)
            ended = self._change(running, ended)
            if not isinstance(ended, Looped):
                return self._after_call(ended, inputs, scope)
            state, scope = next_turn(ended, scope)
            current.set(scope)

    def _after_call(self, state: State, inputs: Mapping[str, Any], scope: TaskRunContext) -> State:
        """Return what follows the state that the function's call ended in."""
        if isinstance(state, Success) and not isinstance(state, Skipped):
            return self._cache(state, inputs)
        if isinstance(state, Failed):
            following = retry_or_fail(self.task, state, scope)
            return state if following is state else self._change(state, following)
        return state

    # -- each step ------------------------------------------------------------------------

    def _check_trigger(
        self,
        state: State,
        upstream_states: Mapping[Edge, State] | None,
        scope: TaskRunContext,
    ) -> None:
        trigger = self.task.trigger
        if isinstance(trigger, BuiltinTrigger):
            return  # the FlowRunner has decided
        try:
            if trigger(dict(upstream_states or {})):
                return
            ending = TRIGGERFAIL("Trigger failed").state
        except StateSignal as signal:
            if scope.find("raise_on_exception") is True:
                raise
            ending = signal.state
        except Exception as error:
            if scope.find("raise_on_exception") is True:
                raise
            self.logger.exception(
                "Task '%s': Unexpected error while evaluating task trigger:", scope.task_full_name
            )
            ending = TriggerFailed(
                f"Unexpected error while checking task trigger: {repr_of(error)}", result=error
            )
        raise EndRun(self._change(state, ending))

    def _name_run(self, inputs: Mapping[str, Any]) -> None:
        from headrace.core.context import context

        template = self.task.task_run_name
        values = self._formatting(inputs)
        name = template.format(**values) if isinstance(template, str) else template(**values)  # type: ignore[misc]
        context["task_run_name"] = self._run_name = name

    def _look_up(self, state: State, inputs: Mapping[str, Any]) -> State | None:
        """Return a cached state that makes running the task needless, if there is one."""
        from headrace.core.caching import hash_inputs
        from headrace.core.context import context

        task = self.task
        if task.target is not None and self.result is not None:
            # Filled in first, since `exists` has arguments of its own that an input may be named as.
            location = self.result.format(**self._formatting(inputs)).location
            assert location is not None
            if self.result.exists(location):
                return Cached(
                    f"Result found at task target {location}",
                    result=self.result.read(location),
                    hashed_inputs=hash_inputs(inputs),
                    cached_parameters=dict(context.get("parameters") or {}),
                )
            return None
        if task.cache_for is None and not state.is_cached():
            return None
        parameters = context.get("parameters")
        candidates = [state] if state.is_cached() else []
        candidates += (context.get("caches") or {}).get(task.cache_key or task.name, [])
        for candidate in candidates:
            if task.cache_validator(candidate, dict(inputs), parameters):
                return candidate
        return None

    def _call(self, inputs: Mapping[str, Any], scope: TaskRunContext) -> State:
        """Call the task's function and store what it returns."""
        task = self.task
        outcome: State
        try:
            value = self._call_function(inputs)
        except BaseException as error:  # noqa: BLE001 - as in `run_plain`
            outcome = ended_by(task, scope, error)
            if not isinstance(outcome, Success | Looped) or isinstance(outcome, Skipped):
                return outcome
            value = outcome.result
            if value is error:
                return outcome
        else:
            outcome = succeeded(value, here(), timestamp())
        return self._store(outcome, value, inputs)

    def _call_function(self, inputs: Mapping[str, Any]) -> Any:
        task = self.task
        if task.log_stdout:
            from headrace.config.logging import log_stdout_to

            with log_stdout_to(self.logger):
                return self._call_in_time(inputs)
        return self._call_in_time(inputs)

    def _call_in_time(self, inputs: Mapping[str, Any]) -> Any:
        task = self.task
        if task.timeout is None:
            return task.run(**inputs)
        from headrace.engine.timeouts import call_with_timeout

        return call_with_timeout(task.run, inputs, task.timeout)

    def _store(self, state: State, value: Any, inputs: Mapping[str, Any]) -> State:
        """Write the value where the task or the flow says, if checkpointing is on."""
        result = self.result
        if (
            result is None
            or value is None
            or self.task.checkpoint is False
            or current.get().find("checkpointing") is not True
            or (self.task.result is None and self.task.target is None and result.in_checkpoints)
        ):
            return state
        try:
            state.result = result.write(value, **self._formatting(inputs))
        except ResultNotImplementedError:
            return state  # a bare Result only carries a value
        return state

    def _cache(self, state: Success, inputs: Mapping[str, Any]) -> State:
        task = self.task
        if task.cache_for is None or isinstance(state, Mapped):
            return state
        from headrace.core.caching import hash_inputs
        from headrace.core.context import context

        cached = Cached(
            state.message,
            result=state.stored if state.stored is not None else state.result,
            hashed_inputs=hash_inputs(inputs),
            cached_result_expiration=now() + task.cache_for,
            cached_parameters=dict(context.get("parameters") or {}),
        )
        cached.place = state.place
        cached.timestamp = state.timestamp
        return self._change(state, cached)

    def _formatting(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a template may name: parameters, the context, the task's inputs."""
        from headrace.core.context import context

        return {**(context.get("parameters") or {}), **context.to_dict(), **inputs}

    def _change(self, old: State, new: State) -> State:
        """Tell the handlers of a change of state; return the state that they agree on.

        Raises:
            EndRun: If a handler raises an exception, with the failed state.
            PAUSE: If a handler raises it.
        """
        task = self.task
        if not task.state_handlers and not self.state_handlers:
            return new
        try:
            for handler in task.state_handlers:
                new = heed(handler, handler(task, old, new), new)
            for runner_handler in self.state_handlers:
                new = heed(runner_handler, runner_handler(self, old, new), new)
        except PAUSE:
            raise
        except StateSignal as signal:
            return signal.state
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # `SystemExit` included: it would end this run on one executor, and on another a thread
            # with all that it has left to do.
            if current.get().find("raise_on_exception") is True:
                raise
            self.logger.exception(
                "Task '%s': Exception raised while calling state handlers:", task.name
            )
            failed = Failed("Exception raised while calling state handlers.", result=error)
            raise EndRun(failed) from error
        return new

    # -- by itself ------------------------------------------------------------------------

    def run(
        self,
        state: State | None = None,
        upstream_states: Mapping[Edge, State] | None = None,
        context: Mapping[str, Any] | None = None,
        is_mapped_parent: bool = False,
    ) -> State:
        """Run the task by itself, outside of a flow run.

        Args:
            state: The state to begin with.
            upstream_states: The states of the upstream tasks, by edge.
            context: More keys for the run's context.
            is_mapped_parent: Whether only the question is answered if the task can be mapped.

        Returns:
            The state in which the run ended, or waits.
        """
        from headrace.engine.single_run import run_single

        return run_single(self, state, upstream_states or {}, context or {}, is_mapped_parent)

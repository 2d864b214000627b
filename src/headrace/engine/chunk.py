"""Chunks: what one submission to an executor holds, and the function that runs it there.

A chunk is a list of steps, each one task run. As a rule it holds one; short tasks travel together,
as handing over a call costs more than they do. A chunk stops before its next step when its time is
up, or when a step that the next one builds on did not simply succeed, and hands the rest back: only
the `FlowRunner` decides what becomes of a task. From outside, each task has its own states,
retries, logs and cancellation, as if it had travelled alone.
"""

from __future__ import annotations

from time import perf_counter, time
from typing import TYPE_CHECKING, Any

from headrace.core.context import FlowRunContext, Overlay, Scope, current
from headrace.core.preparation import Preparation, preparation
from headrace.core.states import State, Success
from headrace.engine.inputs import measure, unbindable
from headrace.engine.outcome import Outcome, without_value
from headrace.engine.plain_run import run_plain
from headrace.engine.scopes import begin_scope
from headrace.engine.sources import fill, resolve
from headrace.engine.task_runner import TaskRunner
from headrace.engine.upstream import simply_succeeded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from headrace.core.result import Result
    from headrace.core.state import Place
    from headrace.engine.step import Step
    from headrace.engine.task_runner import TaskRunnerHandler
    from headrace.engine.worker_checkpoints import Place as CheckpointPlace
    from headrace.engine.worker_checkpoints import WorkerLog
    from headrace.executors.base import Shared


class Chunk:
    """What one submission runs.

    Args:
        key: The submission's key.
        scope: The flow run's context.
        tasks: The tasks of its steps.
        steps: The steps, in order.
        budget: After how many seconds it stops before its next step; None for never.
        flow_result: Where results are stored if a task does not say.
        runner_cls: Runs the tasks that are not plain.
        runner_handlers: Told of every change of state of every task.
        extra: More context keys, for all tasks: caches, a switch for debugging.
        log_level: From which level on log lines are brought to the runner's process; None for
            chunks that run in it.
        home: The runner's process, as far as chunks may leave it.
        checkpoints: Where the process that runs it writes checkpoints of values that stay there.

    Attributes:
        under_way: Which step is being run, and since when, in seconds since 1970; None if nobody
            asks. It does not travel.
    """

    __slots__ = (
        "budget",
        "checkpoints",
        "extra",
        "flow_result",
        "home",
        "key",
        "log_level",
        "runner_cls",
        "runner_handlers",
        "scope",
        "steps",
        "tasks",
        "under_way",
    )

    def __init__(
        self,
        key: str,
        scope: FlowRunContext,
        tasks: list[Shared],
        steps: list[Step],
        budget: float | None = None,
        flow_result: Result | None = None,
        runner_cls: type[TaskRunner] = TaskRunner,
        runner_handlers: Sequence[TaskRunnerHandler] = (),
        extra: Mapping[str, Any] | None = None,
        log_level: int | None = None,
        home: Place | None = None,
        checkpoints: CheckpointPlace | None = None,
    ) -> None:
        self.key = key
        self.scope = scope
        self.tasks = tasks
        self.steps = steps
        self.budget = budget
        self.flow_result = flow_result
        self.runner_cls = runner_cls
        self.runner_handlers = runner_handlers
        self.extra = extra
        self.log_level = log_level
        self.home = home
        self.checkpoints = checkpoints
        self.under_way: tuple[int, float] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        fields = (
            self.key,
            self.scope,
            self.tasks,
            self.steps,
            self.budget,
            self.flow_result,
            self.runner_cls,
            self.runner_handlers,
            self.extra,
            self.log_level,
            self.home,
            self.checkpoints,
        )
        return _arrived, (preparation(), fields)


def _arrived(prepared: Preparation | None, fields: tuple[Any, ...]) -> Chunk:
    """Make a chunk in the process that it was sent to, which is prepared for its tasks by then."""
    return Chunk(*fields)


def run_chunk(
    chunk: Chunk,
    held: Sequence[Mapping[int, Any]] = (),
    keeps: Callable[[Any], bool] | None = None,
    stopped: Callable[[], bool] | None = None,
    report: Callable[[Outcome], None] | None = None,
) -> tuple[list[Outcome], dict[int, Any]]:
    """Run the steps of a chunk, as far as its time and their states let it.

    Args:
        chunk: The chunk.
        held: Of each submission that this one needs, the values that it kept, by position.
        keeps: Tells of a value whether it stays here; None for never.
        stopped: Tells whether to stop before the next step.
        report: Told how each step ended, at once; None to return all of it.

    Returns:
        How each step ended that was run, in order, unless `report` was told; what is not there is
        handed back. And the values that stay here, by position.
    """
    outcomes: list[Outcome] = []
    if report is None:
        report = outcomes.append
    kept: dict[int, Any] = {}
    states: list[State | None] = [None] * len(chunk.steps)
    scope: Scope = chunk.scope if chunk.extra is None else Overlay(chunk.scope, dict(chunk.extra))
    token = current.set(scope)
    begun = before = perf_counter()
    is_watched = chunk.under_way is not None
    log: WorkerLog | None = None
    if chunk.checkpoints is not None and keeps is not None:
        from headrace.engine.worker_checkpoints import log_at

        log = log_at(chunk.checkpoints)
    try:
        for position, step in enumerate(chunk.steps):
            if position and (
                (chunk.budget is not None and before - begun >= chunk.budget)
                or (stopped is not None and stopped())
            ):
                break
            if step.after and not all(simply_succeeded(states[above]) for above in step.after):
                continue
            if is_watched:
                chunk.under_way = position, time()
            state = _run_step(chunk, step, scope, states, held)
            states[position] = state
            length, lengths = measure(step.measure, step.child, state)
            after = perf_counter()
            outcome = Outcome(position, state, length, lengths, after - before)
            before = after
            if (
                keeps is not None
                and not step.wants_value
                and isinstance(state, Success)  # exceptions go along: people want to see them
                and keeps(state.result)
            ):
                kept[position] = state.result
                task = chunk.tasks[step.task].value
                if log is not None and state.stored is None and task.checkpoint is not False:
                    outcome.location = log.write(state.result)
                outcome.state = without_value(state)
                outcome.kept = True
            report(outcome)
    finally:
        current.reset(token)
    return outcomes, kept


def _run_step(
    chunk: Chunk,
    step: Step,
    scope: Scope,
    states: list[State | None],
    held: Sequence[Mapping[int, Any]],
) -> State:
    task = chunk.tasks[step.task].value
    parent = scope if step.context is None else Overlay(scope, dict(step.context))
    run_scope = begin_scope(parent, task, step.slug, step.child, step.begin)
    if step.has_sources or step.upstream_states is not None:
        try:
            inputs = {key: resolve(value, states, held) for key, value in step.inputs.items()}
            for state in (step.upstream_states or {}).values():
                fill(state, states, held)
        except Exception as error:  # noqa: BLE001 - a user's own sequence may raise anything
            return unbindable(task, run_scope.task_full_name, error)
    else:
        inputs = step.inputs
    if step.plain and step.decided is None and (step.begin is None or not step.begin.is_cached()):
        return run_plain(task, inputs, run_scope)
    runner = chunk.runner_cls(task, chunk.runner_handlers, chunk.flow_result)
    return runner.execute(inputs, run_scope, step.begin, step.decided, step.upstream_states)

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
from headrace.core.states import Mapped, State, Success
from headrace.engine.inputs import flatten, measure, opened, unbindable
from headrace.engine.plan import NO_MEASURE
from headrace.engine.scopes import begin_scope
from headrace.engine.task_runner import TaskRunner, run_plain
from headrace.engine.upstream import simply_succeeded
from headrace.executors.base import Shared

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from headrace.core.edge import Edge
    from headrace.core.result import Result
    from headrace.core.state import Place
    from headrace.engine.task_runner import TaskRunnerHandler
    from headrace.engine.worker_checkpoints import Place as CheckpointPlace
    from headrace.engine.worker_checkpoints import WorkerLog


class FromStep:
    """An input that an earlier step of the same chunk computes.

    Args:
        position: Which step.
    """

    __slots__ = ("position",)

    def __init__(self, position: int) -> None:
        self.position = position

    def __reduce__(self) -> tuple[Any, ...]:
        return FromStep, (self.position,)


class Held:
    """An input that stayed on a worker.

    Args:
        need: Which of the submission's `needs` has kept it.
        position: Which step of that submission computed it.
    """

    __slots__ = ("need", "position")

    def __init__(self, need: int, position: int) -> None:
        self.need = need
        self.position = position

    def __reduce__(self) -> tuple[Any, ...]:
        return Held, (self.need, self.position)


class ItemOf:
    """One item of an input that is somewhere else.

    Args:
        source: The input.
        index: Which item.
    """

    __slots__ = ("index", "source")

    def __init__(self, source: Any, index: int) -> None:
        self.source = source
        self.index = index

    def __reduce__(self) -> tuple[Any, ...]:
        return ItemOf, (self.source, self.index)


class ListOf:
    """A list of inputs, some of which are somewhere else.

    Args:
        sources: The inputs; values stand for themselves.
        lengths: If one level is taken out: how many items each input has, see `inputs.opened`.
    """

    __slots__ = ("lengths", "sources")

    def __init__(self, sources: list[Any], lengths: list[int | None] | None = None) -> None:
        self.sources = sources
        self.lengths = lengths

    def __reduce__(self) -> tuple[Any, ...]:
        return ListOf, (self.sources, self.lengths)


class FlatOf:
    """An input that is somewhere else, with one level taken out of it.

    Args:
        source: The input.
    """

    __slots__ = ("source",)

    def __init__(self, source: Any) -> None:
        self.source = source

    def __reduce__(self) -> tuple[Any, ...]:
        return FlatOf, (self.source,)


Source = FromStep | Held | ItemOf | ListOf | FlatOf | Shared


class Step:
    """One task run in a chunk.

    Args:
        task: Which of the chunk's tasks.
        slug: The task's slug.
        child: The map index; `NOT_A_CHILD` for a task that is not mapped.
        inputs: The arguments: values, or sources where `has_sources`.
        has_sources: Whether any argument is a source.
        plain: Whether running it comes down to calling the task's function.
        measure: What must be known of its value, as `Node.measure`.
        begin: The state to begin with.
        decided: The state in which it ends without its function being called.
        upstream_states: The upstream states, for a trigger of the user's own.
        after: The earlier steps of this chunk that must simply succeed before it.
        context: More context keys for this task.
        wants_value: Whether its value must not stay on the worker.
    """

    __slots__ = (
        "after",
        "begin",
        "child",
        "context",
        "decided",
        "has_sources",
        "inputs",
        "measure",
        "plain",
        "slug",
        "task",
        "upstream_states",
        "wants_value",
    )

    def __init__(
        self,
        task: int,
        slug: str,
        child: int,
        inputs: dict[str, Any],
        has_sources: bool = False,
        plain: bool = True,
        measure: int = NO_MEASURE,
        begin: State | None = None,
        decided: State | None = None,
        upstream_states: Mapping[Edge, State] | None = None,
        after: Sequence[int] = (),
        context: Mapping[str, Any] | None = None,
        wants_value: bool = False,
    ) -> None:
        self.task = task
        self.slug = slug
        self.child = child
        self.inputs = inputs
        self.has_sources = has_sources
        self.plain = plain
        self.measure = measure
        self.begin = begin
        self.decided = decided
        self.upstream_states = upstream_states
        self.after = after
        self.context = context
        self.wants_value = wants_value

    def __reduce__(self) -> tuple[Any, ...]:
        values = tuple(getattr(self, name) for name in _STEP_FIELDS)
        last = len(values)
        # Most steps end in defaults: they do not travel.
        while last > 4 and values[last - 1] is _STEP_DEFAULTS.get(last - 1, ()):
            last -= 1
        return Step, values[:last]


_STEP_FIELDS = (
    "task",
    "slug",
    "child",
    "inputs",
    "has_sources",
    "plain",
    "measure",
    "begin",
    "decided",
    "upstream_states",
    "after",
    "context",
    "wants_value",
)
_STEP_DEFAULTS: dict[int, Any] = {
    4: False,
    5: True,
    6: NO_MEASURE,
    7: None,
    8: None,
    9: None,
    10: (),
    11: None,
    12: False,
}


class Outcome:
    """How one step of a chunk ended.

    Args:
        position: Which step.
        state: The state it ended in, or waits in; without its value if that was kept.
        length: How many items the value has, where asked for.
        lengths: How many items each of these has, where asked for.
        seconds: How long the step took.
        kept: Whether the value stayed where it was computed.
        location: Where the checkpoint of such a value is; None if it has none.
    """

    __slots__ = ("kept", "length", "lengths", "location", "position", "seconds", "state")

    def __init__(
        self,
        position: int,
        state: State,
        length: int | None = None,
        lengths: list[int | None] | None = None,
        seconds: float = 0.0,
        kept: bool = False,
        location: str | None = None,
    ) -> None:
        self.position = position
        self.state = state
        self.length = length
        self.lengths = lengths
        self.seconds = seconds
        self.kept = kept
        self.location = location

    def __reduce__(self) -> tuple[Any, ...]:
        return Outcome, (
            self.position,
            self.state,
            self.length,
            self.lengths,
            self.seconds,
            self.kept,
            self.location,
        )


class Started:
    """A step of a chunk has begun, and goes on.

    Args:
        position: Which step.
        since: When it began, in seconds since 1970.
        place: Where it runs.
    """

    __slots__ = ("place", "position", "since")

    def __init__(self, position: int, since: float, place: Place) -> None:
        self.position = position
        self.since = since
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return Started, (self.position, self.since, self.place)


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
            inputs = {key: _resolve(value, states, held) for key, value in step.inputs.items()}
            for state in (step.upstream_states or {}).values():
                _fill(state, states, held)
        except Exception as error:  # noqa: BLE001 - a user's own sequence may raise anything
            return unbindable(task, run_scope.task_full_name, error)
    else:
        inputs = step.inputs
    if step.plain and step.decided is None and (step.begin is None or not step.begin.is_cached()):
        return run_plain(task, inputs, run_scope)
    runner = chunk.runner_cls(task, chunk.runner_handlers, chunk.flow_result)
    return runner.execute(inputs, run_scope, step.begin, step.decided, step.upstream_states)


def _resolve(value: Any, states: list[State | None], held: Sequence[Mapping[int, Any]]) -> Any:
    """Return the value that a source stands for; any other value stands for itself."""
    if isinstance(value, FromStep):
        state = states[value.position]
        return None if state is None else state.result
    if isinstance(value, Held):
        return held[value.need][value.position]
    if isinstance(value, Shared):
        return value.value
    if isinstance(value, ItemOf):
        sequence = _resolve(value.source, states, held)
        return sequence[value.index] if hasattr(sequence, "__getitem__") else None
    if isinstance(value, FlatOf):
        return flatten(_resolve(value.source, states, held))
    if isinstance(value, ListOf):
        items = [_resolve(source, states, held) for source in value.sources]
        return items if value.lengths is None else opened(items, value.lengths)
    return value


def _fill(state: State, states: list[State | None], held: Sequence[Mapping[int, Any]]) -> None:
    """Give an upstream state, that a trigger is to see, the value that it has a source of."""
    if isinstance(state, Mapped) and state.map_states:
        for child in state.map_states:
            if child is not None:
                _fill(child, states, held)
    elif isinstance(state.result, Source):
        state.result = _resolve(state.result, states, held)


def without_value(state: State) -> State:
    """Return a copy of a state that does not carry its value."""
    from copy import copy

    twin = copy(state)
    stored = state.stored
    twin.result = None
    if stored is not None:
        twin._stored = stored.from_value(None)
    return twin

"""One task run by itself, outside of a flow run: `TaskRunner(task).run(...)`.

In a flow run the `FlowMachine` decides what comes before a task's own steps; here, with upstream
states given by hand, the same rules are applied to these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.core.context import Overlay, current
from headrace.core.now import now
from headrace.core.signals import StateSignal
from headrace.core.states import Failed, Mapped, Pending, Scheduled, Skipped, State
from headrace.core.triggers import BuiltinTrigger
from headrace.engine.inputs import items_in
from headrace.engine.scopes import begin_scope
from headrace.engine.upstream import SKIPPED_BY_UPSTREAM

if TYPE_CHECKING:
    from headrace.core.edge import Edge
    from headrace.engine.task_runner import TaskRunner


def run_single(
    runner: TaskRunner,
    state: State | None,
    upstream_states: Mapping[Edge, State],
    extra: Mapping[str, Any],
    is_mapped_parent: bool,
) -> State:
    """Run one task with these upstream states.

    Args:
        runner: The task's runner.
        state: The state to begin with; `Pending` by default.
        upstream_states: The states of the upstream tasks, by edge.
        extra: More keys for the run's context.
        is_mapped_parent: Whether only the question is answered if the task can be mapped.

    Returns:
        The state in which the run ended, or waits.
    """
    begin = state if state is not None else Pending("Task run created")
    if not (begin.is_pending() or begin.is_cached() or begin.is_mapped()):
        return begin
    if isinstance(begin, Scheduled) and (begin.start_time is None or begin.start_time > now()):
        return begin
    values = dict(extra)
    index = values.pop("map_index", None)
    parent = Overlay(current.get(), values) if values else current.get()
    slug = values.get("task_slug") or runner.task.slug or runner.task.name
    scope = begin_scope(parent, runner.task, slug, -1 if index is None else index, begin)
    token = current.set(scope)
    try:
        decided = _decided(runner, begin, upstream_states, is_mapped_parent)
    finally:
        current.reset(token)
    if decided is begin:
        return begin
    inputs = {edge.key: above.result for edge, above in upstream_states.items() if edge.key}
    return runner.execute(inputs, scope, begin, decided, upstream_states)


def _decided(
    runner: TaskRunner,
    begin: State,
    upstream_states: Mapping[Edge, State],
    is_mapped_parent: bool,
) -> State | None:
    """Return the state that the upstream states alone decide on; None if the task runs."""
    task = runner.task
    above: list[State] = []
    for edge, state in upstream_states.items():
        if isinstance(state, Mapped) and not edge.mapped:
            above.extend(child for child in state.map_states if child is not None)
        else:
            above.append(state)
    if not all(state.is_finished() for state in above):
        return begin
    if task.skip_on_upstream_skip and any(state.is_skipped() for state in above):
        return Skipped(SKIPPED_BY_UPSTREAM)
    if is_mapped_parent:
        return _mapped(upstream_states)
    if isinstance(task.trigger, BuiltinTrigger):
        try:
            task.trigger(upstream_states)
        except StateSignal as signal:
            return signal.state
    return None


def _mapped(upstream_states: Mapping[Edge, State]) -> State:
    over = [state for edge, state in upstream_states.items() if edge.mapped]
    successful = [state for state in over if state.is_successful()]
    if upstream_states and not successful:
        return Failed("No upstream states can be mapped over.")
    widths = [
        state.n_map_states if isinstance(state, Mapped) else items_in(state.result)
        for state in successful
    ]
    if None in widths:
        return Failed("At least one upstream state has an unmappable result.")
    width = min((width for width in widths if width is not None), default=0)
    return Mapped("Ready to proceed with mapping.", n_map_states=width)

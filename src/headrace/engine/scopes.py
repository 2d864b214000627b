"""The context of a task run, made from the state that the run begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.core.context import TaskRunContext
from headrace.core.states import Pending, Resume, Retrying
from headrace.engine.turns import note_turn

if TYPE_CHECKING:
    from headrace.core.context import Scope
    from headrace.core.states import Looped, State
    from headrace.core.task import Task


def begin_scope(
    parent: Scope | None, task: Task[Any], slug: str, child: int, state: State | None
) -> TaskRunContext:
    """Make the context of a task run that begins with `state`."""
    scope = TaskRunContext(parent, task, slug, None if child < 0 else child, 1)
    if state is None:
        return scope
    if isinstance(state, Retrying):
        scope.task_run_count = state.run_count + 1
        loop = state.context.get("_loop_count") if state._context else None
        if loop is not None:
            scope.task_loop_count = loop
            scope.task_loop_result = state.context.get("_loop_result")
    elif isinstance(state, Resume):
        scope.resume = True
    return scope


def next_turn(looped: Looped, scope: TaskRunContext) -> tuple[State, TaskRunContext]:
    """Return the state and the context in which the next turn of a loop begins.

    Each turn has retries of its own: a loop of a hundred turns is not ended by one bad network day.
    """
    turn = TaskRunContext(
        scope.parent,
        scope.task,
        scope.task_slug,
        scope.map_index,
        1,
        scope.task_run_id,
        resume=scope.resume,
        task_loop_count=looped.loop_count + 1,
        task_loop_result=looped.result,
        task_run_name=scope.task_run_name,
    )
    note_turn(turn)
    return Pending(f"Looping task (on loop index {looped.loop_count})"), turn

"""Plain task runs: those whose steps come down to calling the task's function.

They take a short cut through the same rules as the steps of `TaskRunner`; a test holds the two ways
equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.core.context import current
from headrace.core.now import timestamp
from headrace.core.states import Failed, Looped, State, succeeded
from headrace.core.triggers import BuiltinTrigger
from headrace.engine.places import here
from headrace.engine.scopes import next_turn
from headrace.engine.task_errors import ended_by, retry_or_fail
from headrace.engine.task_runner import TaskRunner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.core.context import TaskRunContext
    from headrace.core.result import Result
    from headrace.core.task import Task


def is_plain(task: Task[Any], flow_result: Result | None, checkpointing: bool) -> bool:
    """Tell whether a task's steps come down to calling its function."""
    return (
        not task.state_handlers
        and task.timeout is None
        and task.cache_for is None
        and task.target is None
        and task.task_run_name is None
        and not task.log_stdout
        and isinstance(task.trigger, BuiltinTrigger)
        and not (
            checkpointing
            and task.checkpoint is not False
            and (
                task.result is not None
                or (flow_result is not None and not flow_result.in_checkpoints)
            )
        )
    )


def run_plain(task: Task[Any], inputs: Mapping[str, Any], scope: TaskRunContext) -> State:
    """Run a plain task. The caller resets `current` when its runs are over.

    Raises:
        KeyboardInterrupt: If the user interrupts the task.
    """
    current.set(scope)
    try:
        value = task.run(**inputs)
    except BaseException as error:  # noqa: BLE001 - any way in which a user's function can end
        return _end_badly(task, inputs, scope, error)
    return succeeded(value, here(), timestamp())


def _end_badly(
    task: Task[Any], inputs: Mapping[str, Any], scope: TaskRunContext, error: BaseException
) -> State:
    """Return the state that follows an error in a plain task; a loop goes on the long way."""
    state = ended_by(task, scope, error)
    if isinstance(state, Looped):
        begin, turn = next_turn(state, scope)
        return TaskRunner(task).execute(inputs, turn, begin)
    return retry_or_fail(task, state, scope) if isinstance(state, Failed) else state

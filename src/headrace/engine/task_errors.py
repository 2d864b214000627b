"""What follows an error in a task's function: its state, a log line, perhaps another try."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from headrace.core.now import now, timestamp
from headrace.core.signals import StateSignal
from headrace.core.states import TimedOut
from headrace.core.transitions import after_failure, is_retried, state_of_error
from headrace.engine.places import here

if TYPE_CHECKING:
    from types import TracebackType

    from headrace.core.context import TaskRunContext
    from headrace.core.states import State
    from headrace.core.task import Task


def ended_by(task: Task[Any], scope: TaskRunContext, error: BaseException) -> State:
    """Return the state that an error in the task's function means, and log it.

    Raises:
        BaseException: The error, if it is to end the whole run.
    """
    if isinstance(error, KeyboardInterrupt) or scope.find("raise_on_exception") is True:
        raise error
    error.__traceback__ = own_frames(error.__traceback__)
    state = state_of_error(error)
    state.place = here()
    state.timestamp = timestamp()
    if isinstance(error, StateSignal):
        logger = task.logger
        # A failure is one, by whatever name; the other signals are how the task means to go.
        level = logging.ERROR if state.is_failed() else logging.DEBUG
        if logger.isEnabledFor(level):
            logger.log(
                level,
                "Task '%s': %s signal raised%s",
                scope.task_full_name,
                type(error).__name__,
                f": {state.message}" if state.message else ".",
            )
    else:
        what = "timed out" if isinstance(state, TimedOut) else "Exception encountered"
        task.logger.error(
            "Task '%s': %s during task execution!", scope.task_full_name, what, exc_info=error
        )
    return state


def retry_or_fail(task: Task[Any], state: State, scope: TaskRunContext) -> State:
    """Return `Retrying` for a failed state if the task may run again, else the state itself."""
    following = after_failure(
        state,
        run_count=scope.task_run_count,
        max_retries=task.max_retries,
        retry_delay=task.retry_delay,
        retry_on=task.retry_on,
        now=now(),
    )
    if following is not state:
        following.place = state.place
        following.timestamp = state.timestamp
        if scope.task_loop_count is not None:
            following.context = {
                "_loop_count": scope.task_loop_count,
                "_loop_result": scope.task_loop_result,
            }
        task.logger.info("Task '%s': %s", scope.task_full_name, following.message)
    elif task.max_retries and not is_retried(state.result, task.retry_on):
        task.logger.info(
            "Task '%s': Skipping retry: %s is not one of the exceptions it retries on.",
            scope.task_full_name,
            type(state.result).__name__,
        )
    return following


def own_frames(traceback: TracebackType | None) -> TracebackType | None:
    """Cut a traceback to the user's frames: from the first of them to the last."""
    while traceback is not None and _is_ours(traceback):
        traceback = traceback.tb_next
    last = frame = traceback
    while frame is not None:
        if not _is_ours(frame):
            last = frame
        frame = frame.tb_next
    if last is not None:
        last.tb_next = None
    return traceback


def _is_ours(traceback: TracebackType) -> bool:
    return str(traceback.tb_frame.f_globals.get("__name__")).startswith("headrace.engine.")

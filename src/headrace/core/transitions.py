"""What follows from how a task's function ended: pure rules from one state to the next."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from headrace.core.signals import StateSignal, TaskTimeoutSignal
from headrace.core.states import Failed, Looped, Retrying, State, TimedOut
from headrace.core.wording import repr_of

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_DELAY = datetime.timedelta(0)


def state_of_error(error: BaseException) -> State:
    """Return the state that a task ends in when its function raises `error`."""
    if isinstance(error, StateSignal):
        state = error.state
        if isinstance(state, Looped) and state.message is None:
            state.message = f"Task is looping ({state.loop_count})"
        return state
    if isinstance(error, TaskTimeoutSignal):
        return TimedOut("Task timed out during execution.", result=error)
    return Failed(f"Error during execution of task: {repr_of(error)}", result=error)


def is_retried(error: Any, retry_on: Iterable[type[BaseException]] | None) -> bool:
    """Tell whether a failure with this result is one that the task retries on."""
    kinds = tuple(retry_on or ())
    return not kinds or error is None or isinstance(error, kinds)


def after_failure(
    state: State,
    *,
    run_count: int,
    max_retries: int,
    retry_delay: datetime.timedelta | None,
    retry_on: Iterable[type[BaseException]] | None,
    now: datetime.datetime,
) -> State:
    """Return the state that follows a failed one: `Retrying` if the task may run again.

    Args:
        state: The state that the run ended in; only a failed one is changed.
        run_count: Which run this was, from 1.
        max_retries: How often a failed run is tried again.
        retry_delay: How long to wait before that.
        retry_on: The exceptions that are retried; all, if none are named.
        now: The time.
    """
    if not isinstance(state, Failed) or run_count > max_retries:
        return state
    if not is_retried(state.result, retry_on):
        return state
    return Retrying(
        f"Retrying Task (after attempt {run_count} of {max_retries + 1})",
        # What it failed with stays in reach: a retry without its reason explains nothing.
        result=state.result,
        start_time=now + (retry_delay or NO_DELAY),
        run_count=run_count,
    )

"""What the exit code of `headrace` says. Scripts rely on these numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.core.states import State

SUCCESS = 0
FAILED = 1  #: the flow ran and failed
NOTHING_RAN = 2  #: wrong usage, or there was no flow to run
UNFINISHED = 3  #: the flow run waits, for a person or for a time
INTERRUPTED = 130  #: cancelled; 128 + SIGINT, as shells have it
TERMINATED = 143  #: cancelled by SIGTERM; 128 + 15


def code_of(state: State, terminated: bool = False) -> int:
    """Return the exit code for a flow run that ended, or waits, in this state.

    Args:
        state: The state.
        terminated: Whether the process was asked to end by SIGTERM.
    """
    if state.is_successful():
        return SUCCESS
    if state.is_failed():
        return FAILED
    if state.is_finished():
        return TERMINATED if terminated else INTERRUPTED
    return UNFINISHED

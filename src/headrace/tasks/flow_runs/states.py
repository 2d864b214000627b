"""States as flows know them, made of what a server says."""

from __future__ import annotations

import datetime
from typing import Any

from headrace.core import states
from headrace.core.states import Running, Scheduled, State

#: What a server distinguishes, and flows do not.
_KNOWN_AS = {"Cancelling": "Running", "Pausing": "Running"}


def state_of(
    type_name: str,
    message: str | None,
    due: datetime.datetime | None = None,
    result: Any = None,
) -> State:
    """Return a state.

    Args:
        type_name: Its type, as a server says it.
        message: What it says.
        due: When it goes on, if it waits for a time.
        result: What it holds.
    """
    cls = getattr(states, _KNOWN_AS.get(type_name, type_name), None)
    if not (isinstance(cls, type) and issubclass(cls, State)):
        # A newer server may know more states.
        cls = Running
    state: State = cls(message=message, result=result)
    if due is not None and isinstance(state, Scheduled):
        state.start_time = due
    return state

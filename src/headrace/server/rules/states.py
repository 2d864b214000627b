"""Which states of task runs are final."""

from __future__ import annotations

from typing import Final

from headrace.core import states

#: The state of a task run before its turn.
PENDING: Final = "Pending"
#: The types of states that are final. A loop's state is not: the next round follows.
FINISHED: Final = frozenset(
    name
    for name, kind in vars(states).items()
    if isinstance(kind, type)
    and issubclass(kind, states.Finished)
    and not issubclass(kind, states.Looped)
)


def is_finished(state: str) -> bool:
    """Tell whether a task run in a state of this type is over."""
    return state in FINISHED

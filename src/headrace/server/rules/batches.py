"""What a batch of events means for who owns the run."""

from __future__ import annotations

import datetime
from typing import Final

from headrace.core import states
from headrace.server.rules.ownership import Batch
from headrace.wire.events import EventBatch, FlowState

#: How a flow run ends, by the type of the last state that its process reports.
ENDINGS: Final = {
    name: next(
        kind.__name__
        for kind in (states.Success, states.Failed, states.Cancelled)
        if issubclass(state, kind)
    )
    for name, state in vars(states).items()
    if isinstance(state, type)
    and issubclass(state, states.Success | states.Failed | states.Cancelled)
}
#: The types of states by which a process parks its run.
PARKED: Final = frozenset({"Scheduled", "Paused"})
#: Those that only say how the run fares.
TOLD: Final = frozenset({"Pending", "Running", "Retrying"})


def ends_attempt(event: FlowState) -> bool:
    """Tell whether a process has no more to say after this state of its run."""
    return event.type in ENDINGS or event.type in PARKED


def parked(batch: EventBatch) -> bool:
    """Tell whether a process parks its run with its last event."""
    last = batch.events[-1] if batch.events else None
    return type(last) is FlowState and last.type in PARKED


def outline(batch: EventBatch) -> Batch:
    """Return what the rules need to know of a batch."""
    last = batch.events[-1] if batch.events else None
    if type(last) is not FlowState or not ends_attempt(last):
        return Batch(first=batch.first, count=len(batch.events))
    due = None
    if last.due is not None:
        due = datetime.datetime.fromtimestamp(last.due, datetime.UTC)
    return Batch(
        first=batch.first,
        count=len(batch.events),
        ending=ENDINGS.get(last.type),
        parked=last.type in PARKED,
        parked_until=due,
        obeys=last.ordered,
        message=last.message,
    )

"""Which runs a schedule asks for next."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.core.errors import ScheduleError
from headrace.core.schedules import Schedule
from headrace.server.rules.parameters import what_is_wrong

UTC = datetime.UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """A run that a schedule asks for.

    Attributes:
        at: When it starts, UTC.
        key: Its idempotency key: what is planned twice is made once.
        parameters: What its clock gives it.
        labels: The labels that its clock gives it; None for the flow's.
    """

    at: datetime.datetime
    key: str
    parameters: Mapping[str, Any]
    labels: Sequence[str] | None


def plan(schedule: Schedule, after: datetime.datetime, count: int) -> list[PlannedRun]:
    """Return the next runs of a schedule, in order; fewer if it ends.

    Args:
        schedule: The schedule.
        after: They are all later than this.
        count: How many.

    Raises:
        ScheduleError: If the schedule cannot be followed.
    """
    runs: list[PlannedRun] = []
    same_instant = 0
    for event in schedule.next(count, after, return_events=True):
        at = event.start_time.astimezone(UTC)
        same_instant = same_instant + 1 if runs and runs[-1].at == at else 0
        # Two clocks may strike at once with different parameters: both are meant.
        number = f"#{same_instant + 1}" if same_instant else ""
        runs.append(
            PlannedRun(
                at=at,
                key=f"scheduled:{at.isoformat()}{number}",
                parameters=event.parameter_defaults,
                labels=event.labels,
            )
        )
    return runs


def what_keeps_it(
    schedule: Mapping[str, Any],
    declared: Sequence[Mapping[str, Any]],
    overrides: Mapping[str, Any],
    flow: str,
) -> str | None:
    """Say why a schedule cannot make runs of its flow; None if it can.

    Args:
        schedule: The schedule, as its `serialize` describes it.
        declared: The flow's parameters, as its graph describes them.
        overrides: Values of parameters that all runs of the flow get.
        flow: The flow's name.
    """
    try:
        clocks = Schedule.deserialize(schedule).clocks
    except ScheduleError as error:
        return f"Its schedule cannot be read: {error}"
    for number, clock in enumerate(clocks, start=1):
        wrong = what_is_wrong(declared, {**overrides, **clock.parameter_defaults}, flow)
        if wrong is not None:
            return f"Clock {number} of its schedule does not suit it: {wrong}"
    return None

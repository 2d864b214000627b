"""Whether a flow can run by its schedule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.core.errors import NoMoreEventsError, ScheduleError
from headrace.registration.finding import Finding

if TYPE_CHECKING:
    from headrace.flow import Flow


def check_schedule(flow: Flow) -> Iterator[Finding]:
    """Yield what keeps a flow from running by its schedule."""
    schedule = flow.schedule
    if schedule is None:
        return
    try:
        schedule.next_event()
    except NoMoreEventsError as error:
        yield Finding(
            level="warning",
            subject="schedule",
            message=f"No run will ever start by it: {error}",
            remedy="Mend the schedule, or leave it out.",
        )
    try:
        schedule.serialize()
    except ScheduleError as error:
        yield Finding(
            level="error",
            subject="schedule",
            message=f"A server cannot be told of it: {error}",
            remedy="Use clocks, filters and adjustments of headrace.schedules.",
        )
    required = {parameter.name for parameter in flow.parameters() if parameter.required}
    for clock in schedule.clocks:
        missing = sorted(required - set(clock.parameter_defaults or ()))
        if missing:
            yield Finding(
                level="error",
                subject="schedule",
                message=f"The runs of {clock!r:.80} have no value for the required "
                f"{', '.join(map(repr, missing))}.",
                remedy="Give the parameter a default, or the clock parameter_defaults.",
            )


def check_parameters(flow: Flow) -> Iterator[Finding]:
    """Yield the parameters whose defaults a server cannot be told."""
    for parameter in sorted(flow.parameters(), key=lambda parameter: parameter.name):
        try:
            json.dumps(parameter.default, allow_nan=False)
        except (TypeError, ValueError):
            yield Finding(
                level="note",
                subject=f"parameter {parameter.name!r}",
                message=f"Its default, a {type(parameter.default).__name__}, is no JSON: the server "
                "shows none, and runs take it from the flow's code.",
                remedy="",
            )

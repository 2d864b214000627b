"""Makes the runs that schedules ask for, ahead of their time."""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.core.errors import DatabaseError, ScheduleError
from headrace.core.now import now
from headrace.core.schedules import Schedule
from headrace.server.db import scheduled_runs
from headrace.server.db.columns import from_json
from headrace.server.db.scheduled_runs import ScheduledFlow
from headrace.server.problems import Refusal
from headrace.server.rules.planning import PlannedRun, plan
from headrace.server.services.registration import AHEAD

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from headrace.server.parts import Parts

Time = datetime.datetime

_log = logging.getLogger("headrace.server")

#: How often to look which flows have schedules without being told of a change: a notification of
#: another server may be lost, and a clock may be set.
_LOOK_EVERY = datetime.timedelta(minutes=1)
#: How soon, at the earliest, to look again because runs have passed: enough of them are ahead.
_PAUSE = datetime.timedelta(seconds=1)
#: When to ask a schedule again that gave nothing: its filters may let something pass later.
_ASK_AGAIN = datetime.timedelta(hours=1)


@dataclass(slots=True)
class _Known:
    """A flow whose schedule is followed.

    Attributes:
        flow: The version.
        schedule: Its schedule; None if it cannot be read.
        next_at: When to ask it again; None for at once.
        problem: What keeps it from making runs, as it was last logged.
    """

    flow: ScheduledFlow
    schedule: Schedule | None = None
    next_at: Time | None = None
    problem: str | None = None


class Scheduler:
    """Keeps the next runs of each flow that has a schedule which is on.

    Each run has its time as its idempotency key, so that it is made once, however many servers
    look. A schedule that cannot be followed stops no other; its flow's notes say why.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._looked: Time | None = None

    async def run(self, parts: Parts) -> None:
        """Make runs until cancelled."""
        self._looked = None
        with parts.hub.listen("schedules") as changed:
            while not parts.hub.is_closed:
                try:
                    pause = await self.look(parts)
                except DatabaseError as error:
                    _log.warning("No scheduled runs could be made: %s", error)
                    pause = _PAUSE
                await changed.wait(pause.total_seconds())

    async def look(self, parts: Parts) -> datetime.timedelta:
        """Make what is missing now.

        Args:
            parts: The server's parts.

        Returns:
            After how long to look again.
        """
        found = await parts.database.read(scheduled_runs.scheduled_flows)
        moment = now()
        self._known = {flow.id: self._known.get(flow.id) or _Known(flow) for flow in found}
        if self._looked is not None and moment < self._looked:
            # The clock was set back: what was passed over is still to come.
            for known in self._known.values():
                known.next_at = None
        self._looked = moment
        due = [
            known
            for known in self._known.values()
            if known.next_at is None or known.next_at <= moment
        ]
        if due:
            try:
                made = await self._make_missing(parts, due, moment)
            except BaseException:
                # Nobody knows what was made: each is asked again, and not when its next run is past.
                for known in due:
                    known.next_at = None
                raise
            if made:
                parts.hub.notify("work")
        next_at = min(
            (known.next_at for known in self._known.values() if known.next_at is not None),
            default=moment + _LOOK_EVERY,
        )
        return min(max(next_at - now(), _PAUSE), _LOOK_EVERY)

    async def _make_missing(self, parts: Parts, due: Sequence[_Known], moment: Time) -> int:
        """Make what is missing of flows whose schedules are to be asked; return how many runs."""
        planned = await asyncio.to_thread(_plan_all, due, moment)
        wanted = await parts.database.read(
            lambda connection: [
                (known, scheduled_runs.missing(connection, known.flow.id, runs))
                for known, runs in planned
            ]
        )
        made = await asyncio.gather(
            *(_make(parts, known, runs, moment) for known, runs in wanted if runs)
        )
        return sum(made)


def _plan_all(due: Sequence[_Known], moment: Time) -> list[tuple[_Known, list[PlannedRun]]]:
    """Ask schedules what is next; what cannot be followed is left out and asked again later."""
    planned: list[tuple[_Known, list[PlannedRun]]] = []
    for known in due:
        try:
            if known.schedule is None:
                known.schedule = Schedule.deserialize(from_json(known.flow.schedule))
            runs = plan(known.schedule, moment, AHEAD)
        except (ScheduleError, ArithmeticError, ValueError) as error:
            _complain(known, str(error))
            known.next_at = moment + _ASK_AGAIN
            continue
        known.next_at = runs[0].at if runs else moment + _ASK_AGAIN
        planned.append((known, runs))
    return planned


async def _make(parts: Parts, known: _Known, runs: Sequence[PlannedRun], moment: Time) -> int:
    """Make runs of a flow; return how many were made."""

    def write(connection: Connection) -> int:
        return scheduled_runs.fill(connection, known.flow.id, runs, moment.timestamp())

    try:
        made = await parts.database.write(write)
    except Refusal as refusal:
        _complain(known, refusal.message)
        return 0
    known.problem = None
    return made


def _complain(known: _Known, problem: str) -> None:
    if problem != known.problem:
        _log.warning(
            "The flow %r (%s) cannot run by its schedule: %s",
            known.flow.name,
            known.flow.id,
            problem,
        )
    known.problem = problem


service = Scheduler()

"""What becomes of the flow runs that an agent has claimed: each is deployed in its time, or dropped."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from headrace.core import now
from headrace.core.errors import DeploymentError

if TYPE_CHECKING:
    import datetime
    from logging import Logger

    from headrace.agents.holdings import Holdings, Key
    from headrace.agents.launcher import Launcher
    from headrace.agents.reports import Ends, Waitings
    from headrace.agents.timetable import Timetable
    from headrace.agents.unwanted import Unwanted
    from headrace.wire.claims import ClaimedRun


class Deploying:
    """Has the launcher deploy flow runs, several at once.

    Args:
        launcher: What deploys.
        holdings: The agent's flow runs.
        room: What guards them; notified when there is room for more.
        ends: What tells the server of runs that could not be deployed.
        waitings: What tells it why deployments wait.
        unwanted: What ends deployments that are not to begin.
        timetable: For runs that are not due yet.
        hurried: Set when no more of these are to be started.
        log: The agent's log.
    """

    def __init__(
        self,
        *,
        launcher: Launcher,
        holdings: Holdings,
        room: threading.Condition,
        ends: Ends,
        waitings: Waitings,
        unwanted: Unwanted,
        timetable: Timetable,
        hurried: threading.Event,
        log: Logger,
    ) -> None:
        self._launcher = launcher
        self._holdings = holdings
        self._room = room
        self._ends = ends
        self._waitings = waitings
        self._unwanted = unwanted
        self._timetable = timetable
        self._hurried = hurried
        self._log = log
        self._pool = ThreadPoolExecutor(launcher.at_once, "deploy")
        self._is_closed = False

    def take(self, run: ClaimedRun, at: datetime.datetime | None = None) -> None:
        """Deploy a run now, or when it is due.

        Args:
            run: The run.
            at: What time it is by the server's clock, whose time the run's is; None if it did not
                say so.
        """
        key = (run.id, run.attempt)
        ahead = (run.start_time - (at or now.now())).total_seconds()
        with self._room:
            if self._is_closed or not self._holdings.take(key, is_due=ahead <= 0):
                return
            older = self._holdings.older(key)
            if ahead > 0:
                self._timetable.after(ahead, partial(self._start, run))
            else:
                self._pool.submit(self._deploy, run)
        for deployment in older:
            self._unwanted.outlived(deployment)

    def drop(self, run_id: str) -> None:
        """Do not go on with a run that has not begun."""
        with self._room:
            dropped = self._holdings.drop(run_id)
            self._has_room()
        for key in dropped.given_back:
            self._log.info(
                "Flow run %s is not to be deployed: it was cancelled, paused, or is over.", run_id
            )
            self._ends.never_began(key, "its agent was told not to start it")
        for key in dropped.deploying:
            self._unwanted.dropped_early(key)
        for deployment in dropped.deployed:
            self._unwanted.dropped(deployment)

    def over(self, key: Key) -> None:
        """Forget a run that has ended, or never began."""
        self._waitings.forget(key)
        with self._room:
            self._holdings.over(key)
            self._has_room()

    def close(self) -> None:
        """Deploy nothing more; return when the launcher has done what it was asked for.

        Runs whose time has not come are given back, for other agents.
        """
        with self._room:
            self._is_closed = True
            left = self._holdings.give_back()
        for key in left:
            self._ends.never_began(key, "its agent was stopped before its start time")
        self._pool.shutdown(wait=True)

    def _start(self, run: ClaimedRun) -> None:
        """Deploy a run whose time has come."""
        with self._room:
            is_wanted = (
                not self._is_closed
                and not self._hurried.is_set()
                and self._holdings.start((run.id, run.attempt))
            )
            if is_wanted:
                self._pool.submit(self._deploy, run)

    def _deploy(self, run: ClaimedRun) -> None:
        key = (run.id, run.attempt)
        try:
            self._log.info("Deploying flow run %r (%s, attempt %d).", run.name, run.id, run.attempt)
            deployment = self._launcher.deploy(run)
        except Exception as error:  # noqa: BLE001 - no run may end the agent, whatever it brings along
            is_known = isinstance(error, DeploymentError)
            if not is_known:
                self._log.exception("Deploying flow run %r went wrong.", run.name)
            reason = str(error) if is_known else repr(error)
            self._log.error("Flow run %r was not deployed: %s", run.name, reason)
            self.over(key)
            self._ends.never_began(
                key,
                f"it could not be deployed: {reason}",
                is_final=isinstance(error, DeploymentError) and error.is_final,
            )
            return
        with self._room:
            is_dropped = self._holdings.deployed(deployment)
            self._has_room()
        if is_dropped:
            self._unwanted.cancel(deployment)

    def _has_room(self) -> None:
        if self._holdings.to_ask_for:
            self._room.notify()

"""How events get to the server, and orders from it, while the server comes and goes."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Protocol

from headrace.core.errors import ClientError, Conflict, NotFound, Refused
from headrace.engine.backlog import Backlog
from headrace.engine.refusals import Refusals
from headrace.wire.events import EventAnswer

log = logging.getLogger("headrace.supervisor")

#: How many seconds pass between two batches at least, so that events gather.
_GATHER = 0.02
#: How many seconds pass after a failed try: the first time, and at most.
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0
#: For how many seconds an empty batch may be held back at most.
HELD = 10.0
#: How many seconds after the start orders are asked for.
_FIRST_WORD = 0.3


class Reports(Protocol):
    """Where events go: see `headrace.engine.run_reports.RunReports`."""

    def events(self, first: int, array: bytes = ..., wait: float = ...) -> EventAnswer:
        """Deliver events."""


class Delivery:
    """Delivers a backlog in order, and asks for orders all the while.

    Two threads do it: one sends what there is, the other has an empty batch held back by the
    server, which renews the lease and brings orders at once.

    Args:
        reports: Where events go.
        backlog: What is delivered; others may go on filling it, and call `wake`.
        on_answer: Called with each answer, and with when it was asked for, by `time.monotonic`;
            from either thread.
        lease: For how many seconds the run is owned: answers are held back for a third of it.
    """

    def __init__(
        self,
        reports: Reports,
        backlog: Backlog,
        on_answer: Callable[[float, EventAnswer], None],
        lease: float,
    ) -> None:
        self._reports = reports
        self._backlog = backlog
        self._on_answer = on_answer
        self._held = min(HELD, lease / 3)
        self._changed = threading.Condition()
        self._finishing = False
        self._stopped = False
        self._ended: str | None = None
        self._has_orders = False
        self._away_since: float | None = None
        self._refusals = Refusals(backlog)
        self._threads = [
            threading.Thread(target=self._send, name="events", daemon=True),
            threading.Thread(target=self._listen, name="orders", daemon=True),
        ]

    @property
    def ended(self) -> str | None:
        """Why the server takes nothing more of this process; None while it does."""
        return self._ended

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Say that the backlog has grown."""
        with self._changed:
            self._changed.notify_all()

    def finish(self, timeout: float) -> bool:
        """Deliver what is left.

        Args:
            timeout: For how many seconds at most.

        Returns:
            Whether the server has everything.
        """
        until = time.monotonic() + timeout
        with self._changed:
            self._finishing = True
            self._changed.notify_all()
            while len(self._backlog) and self._ended is None:
                if not self._changed.wait(until - time.monotonic()):
                    break
            self._stopped = True
            self._changed.notify_all()
        # The other one may be held by the server; it is a daemon, and touches no backlog.
        self._threads[0].join(max(0.0, until - time.monotonic()) + 0.1)
        return not len(self._backlog)

    def hand_in(self) -> None:
        """Send what is left after the run was lost, once, for its history; nobody answers for it."""
        self.finish(0.0)
        with contextlib.suppress(ClientError, OSError):
            while len(self._backlog):
                first, count, array = self._backlog.batch()
                self._reports.events(first, array)
                self._backlog.stored(first + count - 1)

    # -- the thread that sends ----------------------------------------------------------------

    def _send(self) -> None:
        pause = 0.0
        while self._pause_to_send(pause):
            asked_at = time.monotonic()
            try:
                pause = self._send_batch(asked_at)
            except NotFound as error:
                self._end(f"the server does not know the run: {error}")
            except (Refused, Conflict) as error:
                pause = self._refused(error, pause)
            except Exception as error:  # noqa: BLE001 - a thread that ended would deliver nothing more
                pause = self._failed(error, pause)

    def _pause_to_send(self, pause: float) -> bool:
        with self._changed:
            if pause:
                self._changed.wait_for(lambda: self._stopped, pause)
            elif not self._finishing:
                self._changed.wait_for(lambda: self._finishing, _GATHER)
            self._changed.wait_for(lambda: len(self._backlog) or self._stopped)
            return not self._stopped and self._ended is None

    def _send_batch(self, asked_at: float) -> float:
        """Send the next batch, and return for how many seconds to pause after it."""
        first, count, array = self._backlog.batch()
        answer = self._reports.events(first, array)
        self._answered(asked_at, answer)
        if answer.refused is not None:
            return 0.0
        if answer.stored < first - 1:
            log.warning(
                "The server has lost events that it had confirmed: it has %d, and is sent %d next.",
                answer.stored,
                first,
            )
            self._backlog.number_from(answer.stored + 1)
        self._backlog.stored(answer.stored)
        with self._changed:
            self._changed.notify_all()
        return 0.0 if answer.stored >= first + count - 1 else _FIRST_PAUSE

    def _refused(self, error: ClientError, pause: float) -> float:
        """Have something else sent in the place of what is refused.

        Returns:
            For how many seconds to pause.
        """
        try:
            again = self._refusals.heed(error)
        except OSError as disk:
            return self._failed(disk, pause)
        return 0.0 if again else self._failed(error, pause)

    # -- the thread that listens ----------------------------------------------------------------

    def _listen(self) -> None:
        # The run has only just been given: many are over before there is anything to ask.
        pause = min(_FIRST_WORD, self._held)
        while self._pause_to_listen(pause):
            asked_at = time.monotonic()
            # Once there is an order, the server has no reason to hold an answer back any more.
            wait = 0.0 if self._has_orders else self._held
            try:
                answer = self._reports.events(self._backlog.first, wait=wait)
            except NotFound as error:
                self._end(f"the server does not know the run: {error}")
            except Exception as error:  # noqa: BLE001 - nobody would renew the lease any more
                pause = self._failed(error, pause)
            else:
                if answer.refused == "finished" and len(self._backlog):
                    # By the last of the events that are on their way, as a rule: the other thread,
                    # which may not have seen its answer yet, is told so, or what else has ended it.
                    pause = _FIRST_PAUSE
                    continue
                self._answered(asked_at, answer)
                pause = self._held / 2 if self._has_orders else 0.0
                # One second at least, if the server does not hold anything back.
                pause = max(pause, min(1.0, self._held) - (time.monotonic() - asked_at))

    def _pause_to_listen(self, pause: float) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped, max(0.0, pause))
            return not self._stopped and self._ended is None

    # -- both -----------------------------------------------------------------------------------

    def _answered(self, asked_at: float, answer: EventAnswer) -> None:
        if self._away_since is not None:
            away = time.monotonic() - self._away_since
            self._away_since = None
            log.warning("The server is back after %.1f s.", away)
            self.wake()
        if answer.refused is not None:
            self._end(answer.refused)
        elif answer.cancel is not None or answer.pause is not None:
            self._has_orders = True
        self._on_answer(asked_at, answer)

    def _failed(self, error: Exception, pause: float) -> float:
        """Keep what there is on disk, and return for how many seconds to wait."""
        if self._away_since is None:
            self._away_since = time.monotonic()
            log.warning("The server does not take events, which are kept here: %s", error)
        self._backlog.write_down()
        try:
            self._backlog.sync()
        except OSError as disk:
            log.warning("Events cannot be kept on disk: %s", disk)
        longest = min(_LONGEST_PAUSE, self._held)
        return min(longest, max(_FIRST_PAUSE, pause * 2)) * random.uniform(0.8, 1.2)

    def _end(self, why: str) -> None:
        with self._changed:
            self._ended = self._ended or why
            self._changed.notify_all()

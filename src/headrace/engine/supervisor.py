"""The process beside a run: owns the lease, the events on their way, and the runner's end.

It never imports a user's code, so nothing that a flow does can keep it from renewing the lease,
from hearing orders, or from telling how the flow's process ended.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from headrace.config.logging import get_logger
from headrace.core.errors import ClientError, NotAuthorized, NotFound, ServerUnreachable
from headrace.engine.alone import print_events, print_line, was_short_of_memory
from headrace.engine.backlog import Backlog
from headrace.engine.channel import Orders, final_state
from headrace.engine.delivery import Delivery
from headrace.engine.output import Output
from headrace.engine.patience import Patience
from headrace.engine.process_identity import how_it_ended, identity_of
from headrace.engine.run_directory import (
    ExitRecord,
    How,
    RunDirectory,
    RunSpec,
    SupervisorRecord,
)
from headrace.engine.run_reports import RunReports
from headrace.engine.runner import Runner
from headrace.engine.spool import Spool
from headrace.wire.claims import Activated
from headrace.wire.events import EventAnswer, LogLine

if TYPE_CHECKING:
    from headrace.engine.runner_start import Spawn
    from headrace.wire.claims import RunDetails

#: How many seconds pass between two looks at stdout and stderr.
_LOOK = 0.25
#: How many seconds a runner has that has lost the run, or whose supervisor was asked to end.
_SHORT_GRACE = 5.0
#: How many seconds pass between two tries to activate: the first time, and at most.
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 3.0
#: How many lines of stderr are repeated when a runner has died.
_LAST_LINES = 20


class Ending(IntEnum):
    """Exit codes of a supervisor."""

    FINISHED = 0  #: the run ended, or is parked, and the server knows
    LOST = 10  #: the runner died without an ending of the run
    REFUSED = 11  #: the server did not let it begin: nothing was started
    UNREACHABLE = 12  #: no server answered: nothing was started
    SUPERSEDED = 13  #: the run was given to another process
    UNDELIVERED = 14  #: the server does not know everything yet: `headrace flush`, or the agent
    STOPPED = 15  #: the supervisor was asked to end, by SIGTERM or SIGINT


def supervise(
    spec: RunSpec,
    directory: RunDirectory,
    spawn: Spawn,
    patience: Patience | None = None,
    *,
    alone: bool = False,
) -> int:
    """Carry a flow run to its end in this process's child.

    Args:
        spec: Which run it is, and where the server is.
        directory: Where everything about it is written.
        spawn: Starts the runner.
        patience: How long to wait for what; by default what the settings say.
        alone: Whether this process is the first of a container, whose output is the run's.

    Returns:
        One of `Ending`.
    """
    return _Supervision(spec, directory, spawn, patience or Patience.from_config(), alone).carry()


class _Supervision:
    def __init__(
        self, spec: RunSpec, directory: RunDirectory, spawn: Spawn, patience: Patience, alone: bool
    ) -> None:
        self._alone = alone
        self._spec = spec
        self._directory = directory
        self._spawn = spawn
        self._patience = patience
        self._nonce = secrets.token_hex(16)
        self._reports = RunReports(spec, self._nonce)
        self._log = get_logger("supervisor")
        self._backlog = Backlog(Spool(directory.spool), patience.memory)
        # Orders come from the threads that speak to the server, and go out from the main thread.
        self._orders = Orders()
        self._lock = threading.Lock()
        self._news, self._bell = socket.socketpair()
        self._stopped_by: str | None = None
        #: What a server that was reached has said to the last try to begin.
        self._unheard: str | None = None

    def carry(self) -> int:
        with self._signals():
            self._write_supervisor()
            asked_at, activated = self._activate()
            if activated is None:
                if self._stopped_by is not None:
                    return self._end(Ending.STOPPED, "stopped", self._stopped_by)
                tried = f"for {self._patience.activation:g} s"
                reason = f"the server was not reached {tried}"
                if self._unheard is not None:
                    reason = f"the server did not let it begin {tried}: {self._unheard}"
                return self._end(Ending.UNREACHABLE, "unreachable", reason)
            if activated.run is None:
                reason = activated.refused or "the server has not said what to run"
                self._log.warning("The server does not let this process begin: %s.", reason)
                return self._end(Ending.REFUSED, "refused", reason, reported=True)
            self._orders.lease_until = asked_at + activated.lease
            return self._run(activated.run, activated.lease)

    # -- the beginning ------------------------------------------------------------------------

    def _activate(self) -> tuple[float, Activated | None]:
        """Ask to begin until there is an answer; return when it was asked for, and the answer."""
        until = time.monotonic() + self._patience.activation
        pause = _FIRST_PAUSE
        while True:
            asked_at = time.monotonic()
            try:
                return asked_at, self._reports.activate()
            except (NotAuthorized, NotFound) as error:
                return asked_at, Activated(refused=str(error))
            except ClientError as error:
                is_away = isinstance(error, ServerUnreachable)
                self._unheard = None if is_away else str(error)
                left = until - time.monotonic()
                if left <= 0 or self._stopped_by is not None:
                    self._log.error("Nothing was run: %s", error)
                    return asked_at, None
                self._log.warning("Another try for %.0f s, as there was no answer: %s", left, error)
            self._wait_for_news(min(pause, left))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _run(self, details: RunDetails, lease: float) -> int:
        outputs = [
            Output(self._directory.stdout, "stdout", 20, self._patience.output, self._put),
            Output(self._directory.stderr, "stderr", 30, self._patience.output, self._put),
        ]
        # The runner is started before there are threads: it may be a copy of this process.
        runner = Runner.start(self._spawn, details, *(output.fd for output in outputs))
        try:
            self._write_supervisor(runner.pid)
        except OSError as error:
            # It dies with this process, where the system can arrange that; a full disk ends no run.
            self._log.error("Which process the runner is could not be written down: %s", error)
        self._delivery = Delivery(self._reports, self._backlog, self._answered, lease)
        self._delivery.start()
        try:
            self._attend(runner, outputs)
        finally:
            code = runner.reap()
        for output in outputs:
            output.follow(final=True)
        return self._ended(runner, code, outputs)

    # -- while the runner runs ------------------------------------------------------------------

    def _attend(self, runner: Runner, outputs: list[Output]) -> None:
        """Pass on events and orders, and end the runner if it does not heed them."""
        told: Orders | None = None
        while not runner.has_ended:
            runner.wait(self._news, _LOOK, partial(self._take_events, outputs))
            for output in outputs:
                output.follow()
            orders = self._current_orders()
            if orders != told and runner.tell(orders):
                told = orders
            self._climb(runner, orders)

    def _climb(self, runner: Runner, orders: Orders) -> None:
        """Go on to the next rung of the ladder: order, SIGTERM, SIGKILL."""
        if orders.superseded is not None:
            runner.end_by(min(_SHORT_GRACE, self._patience.cancel_grace), 0.0)
        elif orders.cancel is not None:
            runner.end_by(self._patience.cancel_grace, self._patience.term_grace)
        elif runner.final is not None or runner.is_silent:
            # What is left of it runs no task any more.
            runner.end_by(self._patience.cancel_grace, self._patience.term_grace)

    def _current_orders(self) -> Orders:
        with self._lock:
            if self._stopped_by is not None:
                self._orders.superseded = self._stopped_by
            elif self._delivery.ended is not None:
                self._orders.superseded = self._delivery.ended
            return Orders(
                cancel=self._orders.cancel,
                pause=self._orders.pause,
                superseded=self._orders.superseded,
                lease_until=self._orders.lease_until,
            )

    def _take_events(self, outputs: list[Output], count: int, array: bytes) -> None:
        # What was printed before comes before: after the end of the run nothing counts.
        ends = final_state(array) is not None
        for output in outputs:
            output.follow(final=ends)
        if self._alone:
            print_events(array)
        self._backlog.put(array, count, ends=ends)
        self._delivery.wake()

    def _put(self, line: LogLine) -> None:
        if self._alone:
            print_line(line)
        if self._patience.delivers_logs:
            self._backlog.put_event(line)
            self._delivery.wake()

    def _answered(self, asked_at: float, answer: EventAnswer) -> None:
        """Take note of an answer of the server. Called by the threads that ask it."""
        with self._lock:
            orders = self._orders
            until = asked_at + answer.lease
            renewed = orders.lease_until is None or until > orders.lease_until + 0.5
            if renewed and answer.refused is None:
                orders.lease_until = until
            urgent = (answer.refused, answer.cancel, answer.pause) != (None, None, None)
            orders.cancel = orders.cancel or answer.cancel
            orders.pause = orders.pause or answer.pause
        if urgent or renewed:
            self._ring()

    # -- the end --------------------------------------------------------------------------------

    def _ended(self, runner: Runner, code: int, outputs: list[Output]) -> int:
        how_ended = how_it_ended(code)
        if runner.final is not None and (self._deliver() or self._delivery.ended is None):
            return self._end(Ending.FINISHED, "finished", how_ended, code, reported=True)
        if self._delivery.ended is not None:
            # It is not this process's run any more: what it still has to say is history.
            self._delivery.hand_in()
            if runner.final is not None and self._delivery.ended == "finished":
                # What the run's processes have printed after its end is all that was left.
                return self._end(Ending.FINISHED, "finished", how_ended, code, reported=True)
            return self._end(
                Ending.SUPERSEDED, "superseded", self._delivery.ended, code, reported=True
            )
        self._repeat_last_lines(outputs)
        if self._alone and code == -signal.SIGKILL and was_short_of_memory():
            how_ended = f"{how_ended}: out of memory"
        reason = how_ended if self._stopped_by is None else self._stopped_by
        self._log.error("The runner has ended without an end of the run: %s.", reason)
        if self._stopped_by is None:
            return self._report_exit(Ending.LOST, "lost", reason, code)
        return self._report_exit(Ending.STOPPED, "stopped", reason, code)

    def _report_exit(self, ending: Ending, how: How, reason: str, code: int) -> int:
        until = time.monotonic() + self._patience.flush
        reported = False
        # The record says so before the server does: if this process dies now, others go on.
        self._write_exit(how, reason, code, reported=False)
        if self._deliver():
            while not reported:
                try:
                    self._reports.exited(reason)
                    reported = True
                except ClientError as error:
                    if time.monotonic() > until:
                        self._log.error("The server does not know how the run ended: %s", error)
                        break
                    time.sleep(_FIRST_PAUSE)
        return self._end(ending, how, reason, code, reported=reported)

    def _deliver(self) -> bool:
        """Deliver what is left, for a bounded time."""
        done = self._delivery.finish(self._patience.flush)
        if not done and self._delivery.ended is None:
            self._log.error(
                "%d events are not delivered. They are kept in %s; an agent delivers them, or "
                "`headrace flush`.",
                len(self._backlog),
                self._directory.path,
            )
        return done

    def _repeat_last_lines(self, outputs: list[Output]) -> None:
        """Say what the runner said last, if the bound has kept it from the logs."""
        if outputs[1].omitted:
            lines = self._directory.last_lines(self._directory.stderr, _LAST_LINES)
            self._put(LogLine(at=time.time(), level=40, logger="stderr", message="\n".join(lines)))

    def _end(
        self, ending: Ending, how: How, reason: str, code: int | None = None, reported: bool = False
    ) -> int:
        left = len(self._backlog) if how not in ("refused", "superseded") else 0
        if not left:
            self._backlog.stored(self._backlog.first + len(self._backlog))
        try:
            self._backlog.close()
        except OSError as error:
            self._log.error("%d events could not be kept: %s", left, error)
        self._write_exit(how, reason, code, reported=reported and not left, undelivered=left)
        return Ending.UNDELIVERED if left else ending

    def _write_exit(
        self, how: How, reason: str, code: int | None, reported: bool, undelivered: int = 0
    ) -> None:
        record = ExitRecord(
            how=how,
            reason=reason,
            at=time.time(),
            code=code,
            undelivered=undelivered,
            reported=reported,
        )
        try:
            self._directory.write(record)
        except OSError as error:
            # Whoever finds no record knows as much from the supervisor's own end.
            self._log.error("How the run ended could not be written down: %s", error)

    def _write_supervisor(self, runner: int | None = None) -> None:
        process = identity_of(os.getpid())
        assert process is not None
        self._directory.write(
            SupervisorRecord(
                nonce=self._nonce,
                process=process,
                runner=identity_of(runner) if runner is not None else None,
                activated=runner is not None,
            )
        )

    # -- waking the main thread -----------------------------------------------------------------

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._bell.send(b"!")

    def _wait_for_news(self, seconds: float) -> None:
        self._news.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            self._news.recv(64)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Have SIGTERM and SIGINT end the runner, and the run go on elsewhere."""
        self._bell.setblocking(False)

        def stop(number: int, _frame: Any) -> None:
            self._stopped_by = f"stopped by {signal.Signals(number).name}"
            self._ring()

        numbers = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(number, stop) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

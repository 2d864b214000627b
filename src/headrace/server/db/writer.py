"""The one thread that writes: all that waits, in one transaction."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from headrace.core.errors import DatabaseBusy, DatabaseUnavailable

Plain = Callable[[Connection], Any]
Group = Callable[[Connection, Sequence[Any]], Sequence[Any]]

#: How many jobs, and of how many bytes, may wait.
MOST_JOBS = 20_000
MOST_BYTES = 256 * 1024 * 1024
#: From how many bytes on a job has to let those pass that hold less: what runs report by the
#: thousand must not keep an agent from its next run.
_LARGE = 4 * 1024
#: How many bytes of large jobs one transaction takes: what comes after them waits for the next one.
_BYTES_AT_ONCE = 2 * 1024 * 1024
#: For how many seconds a transaction that is known not to be committed is tried again.
_PATIENCE = 5.0
#: PostgreSQL's codes for a deadlock and for a transaction that came too late.
_COLLISIONS = frozenset({"40P01", "40001"})


@dataclass(eq=False, slots=True)
class Job:
    """Something to write, and who waits for it."""

    future: asyncio.Future[Any]
    plain: Plain | None = None
    group: Group | None = None
    item: Any = None
    #: About how many bytes it holds.
    size: int = 0
    result: Any = None
    error: BaseException | None = None


@dataclass(eq=False, slots=True)
class _Unit:
    """What is performed by one call: a plain job, or all jobs of one group."""

    jobs: list[Job] = field(default_factory=list)

    def perform(self, connection: Connection) -> None:
        first = self.jobs[0]
        if first.plain is not None:
            first.result = first.plain(connection)
            return
        assert first.group is not None
        results = first.group(connection, [job.item for job in self.jobs])
        for job, result in zip(self.jobs, results, strict=True):
            if isinstance(result, BaseException):
                job.error = result
            else:
                job.result = result

    def fail(self, error: BaseException) -> None:
        for job in self.jobs:
            job.result, job.error = None, error

    def forget(self) -> None:
        for job in self.jobs:
            job.result = job.error = None

    def split(self) -> list[_Unit]:
        return [_Unit([job]) for job in self.jobs]


class _Collision(Exception):
    """Other transactions were in the way: nothing was committed."""


class _Spoilt(Exception):
    """A job has cost the whole transaction: nothing was committed."""


class Writer:
    """A thread with a connection of its own, through which everything is written.

    A job that fails is rolled back alone. What was answered with a result has been committed.

    Args:
        engine: Makes the connection.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._small: deque[Job] = deque()
        self._large: deque[Job] = deque()
        self._bytes = 0
        self._wake = threading.Condition()
        self._closing = False
        #: How many transactions were committed.
        self.commits = 0
        #: How many jobs were performed, failures included.
        self.performed = 0
        self._thread = threading.Thread(target=self._run, name="headrace-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many jobs wait for their turn."""
        return len(self._small) + len(self._large)

    def put(self, job: Job) -> None:
        """Queue a job; its future is resolved in the event loop that it belongs to.

        Raises:
            DatabaseBusy: If too much waits already.
            DatabaseUnavailable: If the writer is closed.
        """
        with self._wake:
            if self._closing:
                raise DatabaseUnavailable("The server is shutting down. Ask again in a moment.")
            if self.waiting >= MOST_JOBS or self._bytes >= MOST_BYTES:
                raise DatabaseBusy(
                    f"{self.waiting} writes wait for the database, which is more than it keeps up "
                    f"with. Ask again in a moment."
                )
            (self._large if job.size >= _LARGE else self._small).append(job)
            self._bytes += job.size
            self._wake.notify()

    def close(self) -> None:
        """Write what waits, then end the thread."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while jobs := self._take():
            try:
                self._perform(_units(jobs))
            except BaseException as error:  # noqa: BLE001 - whoever waits must get an answer
                for job in jobs:
                    job.result, job.error = None, error
            self.performed += len(jobs)
            _resolve(jobs)

    def _take(self) -> list[Job]:
        """Return what waits, of large jobs a bounded part; nothing once the writer is closed."""
        with self._wake:
            while not self.waiting and not self._closing:
                self._wake.wait()
            jobs = list(self._small)
            self._small.clear()
            size = 0
            while self._large and size < _BYTES_AT_ONCE:
                job = self._large.popleft()
                size += job.size
                jobs.append(job)
            self._bytes -= sum(job.size for job in jobs)
            return jobs

    def _perform(self, units: list[_Unit]) -> None:
        if len(units) > 1:
            try:
                self._commit(units)
                return
            except (_Collision, _Spoilt):
                # Alone, each holds fewer locks, and only the one that is to blame fails.
                pass
        for unit in units:
            self._perform_alone(unit)

    def _perform_alone(self, unit: _Unit) -> None:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                self._commit([unit])
                return
            except _Collision as error:
                if time.monotonic() > until:
                    unit.fail(_unavailable(error, "It was not written"))
                    return
                time.sleep(random.uniform(0.001, 0.02))
            except _Spoilt as error:
                if len(unit.jobs) == 1:
                    unit.fail(_unavailable(error, "It was not written"))
                    return
                for part in unit.split():
                    self._perform_alone(part)
                return

    def _commit(self, units: list[_Unit]) -> None:
        """Perform units in one transaction.

        Raises:
            _Collision: If nothing was written because of other transactions.
            _Spoilt: If nothing was written because of one of the jobs.
        """
        until = time.monotonic() + _PATIENCE
        pause = 0.01
        while True:
            for unit in units:
                unit.forget()
            try:
                self._transact(units)
                return
            except OperationalError as error:
                if not _is_lost(error):
                    raise _Collision from error
                if time.monotonic() > until:
                    for unit in units:
                        unit.fail(_unavailable(error, "It was not written"))
                    return
            # The connection was lost before the commit: nothing was written, so it is done again.
            time.sleep(pause)
            pause = min(2 * pause, 1.0)

    def _transact(self, units: list[_Unit]) -> None:
        with self._engine.connect() as connection:
            transaction = connection.begin()
            try:
                if len(units) == len(units[0].jobs) == 1:
                    if not _perform_single(connection, units[0]):
                        transaction.rollback()
                        return
                else:
                    for unit in units:
                        _perform_guarded(connection, unit)
            except BaseException:
                # A connection that is lost cannot be rolled back, and need not be.
                if not connection.invalidated:
                    transaction.rollback()
                raise
            try:
                transaction.commit()
            except DBAPIError as error:
                if connection.invalidated or error.connection_invalidated:
                    for unit in units:
                        unit.fail(_unavailable(error, "Whether it was written is not known"))
                    return
                for unit in units:
                    unit.fail(_unavailable(error, "It was not written"))
                return
            self.commits += 1


def _units(jobs: list[Job]) -> list[_Unit]:
    """Put the jobs of one group together, in the order of their arrival."""
    units: list[_Unit] = []
    groups: dict[Group, _Unit] = {}
    for job in jobs:
        if job.group is None:
            units.append(_Unit([job]))
        elif (unit := groups.get(job.group)) is not None:
            unit.jobs.append(job)
        else:
            groups[job.group] = unit = _Unit([job])
            units.append(unit)
    return units


def _perform_single(connection: Connection, unit: _Unit) -> bool:
    """Perform a job that has the transaction for itself: what it did is undone with all of it.

    Returns:
        Whether to commit.
    """
    try:
        unit.perform(connection)
    except Exception as error:  # noqa: BLE001 - whatever a job raises is its caller's
        _check_goes_on(connection, error)
        unit.fail(error)
        return False
    return True


def _perform_guarded(connection: Connection, unit: _Unit) -> None:
    """Perform a unit within a savepoint; if a group fails, perform its items one by one."""
    savepoint = connection.begin_nested()
    try:
        unit.perform(connection)
        savepoint.commit()
    except Exception as error:  # noqa: BLE001 - whatever a job raises is its caller's, not others'
        _check_goes_on(connection, error)
        savepoint.rollback()
        if len(unit.jobs) == 1:
            unit.fail(error)
            return
        for part in unit.split():
            part.forget()
            _perform_guarded(connection, part)


def _check_goes_on(connection: Connection, error: Exception) -> None:
    """Make sure that a transaction in which a job has failed can go on.

    Raises:
        Exception: The error itself, if the connection is lost or other transactions were in the way.
        _Spoilt: If the database has ended the transaction.
    """
    if connection.invalidated or _is_collision(error):
        raise error
    if _has_ended(connection):
        raise _Spoilt from error


def _is_collision(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _COLLISIONS


def _has_ended(connection: Connection) -> bool:
    """Tell whether SQLite has rolled the whole transaction back, as it does on a full disk."""
    return getattr(connection.connection.dbapi_connection, "in_transaction", True) is False


def _is_lost(error: DBAPIError) -> bool:
    """Tell whether the database could not be reached, or the connection to it broke."""
    if error.connection_invalidated or "database is locked" in str(error.orig):
        return True
    state = getattr(error.orig, "sqlstate", None)
    # Without a code it was never connected; 57P03 and 53300 are a server that starts, or is full.
    return (state is None and error.statement is None) or state in ("57P03", "53300")


def _unavailable(error: Exception, outcome: str) -> DatabaseUnavailable:
    cause = error.__cause__ if isinstance(error, _Collision | _Spoilt) else error
    told = " ".join(str(getattr(cause, "orig", cause)).split())
    return DatabaseUnavailable(f"{outcome}: the database says: {told}. Ask again in a moment.")


def _resolve(jobs: list[Job]) -> None:
    """Give the results to whoever waits, each event loop woken once."""
    loops: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        loops.setdefault(job.future.get_loop(), []).append(job)
    for loop, waiting in loops.items():
        try:
            loop.call_soon_threadsafe(_answer, waiting)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            continue


def _answer(jobs: list[Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)

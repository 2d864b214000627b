"""What runs on a Dask worker: the wrapper around each call, and what a client may ask of it."""

from __future__ import annotations

import pickle
import threading
from typing import TYPE_CHECKING, Any

from headrace.core.errors import ExecutionLost
from headrace.executors.dask import keeping
from headrace.executors.dask.keeping import Held, Keeper, Kept
from headrace.executors.dask.parcel import forget, open_parcel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

keeping.register()

SEND_SECONDS = 0.1  #: how long a report waits for others to be sent with, at most
SEND_BYTES = 128 * 1024  #: of reports that are not held back any longer
MOST_BYTES = 2**20  #: of one report that goes by way of the scheduler; a larger one is fetched

_lock = threading.Lock()
#: The calls that are running here: of each thread, the run's topic and the key.
_running: dict[int, tuple[str, str]] = {}
#: The runs that are over: what arrives late does not begin.
_stopped: dict[str, None] = {}
#: The runs whose calls are handed back, as far as they have not begun.
_taken_back: dict[str, None] = {}


class EventOutlet:
    """Sends reports to the client as events, by way of the scheduler, several at once.

    An event is `["report", key, first, parts, total, stopped, kept]`: which reports it brings (from
    number `first` on) and, in a key's last event, how many reports there were in all, whether the
    call was stopped before its end, and whether it kept any value.

    Args:
        worker: The Dask worker.
        topic: Where the client listens.
        key: The key of the call.
    """

    def __init__(self, worker: Any, topic: str, key: str) -> None:
        self.more: Callable[[], Sequence[Any]] | None = None
        self.reports: list[bytes] = []
        self._worker = worker
        self._topic = topic
        self._key = key
        self._sent = 0
        self._waiting = 0
        self._over = False
        self._lock = threading.RLock()

    def __call__(self, report: bytes, /) -> None:
        """Take a report."""
        self.reports.append(report)
        self._waiting += len(report)
        if self._waiting >= SEND_BYTES:
            self.send()

    def start(self) -> None:
        """Look every now and then whether there is anything to send, until the call is over."""
        self._worker.loop.add_callback(self._worker.loop.call_later, SEND_SECONDS, self._look)

    def _look(self) -> None:
        if not self._over:
            self.send()
            self._worker.loop.call_later(SEND_SECONDS, self._look)

    def send(self) -> None:
        """Send what there is."""
        with self._lock:
            if self._over:
                return
            if self.more is not None:
                self.reports.extend(self.more())
            self._send_reports(None, False, False)

    def end(self, *, stopped: bool, kept: bool) -> None:
        """Send the rest, and say that this was all."""
        with self._lock:
            self._over = True
            self._send_reports(len(self.reports), stopped, kept)

    def abandon(self) -> None:
        """Send the rest; the call itself says that it failed."""
        with self._lock:
            self.send()
            self._over = True

    def _send_reports(self, total: int | None, stopped: bool, kept: bool) -> None:
        """Send events with the reports that were not sent; what is too large is left out."""
        first, parts = self._sent, []
        for number in range(first, len(self.reports)):
            report = self.reports[number]
            if len(report) <= MOST_BYTES:
                parts.append(report)
                continue
            self._send(first, parts, None, False, False)
            first, parts = number + 1, []
        self._sent = len(self.reports)
        self._waiting = 0
        if parts or total is not None:
            self._send(first, parts, total, stopped, kept)

    def _send(
        self, first: int, parts: list[bytes], total: int | None, stopped: bool, kept: bool
    ) -> None:
        # In one piece, as the scheduler would have to unpack and pack each of many.
        packed = pickle.dumps(parts) if parts else b""
        event = ["report", self._key, first, packed, total, stopped, kept]
        # Always by way of the loop: events of one key must not overtake each other.
        self._worker.loop.add_callback(self._worker.log_event, self._topic, event)


def perform(parcel: bytes, beside: list[Any]) -> Kept:
    """Make one call of a batch.

    Args:
        parcel: The submission, as `parcel.pack` packed it.
        beside: Its large shared values, then what its needs have kept.

    Returns:
        What stays here, under the call's key.

    Raises:
        ExecutionLost: If Dask makes the call again, after its first worker was lost.
    """
    worker, key = _this_task()
    shared = [value for value in beside if type(value) is not Kept]
    topic, fn, payload = open_parcel(parcel, shared, worker.address)
    held = [Held(value) for value in beside if type(value) is Kept]
    keeper = Keeper()
    outlet = EventOutlet(worker, topic, key)

    def stopped() -> bool:
        return keeper.is_full or topic in _stopped or topic in _taken_back

    kept: dict[int, Any] = {}
    interrupted = False
    try:
        if topic in _taken_back and topic not in _stopped:
            pass  # nothing to report: all of it is handed back
        elif _enter(topic, key):
            outlet.start()
            reports, kept = fn(payload, held, keeper.keeps, stopped, outlet)
            for report in reports:
                outlet(report)
        else:
            interrupted = True
    except KeyboardInterrupt:
        interrupted = True  # it must not reach the worker, which would end
    except BaseException:
        outlet.abandon()
        raise
    finally:
        _leave()
    outlet.end(stopped=interrupted, kept=bool(kept))
    return Kept(kept, outlet.reports)


def perform_alone(parcel: bytes, values: list[Any]) -> Any:
    """Make one call by itself, as `DaskExecutor.submit` asks for it.

    Args:
        parcel: The call.
        values: The values of the futures among its arguments.

    Raises:
        ExecutionLost: If Dask makes the call again, after its first worker was lost.
        InterruptedError: If it was asked to stop.
    """
    worker, key = _this_task()
    topic, fn, payload = open_parcel(parcel, (), worker.address)
    try:
        if _enter(topic, key):
            return fn(payload, values)
    except KeyboardInterrupt:
        pass  # it must not reach the worker, which would end
    finally:
        _leave()
    raise InterruptedError("The call was stopped, as its run is over.")


def reports_of(kept: Kept) -> list[bytes] | None:
    """Return all that a call had to report; None if its value has been moved."""
    return kept.reports


def interrupt(topic: str) -> list[str]:
    """Ask a run's calls on this worker to stop: what runs is interrupted, nothing more begins.

    Returns:
        The keys of the calls that were running.
    """
    from ctypes import c_ulong, py_object, pythonapi

    keys: list[str] = []
    with _lock:
        _remember(_stopped, topic)
        for ident, (running, key) in _running.items():
            if running == topic:
                keys.append(key)
                pythonapi.PyThreadState_SetAsyncExc(c_ulong(ident), py_object(KeyboardInterrupt))
    return keys


def take_back(topic: str) -> list[str]:
    """Begin no more of a run's calls on this worker, and let those that run end before their time.

    Returns:
        The keys of the calls that are running.
    """
    with _lock:
        _remember(_taken_back, topic)
        return [key for running, key in _running.values() if running == topic]


def _remember(topics: dict[str, None], topic: str) -> None:
    topics[topic] = None
    for old in list(topics)[:-100]:
        del topics[old]


def end_run(topic: str) -> None:
    """Drop what this worker remembers of a run."""
    forget(topic)


def _this_task() -> tuple[Any, str]:
    """Return the worker that this thread works for, and the key of its task.

    Raises:
        ExecutionLost: If the task was begun before, on a worker that is lost.
    """
    from distributed import get_worker

    from headrace.executors.dask.guard import LOST

    worker: Any = get_worker()
    key: str = worker.get_current_task()
    task = worker.state.tasks.get(key)
    if task is not None and task.annotations and LOST in task.annotations:
        raise ExecutionLost(task.annotations[LOST])
    return worker, key


def _enter(topic: str, key: str) -> bool:
    """Note that this thread runs a call; tell whether it may."""
    with _lock:
        if topic in _stopped:
            return False
        _running[threading.get_ident()] = (topic, key)
        return True


def _leave() -> None:
    """Note that this thread runs nothing any more."""
    ident = threading.get_ident()
    over = False
    while not over:
        try:
            with _lock:
                _running.pop(ident, None)
            for _ in range(100):
                pass  # an interrupt that was sent before is raised at a jump backwards: here
            over = True
        except KeyboardInterrupt:
            pass  # too late: the call has ended

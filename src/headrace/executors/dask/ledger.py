"""The books of one run: which calls are out, and what became of each.

Reports and losses come as events, in the stream that Dask's scheduler sends to the client anyway;
what Dask says of the futures themselves is the other source. Both are reconciled here: of each call
come all its reports first, then exactly one `Ended`.
"""

from __future__ import annotations

import pickle
import threading
from typing import TYPE_CHECKING, Any

from headrace.core.errors import ExecutionLost, ExecutorError, ValueLost
from headrace.executors.base import Ended, Report
from headrace.executors.dask.parcel import this_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from headrace.executors.base import Event

LOST_PATIENCE = 0.05  #: seconds in which the scheduler says all that follows from one loss
_UNKNOWN = "that held it"  #: stands for a worker whose address is not known


class Call:
    """A submission that was handed over: the handle by which later ones name what it keeps.

    Args:
        key: The submission's key.
        needs: The calls whose kept values it needs.
        channel: Takes its events.

    Attributes:
        future: Dask's future, as long as its value may be needed.
        kept: Whether it kept any value.
        lost: The worker with which what it kept was lost; None while it is there.
        over: Whether its end has been told.
        received: The numbers of the reports that came.
        fetched: Whether the others are being fetched.
    """

    __slots__ = (
        "channel",
        "fetched",
        "future",
        "kept",
        "key",
        "lost",
        "needs",
        "over",
        "received",
    )

    def __init__(self, key: str, needs: Sequence[Call], channel: Callable[[Event], None]) -> None:
        self.key = key
        self.needs = needs
        self.channel = channel
        self.future: Any = None
        self.kept = False
        self.lost: str | None = None
        self.over = False
        self.received: set[int] = set()
        self.fetched = False

    @property
    def is_gone(self) -> bool:
        """Whether what it kept cannot be had any more."""
        future = self.future
        return (
            self.lost is not None
            or future is None
            or future.status in ("error", "cancelled", "lost")
        )

    def drop(self) -> None:
        """Let go of what it kept, and of the call itself if Dask would still make it."""
        if self.future is not None:
            # By itself that would only happen once it is done: Dask holds it for those to be told.
            self.future.release()
            self.future = None

    def end(self, error: BaseException | None = None) -> None:
        """Tell that it is over, if that has not been told."""
        if self.over:
            return
        self.over = True
        if error is not None:
            self.lost = error.worker if isinstance(error, ExecutionLost) else _UNKNOWN
        self.channel(Ended(self.key, error))


class Ledger:
    """The books.

    Args:
        client: The Dask client.
        fetch: Asks the cluster for all reports of a finished call, by its Dask key and future;
            returns a future of them.

    Attributes:
        lock: Held while the books are not right. Events come in the thread of the client's event
            loop, and ends of futures in another one.
        cancelled: Whether the run is over, so that calls which end are no loss.
        reconnected: Whether the connection to the scheduler was lost meanwhile.
    """

    def __init__(self, client: Any, fetch: Callable[[str, Any], Any]) -> None:
        self._client = client
        self._fetch_reports = fetch
        self.lock = threading.RLock()
        self.cancelled = False
        self.reconnected = False
        #: Those that are out, and those that have ended and kept something, by their Dask keys.
        self._out: dict[str, Call] = {}
        self._keeping: dict[str, Call] = {}
        self._done_with: list[Call] = []

    def __len__(self) -> int:
        """Count the calls that are out."""
        return len(self._out)

    def enter(self, calls: Mapping[str, Call], futures: Mapping[str, Any]) -> None:
        """Enter calls that were handed over, with their futures."""
        self._out.update(calls)
        for key, future in futures.items():
            calls[key].future = future
            future.add_done_callback(_teller(self, key))
        for call in self._done_with:
            call.drop()
        self._done_with.clear()

    def release(self, calls: Iterable[Call]) -> None:
        """Let go of what calls have kept."""
        with self.lock:
            gone = set(map(id, calls))
            for key, call in list(self._keeping.items()):
                if id(call) in gone:
                    del self._keeping[key]
                    call.drop()

    def end_all(self, but: Iterable[str]) -> None:
        """End all calls that are out, but those with these Dask keys: they will say so themselves."""
        with self.lock:
            spared = set(but)
            for key, call in list(self._out.items()):
                if key not in spared:
                    self._finish(key, call, _stopped())

    def clear(self) -> None:
        """Forget everything, and let go of it."""
        with self.lock:
            for call in (*self._out.values(), *self._keeping.values(), *self._done_with):
                call.drop()
            self._out.clear()
            self._keeping.clear()
            self._done_with.clear()

    # -- what the cluster says ----------------------------------------------------------------

    def on_event(self, event: tuple[float, Any]) -> None:
        """Take an event of this run."""
        kind, key, *rest = event[1]
        with self.lock:
            if kind == "report":
                self._on_report(key, *rest)
            elif kind == "lost":
                self._on_lost(key, *rest)

    def _on_report(
        self, key: str, first: int, packed: bytes, total: int | None, stopped: bool, kept: bool
    ) -> None:
        call = self._out.get(key)
        if call is None:
            return  # it was given up
        if packed:
            parts = pickle.loads(packed)
            call.received.update(range(first, first + len(parts)))
            call.channel(Report(call.key, parts))
        if total is None:
            return
        if len(call.received) < total:
            self._fetch(key, call)
            return
        call.kept = kept
        self._finish(key, call, _stopped() if stopped else None)

    def _fetch(self, key: str, call: Call) -> None:
        """Fetch the reports that did not come as events: they were too large, or were lost."""
        if not call.fetched:
            call.fetched = True
            future = self._fetch_reports(key, call.future)
            future.add_done_callback(lambda done: self._on_fetched(key, call, done))

    def _on_fetched(self, key: str, call: Call, done: Any) -> None:
        try:
            reports: list[bytes] | None = done.result()
        except Exception:  # noqa: BLE001 - whatever it was, the reports are not to be had
            reports = None
        with self.lock:
            if call.over:
                return
            if reports is None:
                self._finish(key, call, ExecutionLost(_UNKNOWN))
                return
            missing = [part for number, part in enumerate(reports) if number not in call.received]
            call.channel(Report(call.key, missing))
            call.kept = True  # perhaps not, but then nobody asks
            self._finish(key, call, None)

    def _on_lost(self, key: str, worker: str, where: str) -> None:
        """Take the guard's word that a worker is gone, and a call or its value with it."""
        call = self._out.get(key)
        if call is not None:
            self._finish(key, call, ExecutionLost(worker or _UNKNOWN))
            return
        kept = self._keeping.pop(key, None)
        if kept is None:
            return
        kept.lost = worker or _UNKNOWN
        kept.drop()
        # Calls that were sent out with it are reported as lost right after this. The others still
        # wait for it, and would in vain.
        self._client.loop.call_later(LOST_PATIENCE, self._end_waiting, kept)

    def _end_waiting(self, lost: Call) -> None:
        with self.lock:
            for key, call in list(self._out.items()):
                if lost in call.needs:
                    self._finish(key, call, value_lost([lost]))

    def on_done(self, key: str, future: Any) -> None:
        """Take Dask's word that a key is done."""
        with self.lock:
            call = self._out.get(key)
            if call is None:
                return
            status = future.status
            if status == "finished":
                self._fetch(key, call)  # its last event did not come
            elif status == "cancelled":
                self._finish(key, call, self._why_cancelled(call))
            elif status == "error":
                self._finish(key, call, self._why_failed(call, future))
            # Of one that was lost the guard says more.

    def _why_cancelled(self, call: Call) -> BaseException:
        if self.cancelled:
            return _stopped()
        if lost := [need for need in call.needs if need.is_gone]:
            return value_lost(lost)
        if self._client.status != "running":
            self.reconnected = True
        return ExecutionLost(_UNKNOWN)

    @staticmethod
    def _why_failed(call: Call, future: Any) -> BaseException:
        from distributed import KilledWorker

        error: BaseException = future._state.exception
        if isinstance(error, KilledWorker):
            return ExecutionLost(error.last_worker.address)
        if isinstance(error, ExecutionLost):
            lost = [need for need in call.needs if need.is_gone]
            return value_lost(lost) if lost else error
        if isinstance(error, ModuleNotFoundError) and error.name == "headrace":
            return ExecutorError(
                "The Dask workers cannot import Headrace. Install the flow's version there, too: "
                f"pip install 'headrace[dask]=={this_version().split()[1]}'"
            )
        return error

    def _finish(self, key: str, call: Call, error: BaseException | None) -> None:
        """Say that a call is over; keep its future if it kept a value."""
        self._out.pop(key, None)
        if error is not None:
            call.drop()  # at once, so that Dask does not make the call again
        elif call.kept:
            self._keeping[key] = call
        else:
            self._done_with.append(call)  # the message goes out together with the next batch
        call.end(error)


def value_lost(lost: Sequence[Call]) -> ValueLost:
    """Return the error of a call that needs what these calls had kept."""
    return ValueLost(lost[0].lost or _UNKNOWN, tuple(call.key for call in lost))


def _stopped() -> KeyboardInterrupt:
    return KeyboardInterrupt("The call was stopped.")


def _teller(ledger: Ledger, key: str) -> Callable[[Any], None]:
    def tell(future: Any) -> None:
        ledger.on_done(key, future)

    return tell

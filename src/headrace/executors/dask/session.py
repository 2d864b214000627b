"""One run's dealings with a Dask cluster: what was handed over, and what became of it.

Reports and losses come as events, in the stream that Dask's scheduler sends to the client anyway;
what Dask says of the futures themselves is the other source. Both are reconciled here: of each call
come all its reports first, then exactly one `Ended`.
"""

from __future__ import annotations

import operator
import pickle
import pkgutil
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from headrace.core.errors import ExecutionLost, ExecutorError, SerializationError, ValueLost
from headrace.executors.base import Ended, Report, Resized
from headrace.executors.dask import guard, keeping, parcel, tags
from headrace.executors.dask.keeping import Unreadable

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence

    from headrace.executors.base import Event, Submission
    from headrace.executors.dask.keeping import Kept

_WORKER = "headrace.executors.dask.worker"
RUN_SECONDS = 2.0  #: how long the workers get to answer when they are asked to stop
LOST_PATIENCE = 0.05  #: seconds in which the scheduler says all that follows from one loss

keeping.register()


def _named(function: str) -> tuple[Any, ...]:
    """Return, as part of a Dask graph, a function of `worker`.

    The name is resolved where the task runs, so the scheduler need not have Headrace.
    """
    return (pkgutil.resolve_name, f"{_WORKER}:{function}")


class Call:
    """A submission that was handed over: the handle by which later ones name what it keeps.

    Attributes:
        key: The submission's key.
        future: Dask's future, as long as its value may be needed.
        lost: The worker with which what it kept was lost; None while it is there.
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
        self.received: set[int] = set()
        self.fetched = False
        self.over = False
        self.kept = False
        self.lost: str | None = None

    @property
    def is_gone(self) -> bool:
        """Whether what it kept cannot be had any more."""
        future = self.future
        return (
            self.lost is not None
            or future is None
            or future.status in ("error", "cancelled", "lost")
        )


class Session:
    """A run's dealings with a cluster.

    Args:
        client: A Dask client, connected.
        logger: Where to say what happens.
        watch: Whether to say which workers come and go.
    """

    def __init__(self, client: Any, logger: logging.Logger, watch: bool = False) -> None:
        self._client = client
        self._logger = logger
        self._watch = watch
        self._topic = f"headrace-{client.id}"
        self._lock = threading.RLock()
        self._calls: dict[str, Call] = {}
        self._kept: dict[str, Call] = {}
        self._shared = parcel.SharedValues()
        self._large: dict[int, Any] = {}
        self._count = 0
        self._channel: Callable[[Event], None] | None = None
        self._cancelled = False
        self._reconnected = False
        self.threads = 0
        self._begin()

    def _begin(self) -> None:
        client = self._client
        try:
            client.register_plugin(guard.packed())
        except Exception as error:
            raise ExecutorError(
                f"The Dask scheduler at {client.scheduler.address} does not take the plugin by "
                f"which Headrace keeps it from running tasks twice: {error!r}. Scheduler and client "
                "should have the same versions of distributed and Python."
            ) from error
        client.subscribe_topic(self._topic, self._on_event)
        client.subscribe_topic(guard.WORKERS, self._on_workers)
        self.threads = sum(client.nthreads().values())

    def close(self) -> None:
        """Let go of everything: what still runs is asked to stop, nothing is waited for."""
        with self._lock:
            open_calls = bool(self._calls)
        if open_calls:
            self.cancel()
        if self._large and self._client.status == "running":
            self._ask_workers("end_run")
        with self._lock:
            self._calls.clear()
            self._kept.clear()
            self._large.clear()

    # -- out --------------------------------------------------------------------------------

    def submit_batch(
        self, submissions: Sequence[Submission], channel: Callable[[Event], None]
    ) -> list[Call]:
        """Hand over a whole batch at once; see `Executor.submit_batch`."""
        self._check()
        self._channel = channel
        calls: list[Call] = []
        graphs: dict[tuple[tuple[str, float], ...], dict[str, Any]] = defaultdict(dict)
        priority: dict[tuple[tuple[str, float], ...], int] = {}
        sent: dict[str, Call] = {}
        for submission in submissions:
            call = Call(submission.key, submission.needs, channel)
            calls.append(call)
            lost = [need for need in submission.needs if need.is_gone]
            if lost:
                self._end(call, _value_lost(lost))
                continue
            try:
                resources = tags.resources(submission.context.get("task_tags") or ())
                packed, large = parcel.pack(
                    submission.fn, submission.payload, self._topic, self._shared
                )
                beside = [self._large_value(number) for number in large]
                key = self._key_of(submission.context)
            except (SerializationError, ExecutorError) as error:
                self._end(call, error)
                continue
            beside += [need.future for need in submission.needs]
            kind = tuple(sorted(resources.items()))
            graphs[kind][key] = (operator.call, _named("perform"), self._body(packed), beside)
            priority.setdefault(kind, submission.priority)
            sent[key] = call
        with self._lock:  # so that no event of a call overtakes its future
            self._calls.update(sent)
            for kind, graph in graphs.items():
                futures = self._send(graph, dict(kind), priority[kind])
                for key, future in futures.items():
                    sent[key].future = future
                    future.add_done_callback(_done(self, key))
        return calls

    def submit(self, fn: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
        """Hand over one call, and return Dask's future; see `Executor.submit`."""
        self._check()
        payload, futures = parcel.pack_call(fn, args, kwargs, self.is_future)
        packed, _ = parcel.pack(parcel.make_call, payload, self._topic, parcel.SharedValues())
        key = self._key_of(context)
        graph = {key: (operator.call, _named("perform_alone"), packed, futures)}
        resources = tags.resources(context.get("task_tags") or ())
        return self._send(graph, resources, 0)[key]

    @staticmethod
    def is_future(value: Any) -> bool:
        """Tell whether a value is a Dask future."""
        from distributed import Future

        return isinstance(value, Future)

    def _send(
        self, graph: dict[str, Any], resources: dict[str, float], priority: int
    ) -> dict[str, Any]:
        import dask

        keys = list(graph)
        # What is large was put on the cluster before: no need for Dask to warn of a large graph.
        with (
            dask.annotate(**{guard.OURS: self._topic}),
            dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}),
        ):
            futures = self._client.get(
                graph, keys, sync=False, resources=resources or None, priority=priority
            )
        return dict(zip(keys, futures, strict=True))

    def _key_of(self, context: Any) -> str:
        """Return a key that says what the task is; Dask takes what is before the number as a kind."""
        self._count += 1
        return tags.key(context, self._client.id, self._count)

    def _large_value(self, number: int) -> Any:
        """Return the future of a large shared value; put it on the cluster if it is not there."""
        future = self._large.get(number)
        if future is None or future.status in ("error", "cancelled", "lost"):
            future = self._large[number] = self._put(self._shared.pickled(number))
        return future

    def _body(self, packed: bytes) -> Any:
        return self._put(packed) if len(packed) > parcel.LARGE_BODY else packed

    def _put(self, data: bytes) -> Any:
        if not self.threads:
            return data  # there is no worker yet to put it on
        return self._client.scatter(data, hash=False)

    def _check(self) -> None:
        """Make sure that there is a cluster to speak to.

        Raises:
            ExecutorError: If the scheduler does not answer any more.
        """
        if self._client.status not in ("running", "connecting"):
            raise ExecutorError(
                "The Dask scheduler does not answer any more: the connection was lost and could "
                "not be had again."
            )
        if self._reconnected and self._client.status == "running":
            self._reconnected = False
            self._begin()

    # -- in ---------------------------------------------------------------------------------

    def _on_event(self, event: tuple[float, Any]) -> None:
        """Take an event of this run, in the thread of the client's event loop."""
        kind, key, *rest = event[1]
        with self._lock:
            if kind == "report":
                self._on_report(key, *rest)
            elif kind == "lost":
                self._on_lost(key, *rest)

    def _on_report(
        self, key: str, first: int, packed: bytes, total: int | None, stopped: bool, kept: bool
    ) -> None:
        call = self._calls.get(key)
        if call is None:
            return  # of a call that is over: it was given up
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
        self._finish(key, call, KeyboardInterrupt("The call was stopped.") if stopped else None)

    def _fetch(self, key: str, call: Call) -> None:
        """Fetch the reports that did not come as events: they were too large, or were lost."""
        if call.fetched:
            return
        call.fetched = True
        graph = {f"{key}-reports": (operator.call, _named("reports_of"), call.future)}
        (future,) = self._send(graph, {}, 0).values()
        future.add_done_callback(lambda done: self._on_fetched(key, call, done))

    def _on_fetched(self, key: str, call: Call, done: Any) -> None:
        try:
            reports: list[bytes] | None = done.result()
        except Exception:  # noqa: BLE001 - whatever it was, the reports are not to be had
            reports = None
        with self._lock:
            if call.over:
                return
            if reports is None:
                self._finish(key, call, ExecutionLost("that held its reports"))
                return
            missing = [
                report for number, report in enumerate(reports) if number not in call.received
            ]
            call.channel(Report(call.key, missing))
            call.kept = True
            self._finish(key, call, None)

    def _on_lost(self, key: str, worker: str, where: str) -> None:
        """Take the scheduler's word that a worker is gone, and a call or its value with it."""
        worker = worker or "that ran it"
        call = self._calls.get(key)
        if call is not None:
            self._finish(key, call, ExecutionLost(worker))
            return
        kept = self._kept.pop(key, None)
        if kept is None:
            return
        kept.lost = worker
        kept.future = None
        # Whoever was sent out with it is reported as lost right after this; the others still wait
        # for it, and would in vain.
        self._client.loop.call_later(LOST_PATIENCE, self._end_waiting, kept)

    def _end_waiting(self, lost: Call) -> None:
        with self._lock:
            for key, call in list(self._calls.items()):
                if lost in call.needs:
                    self._finish(key, call, _value_lost([lost]))

    def on_done(self, key: str, future: Any) -> None:
        """Take Dask's word that a key is done, in a thread of Dask's."""
        with self._lock:
            call = self._calls.get(key)
            if call is None:
                return
            status = future.status
            if status == "finished":
                self._fetch(key, call)  # its last event did not come
                return
            if status == "lost":
                return  # the guard says more
            if status == "cancelled":
                error = self._why_cancelled(call, future)
            else:
                error = self._why_failed(call, future)
            self._finish(key, call, error)

    def _why_cancelled(self, call: Call, future: Any) -> BaseException:
        if self._cancelled:
            return KeyboardInterrupt("The call was stopped.")
        lost = [need for need in call.needs if need.is_gone]
        if lost:
            return _value_lost(lost)
        if self._client.status != "running":
            self._reconnected = True
            return ExecutionLost("whose scheduler does not answer")
        return ExecutionLost("that was to run it")

    def _why_failed(self, call: Call, future: Any) -> BaseException:
        from distributed import KilledWorker

        error: BaseException = future._state.exception
        if isinstance(error, KilledWorker):
            return ExecutionLost(error.last_worker.address)
        if isinstance(error, ExecutionLost):
            lost = [need for need in call.needs if need.is_gone]
            return _value_lost(lost) if lost else error
        if isinstance(error, ModuleNotFoundError) and error.name == "headrace":
            return ExecutorError(
                "The Dask workers cannot import Headrace. Install the flow's version there, too: "
                f"pip install 'headrace[dask]=={parcel.this_version().split()[1]}'"
            )
        return error

    def _finish(self, key: str, call: Call, error: BaseException | None) -> None:
        """Say that a call is over; keep its future if it kept a value."""
        self._calls.pop(key, None)
        if error is None and call.kept:
            self._kept[key] = call
        else:
            call.future = None
        self._end(call, error)

    @staticmethod
    def _end(call: Call, error: BaseException | None) -> None:
        if call.over:
            return
        call.over = True
        if isinstance(error, ExecutionLost):
            call.lost = error.worker
        elif error is not None:
            call.lost = "that ran it"
        call.channel(Ended(call.key, error))

    def _on_workers(self, event: tuple[float, Any]) -> None:
        """Take the guard's word that a worker came or went."""
        _, self.threads, what, worker, expected = event[1]
        if self._watch:
            self._logger.log(
                20 if expected else 30, "Worker %s %s; threads now: %d", worker, what, self.threads
            )
        if self._channel is not None:
            self._channel(Resized())

    # -- values -----------------------------------------------------------------------------

    def gather(self, calls: Sequence[Call]) -> list[Any]:
        """Bring here what calls have kept; see `Executor.gather`."""
        import asyncio
        from concurrent.futures import TimeoutError as NotYet

        loop = self._client.loop.asyncio_loop
        while True:
            wanted = {call.key: call.future for call in calls if not call.is_gone}
            coroutine = self._client.gather(wanted, errors="skip", asynchronous=True)
            gathering = asyncio.run_coroutine_threadsafe(coroutine, loop)
            try:
                while True:
                    try:
                        found: dict[str, Kept | None] = gathering.result(timeout=0.5)
                        break
                    except NotYet:
                        if any(call.is_gone for call in calls if call.key in wanted):
                            raise
            except NotYet:
                gathering.cancel()
                continue  # what was lost meanwhile would be waited for in vain
            return [_values(call, found.get(call.key)) for call in calls]

    def release(self, calls: Sequence[Call]) -> None:
        """Let go of what calls have kept."""
        with self._lock:
            for call in calls:
                call.future = None
        gone = set(map(id, calls))
        with self._lock:
            self._kept = {k: call for k, call in self._kept.items() if id(call) not in gone}

    def wait(self, futures: Any) -> Any:
        """Return `futures` with each future in it replaced by its value."""
        return self._client.gather(futures)

    # -- stopping ---------------------------------------------------------------------------

    def cancel(self, interrupt: bool = True) -> None:
        """Drop what has not begun; ask what runs to stop; see `Executor.cancel`."""
        with self._lock:
            self._cancelled = True
            if not self._calls:
                return
        running = self._ask_workers("interrupt") if interrupt else {}
        busy = {key for keys in running.values() for key in keys}
        with self._lock:
            idle = [(key, call) for key, call in self._calls.items() if key not in busy]
            for key, call in idle:
                self._finish(key, call, KeyboardInterrupt("The call was stopped."))

    def _ask_workers(self, function: str) -> dict[str, list[str]]:
        """Have each worker call a function of `worker` with this run's topic."""
        from asyncio import TimeoutError as NotYet

        try:
            answers: dict[str, Any] = self._client.run(
                _remote,
                _WORKER,
                function,
                self._topic,
                on_error="ignore",
                callback_timeout=RUN_SECONDS,
            )
        except (OSError, NotYet) as error:
            self._logger.warning("Not all Dask workers could be asked to stop: %r", error)
            return {}
        return {worker: keys for worker, keys in answers.items() if isinstance(keys, list)}


def _remote(module: str, function: str, topic: str) -> Any:
    from importlib import import_module

    return getattr(import_module(module), function)(topic)


def _done(session: Session, key: str) -> Callable[[Any], None]:
    def done(future: Any) -> None:
        session.on_done(key, future)

    return done


def _value_lost(lost: Sequence[Call]) -> ValueLost:
    return ValueLost(lost[0].lost or "that held it", tuple(call.key for call in lost))


def _values(call: Call, kept: Kept | None) -> Any:
    """Return what a call kept, with errors in place of values that could not be brought here."""
    if kept is None:
        return _value_lost([call])
    return {
        position: SerializationError(value.reason) if type(value) is Unreadable else value
        for position, value in kept.values.items()
    }

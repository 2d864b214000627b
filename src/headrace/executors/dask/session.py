"""One run's dealings with a Dask cluster: hands over calls, fetches values, asks calls to stop."""

from __future__ import annotations

import asyncio
import logging
import operator
import pkgutil
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from headrace.core.errors import ExecutorError, SerializationError
from headrace.executors.base import Resized
from headrace.executors.dask import guard, keeping, parcel, tags
from headrace.executors.dask.keeping import Unreadable
from headrace.executors.dask.ledger import Call, Ledger, value_lost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from headrace.executors.base import Event, Submission
    from headrace.executors.dask.keeping import Kept

SEND_INTERVAL = 0.001  #: seconds between two messages to the scheduler, at least
RUN_SECONDS = 2.0  #: how long the workers get to answer when they are asked to stop
GATHER_SECONDS = (
    0.5  #: how often it is looked at whether a value that is fetched was lost meanwhile
)

_WORKER = "headrace.executors.dask.worker"

keeping.register()


def _named(function: str) -> tuple[Any, ...]:
    """Return, as part of a Dask graph, a function of `worker`.

    The name is resolved where the task runs, so the scheduler need not have Headrace.
    """
    return (pkgutil.resolve_name, f"{_WORKER}:{function}")


class Session:
    """A run's dealings with a cluster.

    Args:
        client: A Dask client, connected.
        logger: Where to say what happens.
        watch: Whether to say which workers come and go.

    Attributes:
        threads: How many threads the workers have now, all together.

    Raises:
        ExecutorError: If the scheduler does not take the guard.
    """

    def __init__(self, client: Any, logger: logging.Logger, watch: bool = False) -> None:
        self.threads = 0
        self._client = client
        self._logger = logger
        self._watch = watch
        self._topic = f"headrace-{client.id}"
        self._ledger = Ledger(client, self._ask_for_reports)
        self._shared = parcel.SharedValues()
        self._large: dict[int, Any] = {}
        self._count = 0
        self._channel: Callable[[Event], None] | None = None
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
        stream = client.scheduler_comm
        if hasattr(stream, "interval"):
            # By default it sends every 10 ms, which a chain of short batches waits for each time.
            stream.interval = SEND_INTERVAL
        client.subscribe_topic(self._topic, self._ledger.on_event)
        client.subscribe_topic(guard.WORKERS, self._on_workers)
        self.threads = sum(client.nthreads().values())

    def close(self) -> None:
        """Let go of everything; what still runs is asked to stop, and not waited for."""
        if len(self._ledger):
            self.cancel()
        if self._large and self._client.status == "running":
            self._ask_workers("end_run")
        self._ledger.clear()
        self._large.clear()

    # -- calls ------------------------------------------------------------------------------

    def submit_batch(
        self, submissions: Sequence[Submission], channel: Callable[[Event], None]
    ) -> list[Call]:
        """Hand over a whole batch at once; see `Executor.submit_batch`."""
        self._check()
        self._channel = channel
        calls = [Call(each.key, each.needs, channel) for each in submissions]
        graphs: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(dict)
        priority: dict[tuple[Any, ...], int] = {}
        sent: dict[str, Call] = {}
        for submission, call in zip(submissions, calls, strict=True):
            if lost := [need for need in call.needs if need.is_gone]:
                call.end(value_lost(lost))
                continue
            try:
                resources = tuple(tags.resources(submission.context.get("task_tags") or ()).items())
                task = self._task(submission)
            except (SerializationError, ExecutorError) as error:
                call.end(error)
                continue
            key = self._key(submission.context)
            graphs[resources][key] = task
            # In one graph there is one priority for all: that of the first, which is due first.
            priority.setdefault(resources, submission.priority)
            sent[key] = call
        with self._ledger.lock:  # so that no event of a call comes before the call is in the books
            futures: dict[str, Any] = {}
            for resources, graph in graphs.items():
                futures |= self._send(graph, dict(resources), priority[resources])
            self._ledger.enter(sent, futures)
        return calls

    def _task(self, submission: Submission) -> tuple[Any, ...]:
        """Return a submission as a task of a Dask graph."""
        packed, large = parcel.pack(submission.fn, submission.payload, self._topic, self._shared)
        body = self._put(packed) if len(packed) > parcel.LARGE_BODY else packed
        beside = [self._large_value(number) for number in large]
        beside += [need.future for need in submission.needs]
        return (operator.call, _named("perform"), body, beside)

    def submit(
        self,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        context: Mapping[str, Any],
    ) -> Any:
        """Hand over one call, and return Dask's future; see `Executor.submit`."""
        self._check()
        payload, futures = parcel.pack_call(fn, args, kwargs, is_future)
        packed, _ = parcel.pack(parcel.make_call, payload, self._topic, self._shared)
        key = self._key(context)
        graph = {key: (operator.call, _named("perform_alone"), packed, futures)}
        return self._send(graph, tags.resources(context.get("task_tags") or ()))[key]

    def _send(
        self, graph: dict[str, Any], resources: dict[str, float], priority: int = 0
    ) -> dict[str, Any]:
        """Hand over a graph; return the future of each of its keys."""
        import dask.config

        keys = list(graph)
        # What is large was put on the cluster before: no need for Dask to warn of a large graph.
        with (
            dask.annotate(**{guard.OURS: self._topic}),  # type: ignore[attr-defined]
            dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}),
        ):
            futures = self._client.get(
                graph, keys, sync=False, resources=resources or None, priority=priority
            )
        return dict(zip(keys, futures, strict=True))

    def _key(self, context: Mapping[str, Any]) -> str:
        self._count += 1
        return tags.key(context, self._client.id, self._count)

    def _large_value(self, number: int) -> Any:
        """Return the future of a large shared value; put it on the cluster if it is not there."""
        future = self._large.get(number)
        if future is None or future.status in ("error", "cancelled", "lost"):
            future = self._put(self._shared.pickled(number))
            if is_future(future):
                self._large[number] = future
        return future

    def _put(self, data: bytes) -> Any:
        """Put bytes on the cluster, and return their future."""
        if not self.threads:
            return data  # there is no worker yet to put them on: they go with the call
        return self._client.scatter(data, hash=False)

    def _check(self) -> None:
        """Make sure that there is a cluster to speak to.

        Raises:
            ExecutorError: If the scheduler does not answer any more.
        """
        status = self._client.status
        if status not in ("running", "connecting"):
            raise ExecutorError(
                "The Dask scheduler does not answer any more: the connection to it was lost, and "
                "it cannot be reached again."
            )
        if self._ledger.reconnected and status == "running":
            self._ledger.reconnected = False
            self._begin()

    def _ask_for_reports(self, key: str, future: Any) -> Any:
        graph = {f"{key}-reports": (operator.call, _named("reports_of"), future)}
        return self._send(graph, {})[f"{key}-reports"]

    def _on_workers(self, event: tuple[float, Any]) -> None:
        """Take the guard's word that a worker came or went."""
        _, self.threads, what, worker, expected = event[1]
        if self._watch:
            level = logging.INFO if expected else logging.WARNING
            self._logger.log(level, "Worker %s %s, threads now: %d", worker, what, self.threads)
        if self._channel is not None:
            self._channel(Resized())

    # -- values -----------------------------------------------------------------------------

    def wait(self, futures: Any) -> Any:
        """Return `futures` with each future in it replaced by its value."""
        return self._client.gather(futures)

    def gather(self, calls: Sequence[Call]) -> list[Any]:
        """Bring here what calls have kept; see `Executor.gather`."""
        found: dict[str, Kept | None] | None = None
        while found is None:
            found = self._try_to_gather([call for call in calls if not call.is_gone])
        return [_values(call, found.get(call.key)) for call in calls]

    def _try_to_gather(self, calls: Sequence[Call]) -> dict[str, Kept | None] | None:
        """Fetch what these have kept; None if any of it was lost, which Dask would wait for."""
        wanted = {call.key: call.future for call in calls}
        coroutine = self._client.gather(wanted, errors="skip", asynchronous=True)
        loop = self._client.loop.asyncio_loop
        gathering = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            while True:
                try:
                    found: dict[str, Kept | None] = gathering.result(timeout=GATHER_SECONDS)
                    return found
                except TimeoutError:
                    if any(call.is_gone for call in calls):
                        return None
        finally:
            gathering.cancel()

    def release(self, calls: Sequence[Call]) -> None:
        """Let go of what calls have kept."""
        self._ledger.release(calls)

    # -- stopping ---------------------------------------------------------------------------

    def cancel(self, interrupt: bool = True) -> None:
        """Drop what has not begun; ask what runs to stop, if wanted; see `Executor.cancel`."""
        self._ledger.cancelled = True
        if not len(self._ledger):
            return
        running = self._ask_workers("interrupt") if interrupt else {}
        self._ledger.end_all(but=[key for keys in running.values() for key in keys])

    def take_back(self) -> None:
        """Have the workers hand back what has not begun; see `Executor.take_back`."""
        if len(self._ledger):
            self._ask_workers("take_back")

    def _ask_workers(self, function: str) -> dict[str, list[str]]:
        """Have each worker call a function of `worker` with this run's topic; return the answers."""
        try:
            answers: dict[str, Any] = self._client.run(
                _remote,
                f"{_WORKER}:{function}",
                self._topic,
                on_error="ignore",
                callback_timeout=RUN_SECONDS,
            )
        except (OSError, TimeoutError) as error:
            self._logger.warning("Not all Dask workers could be asked to stop: %r", error)
            return {}
        return {worker: keys for worker, keys in answers.items() if isinstance(keys, list)}


def is_future(value: Any) -> bool:
    """Tell whether a value is a Dask future."""
    from distributed import Future

    return isinstance(value, Future)


def _remote(name: str, topic: str) -> Any:
    return pkgutil.resolve_name(name)(topic)


def _values(call: Call, kept: Kept | None) -> Any:
    """Return what a call kept, with errors in place of values that could not be brought here."""
    if kept is None:
        return value_lost([call])
    return {
        position: SerializationError(value.reason) if type(value) is Unreadable else value
        for position, value in kept.values.items()
    }

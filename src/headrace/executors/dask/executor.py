"""A Dask cluster: one that runs already, or one that is started for the flow run."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from headrace.core.errors import ExecutorError, MissingExtraError
from headrace.executors.base import Executor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from headrace.executors.base import Event, Submission
    from headrace.executors.dask.session import Session

QUEUE_DEPTH = 3
#: Where the cluster grows with its work, it must see more of it than its present threads can do.
ADAPTIVE_QUEUE_DEPTH = 50


class DaskExecutor(Executor):
    """Runs tasks on the workers of a Dask cluster.

    With an `address` they run on that cluster; else a cluster is started when the flow run starts,
    and ended with it. The flow runner stays in this process and hands over tasks in batches; their
    results stay on the cluster, and only what `flow.run()` returns is brought here, at the end.

    Args:
        address: The address of a running cluster's scheduler, such as `"tcp://10.0.0.1:8786"`.
        cluster_class: What makes a temporary cluster: a class or another callable, or its dotted
            name; `distributed.LocalCluster` by default. A name is looked up when a run starts.
        cluster_kwargs: The arguments that it is called with.
        adapt_kwargs: If given, the temporary cluster's `adapt` is called with these, and it grows
            and shrinks with its work: `{"minimum": 0, "maximum": 10}`.
        client_kwargs: Arguments of `distributed.Client`: `security` for TLS; `timeout`, how many
            seconds the scheduler gets to answer (5 by default), and so on.
        debug: Whether a temporary local cluster says more, and has a dashboard.
        performance_report_path: Where to write Dask's performance report of the run, as HTML.
        disable_cancellation_event: Whether to leave running tasks alone when the flow run is
            cancelled: by default they are interrupted.
        watch_worker_status: Whether to log which workers come and go; by default unless
            `adapt_kwargs` are given.

    Attributes:
        client: The Dask client, while a flow run lasts; else None.

    Raises:
        ExecutorError: If arguments contradict each other.
    """

    keeps_values = True
    leaves_process = True
    chunk_seconds = 0.1

    def __init__(
        self,
        address: str | None = None,
        cluster_class: str | Callable[..., Any] | None = None,
        cluster_kwargs: Mapping[str, Any] | None = None,
        adapt_kwargs: Mapping[str, Any] | None = None,
        client_kwargs: Mapping[str, Any] | None = None,
        debug: bool | None = None,
        performance_report_path: str | None = None,
        disable_cancellation_event: bool = False,
        watch_worker_status: bool | None = None,
    ) -> None:
        if address is not None:
            given = {
                "cluster_class": cluster_class,
                "cluster_kwargs": cluster_kwargs,
                "adapt_kwargs": adapt_kwargs,
            }
            if names := [name for name, value in given.items() if value is not None]:
                raise ExecutorError(
                    f"DaskExecutor takes the address of a running cluster ({address!r}), or "
                    f"{', '.join(names)} to start one for each run; not both."
                )
        self.address = address
        self.cluster_class = cluster_class
        self.cluster_kwargs = dict(cluster_kwargs or {})
        self.adapt_kwargs = dict(adapt_kwargs or {})
        self.client_kwargs = dict(client_kwargs or {})
        self.debug = debug
        self.performance_report_path = performance_report_path
        self.disable_cancellation_event = disable_cancellation_event
        self.watch_worker_status = watch_worker_status
        self.client: Any = None
        self._session: Session | None = None
        self._is_taken = False

    def __repr__(self) -> str:
        where = self.address or self.cluster_class or "distributed.LocalCluster"
        return f"<Executor: DaskExecutor({where!r})>"

    def __getstate__(self) -> dict[str, Any]:
        # These belong to one process.
        return {**self.__dict__, "client": None, "_session": None, "_is_taken": False}

    @property
    def queue_depth(self) -> int:  # type: ignore[override]
        """How many submissions each slot should have in hand."""
        return ADAPTIVE_QUEUE_DEPTH if self.adapt_kwargs else QUEUE_DEPTH

    @property
    def slots(self) -> int:
        """How many threads the cluster's workers have now; at least 1."""
        return 1 if self._session is None else max(1, self._session.threads)

    @contextmanager
    def start(self) -> Iterator[None]:
        """Connect to the cluster, or start one, while the block runs.

        Raises:
            ExecutorError: If the scheduler does not answer, or the cluster cannot be started.
            MissingExtraError: If Dask is not installed.
        """
        try:
            import distributed  # noqa: F401 - all that is to know is whether it is there
        except ImportError as error:
            raise MissingExtraError("DaskExecutor", "dask", "distributed") from error
        from headrace.executors.dask.cluster import connected, temporary_cluster
        from headrace.executors.dask.session import Session

        if self._is_taken:
            raise ExecutorError(f"{self!r} is started already; give each flow run its own.")
        self._is_taken = True  # from here on, as a cluster takes seconds to start
        with ExitStack() as stack:
            stack.callback(self._set_free)
            where: Any = self.address
            if where is None:
                where = stack.enter_context(
                    temporary_cluster(
                        self.cluster_class,
                        self.cluster_kwargs,
                        self.adapt_kwargs,
                        bool(self.debug),
                        self.logger,
                    )
                )
            else:
                self.logger.info("Connecting to an existing Dask cluster at %s", where)
            client = stack.enter_context(connected(where, self.client_kwargs))
            stack.enter_context(self._reported(client))
            session = Session(client, self.logger, self._is_watching())
            stack.callback(session.close)
            if not session.threads and not self.adapt_kwargs:
                self.logger.warning(
                    "The Dask cluster has no workers yet: tasks wait for the first."
                )
            self.client = client
            self._session = session
            try:
                yield
            finally:
                self.client = None
                self._session = None

    def _set_free(self) -> None:
        self._is_taken = False

    def _is_watching(self) -> bool:
        return (
            not self.adapt_kwargs if self.watch_worker_status is None else self.watch_worker_status
        )

    @contextmanager
    def _reported(self, client: Any) -> Iterator[None]:
        """Have Dask write its performance report of the block, if one is asked for."""
        path = self.performance_report_path
        if path is None:
            yield
            return
        from distributed import performance_report

        with client.as_current(), performance_report(filename=path):  # type: ignore[no-untyped-call]
            yield

    @property
    def performance_report(self) -> str:
        """The performance report that the last run has written, as HTML; empty if there is none."""
        if self.performance_report_path is None:
            return ""
        try:
            with open(self.performance_report_path, encoding="utf-8") as file:
                return file.read()
        except OSError as error:
            self.logger.warning("The performance report cannot be read: %s", error)
            return ""

    # -- calls ------------------------------------------------------------------------------

    def submit(
        self,
        fn: Callable[..., Any],
        *args: Any,
        extra_context: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call `fn(*args, **kwargs)` on a worker, and return Dask's future of its value.

        Raises:
            ExecutorError: If the executor is not started.
            SerializationError: If the call cannot be pickled.
        """
        return self._started().submit(fn, args, kwargs, extra_context or {})

    def wait(self, futures: Any) -> Any:
        """Return `futures` with each future in it replaced by its value."""
        return self._started().wait(futures)

    def submit_batch(
        self, submissions: Sequence[Submission], channel: Callable[[Event], None]
    ) -> Sequence[Any]:
        """Have all these calls made, and report them; see `Executor.submit_batch`.

        Raises:
            ExecutorError: If the scheduler does not answer any more.
        """
        return self._started().submit_batch(submissions, channel)

    def gather(self, handles: Sequence[Any]) -> list[Any]:
        """Bring what submissions have kept to the caller; see `Executor.gather`."""
        return self._started().gather(handles)

    def release(self, handles: Sequence[Any]) -> None:
        """Let go of what submissions have kept."""
        self._started().release(handles)

    def take_back(self) -> None:
        """Keep what has not begun from beginning; see `Executor.take_back`."""
        if self._session is not None:
            self._session.take_back()

    def cancel(self) -> None:
        """Ask all calls to stop: what has not begun never does, what runs is interrupted."""
        if self._session is not None:
            self._session.cancel(interrupt=not self.disable_cancellation_event)

    def _started(self) -> Session:
        if self._session is None:
            raise ExecutorError(f"{self!r} is not started; use it in `with executor.start():`.")
        return self._session

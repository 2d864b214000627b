"""A pool on this machine: threads, or processes."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from headrace.core.errors import ExecutorError
from headrace.executors.base import Executor, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headrace.executors.pools import Pool

_THREADS = ("threads", "threading", "threaded")
_PROCESSES = ("processes", "multiprocessing", "process")
_SYNCHRONOUS = ("synchronous", "sync", "single-threaded")


class LocalDaskExecutor(Executor):
    """Runs tasks in a pool on this machine. It needs no Dask installed.

    `threads` share this process: nothing is copied, and tasks that wait or compute outside of
    Python run side by side. `processes` run any tasks side by side, but what goes in and comes out
    of a task is pickled.

    Args:
        scheduler: `"threads"`, `"processes"`, or `"synchronous"` for one after another.
        num_workers: How many run at the same time; by default as many as this process may use
            processor cores, and at least 2 for threads.
        **kwargs: Nothing else is known; anything is refused by name.

    Raises:
        ExecutorError: If an argument cannot be used.
    """

    chunk_seconds = 0.005

    def __init__(
        self, scheduler: str = "threads", num_workers: int | None = None, **kwargs: Any
    ) -> None:
        name = str(scheduler).lower()
        if name in _THREADS:
            self.scheduler = "threads"
        elif name in _PROCESSES:
            self.scheduler = "processes"
        elif name in _SYNCHRONOUS:
            self.scheduler = "synchronous"
        else:
            raise ExecutorError(
                f"LocalDaskExecutor has no scheduler {scheduler!r}; use 'threads', 'processes' or "
                "'synchronous'."
            )
        if kwargs:
            raise ExecutorError(
                f"LocalDaskExecutor takes scheduler and num_workers, not {', '.join(kwargs)}."
            )
        given: Any = num_workers
        if given is not None and (not isinstance(given, int) or given < 1):
            raise ExecutorError(
                f"num_workers must be a whole number from 1 on, not {num_workers!r}."
            )
        self.num_workers = num_workers
        self._pool: Pool | None = None

    def __repr__(self) -> str:
        return f"<Executor: LocalDaskExecutor({self.scheduler!r})>"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None}  # a pool belongs to one process

    @property
    def leaves_process(self) -> bool:  # type: ignore[override]
        """Whether payloads and results must be picklable."""
        return self.scheduler == "processes"

    @property
    def slots(self) -> int:
        """How many calls run at the same time."""
        if self.scheduler == "synchronous":
            return 1
        if self.num_workers is not None:
            return self.num_workers
        cores = _usable_cores()
        return max(cores, 2) if self.scheduler == "threads" else cores

    @contextmanager
    def start(self) -> Iterator[None]:
        """Have the pool ready while the block runs; end it after it."""
        from headrace.executors.pools import ProcessPool, ThreadPool

        if self._pool is not None:
            raise ExecutorError(f"{self!r} is started already; give each flow run its own.")
        pool: Pool = (
            ProcessPool(self.slots) if self.scheduler == "processes" else ThreadPool(self.slots)
        )
        self._pool = pool
        try:
            yield
        finally:
            self._pool = None
            pool.close()

    def submit(
        self,
        fn: Callable[..., Any],
        *args: Any,
        extra_context: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call `fn(*args, **kwargs)` in the pool, and return a future of its value.

        Raises:
            ExecutorError: If the executor is not started.
            SerializationError: If a process pool cannot pickle the call.
        """
        return self._started().submit(fn, *args, **kwargs)

    def wait(self, futures: Any) -> Any:
        """Return `futures` with each future in it replaced by its value."""
        from concurrent.futures import Future

        return resolve(futures, lambda f: f.result(), lambda f: isinstance(f, Future))

    def take_back(self) -> None:
        """Keep what has not begun from beginning."""
        if self._pool is not None:
            self._pool.take_back()

    def cancel(self) -> None:
        """Drop what has not begun, and interrupt what runs."""
        if self._pool is not None:
            self._pool.cancel()

    def _started(self) -> Pool:
        if self._pool is None:
            raise ExecutorError(f"{self!r} is not started; use it in `with executor.start():`.")
        return self._pool


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

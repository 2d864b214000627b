"""Executors for tests: one that stays open over many runs, and one that a stranger might write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from headrace.executors import Executor


class KeptOpen:
    """An executor that was started already, for flow runs that would each start it anew.

    Args:
        executor: The executor, started.
        **attributes: What is to differ, such as `chunk_seconds`.
    """

    def __init__(self, executor: Executor, **attributes: Any) -> None:
        self._executor = executor
        self.__dict__.update(attributes)

    def start(self) -> AbstractContextManager[None]:
        return nullcontext()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._executor, name)


class OtherPool(Executor):
    """The least that an executor can be: three methods over a plain thread pool."""

    def __init__(self, workers: int = 2) -> None:
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None

    @contextmanager
    def start(self) -> Iterator[None]:
        if self._pool is not None:
            raise RuntimeError("The pool is started already.")
        with ThreadPoolExecutor(self._workers) as self._pool:
            try:
                yield
            finally:
                self._pool = None

    def submit(
        self,
        fn: Callable[..., Any],
        *args: Any,
        extra_context: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Future[Any]:
        if self._pool is None:
            raise RuntimeError("The pool is not started.")
        return self._pool.submit(fn, *args, **kwargs)

    def wait(self, futures: Any) -> Any:
        if isinstance(futures, Future):
            return futures.result()
        if isinstance(futures, dict):
            return {key: self.wait(value) for key, value in futures.items()}
        if isinstance(futures, (list, tuple, set)):
            return type(futures)(self.wait(value) for value in futures)
        return futures

"""The executor contract, over every executor that runs on this machine alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from headrace.executors import Executor, LocalDaskExecutor, LocalExecutor
from headrace.testing import ExecutorContract


class PlainPool(Executor):
    """The least that a third party's executor can be: three methods."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    @contextmanager
    def start(self) -> Iterator[None]:
        with ThreadPoolExecutor(2) as self._pool:
            yield

    def submit(
        self,
        fn: Callable[..., Any],
        *args: Any,
        extra_context: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Future[Any]:
        assert self._pool is not None
        return self._pool.submit(fn, *args, **kwargs)

    def wait(self, futures: Any) -> Any:
        if isinstance(futures, Future):
            return futures.result()
        if isinstance(futures, dict):
            return {key: self.wait(value) for key, value in futures.items()}
        if isinstance(futures, list):
            return [self.wait(value) for value in futures]
        return futures


class TestLocal(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Executor:
        return LocalExecutor()

    def test_a_mapped_pipeline_has_no_barrier(self, executor: Executor) -> None:
        super().test_a_mapped_pipeline_has_no_barrier(executor)


class TestThreads(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Executor:
        return LocalDaskExecutor("threads", num_workers=3)


class TestProcesses(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Executor:
        return LocalDaskExecutor("processes", num_workers=2)


class TestOneAfterAnother(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Executor:
        return LocalDaskExecutor("synchronous")


class TestOfAThirdParty(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Executor:
        return PlainPool()

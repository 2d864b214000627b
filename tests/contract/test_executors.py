"""The executor contract, over every executor that runs on this machine alone."""

from __future__ import annotations

import pytest

from headrace.executors import Executor, LocalDaskExecutor, LocalExecutor
from headrace.testing import ExecutorContract
from tests.support.executors import OtherPool


class TestLocal(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Executor:
        return LocalExecutor()


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
        return OtherPool()

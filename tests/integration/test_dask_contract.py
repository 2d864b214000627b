"""The executor contract, over a Dask cluster of one worker process, and a temporary one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from distributed import LocalCluster

from headrace.executors import DaskExecutor, Executor
from headrace.testing import ExecutorContract


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with LocalCluster(
        n_workers=1, threads_per_worker=2, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


class TestRunningCluster(ExecutorContract):
    @pytest.fixture
    def executor(self, address: str) -> Executor:
        return DaskExecutor(address=address)


def test_runs_on_one_cluster_do_not_mix(address: str) -> None:
    executors = [DaskExecutor(address=address), DaskExecutor(address=address)]
    with executors[0].start(), executors[1].start():
        # The first call of each, of the same name.
        futures = [each.submit(abs, number) for number, each in enumerate(executors)]
        values = [each.wait(future) for each, future in zip(executors, futures, strict=True)]
    assert values == [0, 1]


def test_tasks_run_in_another_process(address: str) -> None:
    import os

    from headrace import Flow, task

    @task
    def where(n: int) -> int:
        return os.getpid()

    with Flow("places") as flow:
        places = where.map([1, 2, 3])
    for executor in (DaskExecutor(address=address), DaskExecutor(cluster_kwargs={"n_workers": 1})):
        state = flow.run(executor=executor)
        pids = {child.place.pid for child in state.result[places].map_states}
        assert pids == set(state.result[places].result)
        assert os.getpid() not in pids


def test_an_address_that_does_not_answer_is_named_after_a_bounded_wait() -> None:
    import socket
    import time

    from headrace import Flow, task

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with Flow("nobody there") as flow:
            task(lambda: 1, name="one")()
        begun = time.monotonic()
        executor = DaskExecutor(address=nobody, client_kwargs={"timeout": 1})
        state = flow.run(executor=executor)
    assert time.monotonic() - begun < 20
    assert state.is_failed()
    assert nobody in state.message

"""A Dask cluster on this machine, for tests, whose workers can be killed."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Cluster:
    """A scheduler in this process, and workers in processes of their own, which nobody restarts.

    Args:
        scheduler: A Dask cluster without workers.
        threads: How many threads each worker has.
    """

    def __init__(self, scheduler: Any, threads: int) -> None:
        self._scheduler = scheduler
        self._threads = threads
        self._workers: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        address: str = self._scheduler.scheduler_address
        return address

    def start_worker(self) -> None:
        command = [
            *(sys.executable, "-m", "distributed.cli.dask_worker", self.address),
            *("--host", "127.0.0.1", "--no-nanny", "--no-dashboard"),
            *("--nthreads", str(self._threads), "--memory-limit", "0"),
            # One that is started when all is over finds no scheduler, and must not wait for ever.
            *("--death-timeout", "60"),
        ]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        worker = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._workers.append(worker)

    def kill_worker(self) -> None:
        """Kill the oldest worker, by force."""
        worker = self._workers.pop(0)
        worker.kill()
        worker.wait()

    def are_all_there(self) -> bool:
        """Tell whether all workers that were started have come."""
        return len(self._scheduler.scheduler.workers) == len(self._workers)

    def wait_for_workers(self, seconds: float = 120) -> None:
        until = time.monotonic() + seconds
        while not self.are_all_there():
            assert time.monotonic() < until, "the Dask workers do not come"
            time.sleep(0.02)

    def close(self) -> None:
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            try:
                worker.wait(timeout=30)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()


@contextmanager
def dask_cluster(workers: int = 2, threads: int = 2) -> Iterator[Cluster]:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=0,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        scheduler_kwargs={"dashboard": False},
        silence_logs=logging.CRITICAL,
    ) as scheduler:
        cluster = Cluster(scheduler, threads)
        try:
            for _ in range(workers):
                cluster.start_worker()
            cluster.wait_for_workers()
            yield cluster
        finally:
            cluster.close()


@contextmanager
def worker_killer(cluster: Cluster, every: float) -> Iterator[list[float]]:
    """Kill a worker every now and then while the block runs, and start another in its place.

    Args:
        cluster: The cluster.
        every: How many seconds pass between two kills, at least: all workers have to be there.

    Yields:
        When one was killed, so far.
    """
    killed: list[float] = []
    over = threading.Event()

    def kill() -> None:
        while not over.wait(every):
            if cluster.are_all_there():
                cluster.kill_worker()
                killed.append(time.monotonic())
                cluster.start_worker()

    thread = threading.Thread(target=kill, name="worker-killer")
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()

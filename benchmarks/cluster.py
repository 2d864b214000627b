"""A running Dask cluster of one worker process with two threads, shared by what is compared on it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.limits import THREADS


@contextmanager
def running_cluster() -> Iterator[str]:
    """Start a cluster in a process of its own, yield its address, and end it afterwards."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.cluster"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        address = process.stdout.readline().strip()
        if not address:
            raise SystemExit("the Dask cluster did not start; see its output above")
        try:
            yield address
        finally:
            process.stdin.close()  # the cluster's cue to end
            process.wait(timeout=60)


def main() -> None:
    """Run a cluster until standard input closes."""
    distributed: Any = importlib.import_module("distributed")
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=THREADS,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()

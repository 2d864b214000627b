"""A tracked run's own side alone: its runner, with a supervisor that takes its events and drops them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.comparisons import MICRO, Settings
from benchmarks.report import HEADRACE, Row, Target, rows_of, show
from benchmarks.workloads import increment, total

_UNTRACKED = "flow.run()"


def tracked_runner(settings: Settings, *, target: Target) -> list[Row]:
    """Measure what a task costs the runner: states reported, checkpoints durable."""
    size = settings.size("W3")
    taken = [_sample(size) for _ in range(settings.repeats)]
    figures = {
        HEADRACE: float(median(one["tracked"] for one in taken)) / size * MICRO,
        _UNTRACKED: float(median(one["untracked"] for one in taken)) / size * MICRO,
    }
    cpu = float(median(one["cpu"] for one in taken)) / size * MICRO
    notes = {HEADRACE: f"until the last event is sent; CPU {show(cpu)}, all threads"}
    return rows_of(
        f"the runner of a tracked run of W3, {size:,} mapped children, checkpointing on",
        "µs a task",
        figures,
        target=target,
        notes=notes,
    )


def _sample(size: int) -> dict[str, float]:
    with TemporaryDirectory() as home:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.tracked_runner", str(size)],
            env={**os.environ, "HEADRACE_HOME": home, "HEADRACE__LOGGING__LEVEL": "ERROR"},
            capture_output=True,
            text=True,
            check=True,
        )
    taken: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return taken


def _measure(size: int) -> dict[str, float]:
    from headrace import Flow, task
    from headrace.engine.cloud_flow_runner import CloudFlowRunner
    from headrace.engine.flow_runner import FlowRunner
    from headrace.engine.reporting import Reporting
    from headrace.wire.claims import RunDetails

    with Flow("W3") as flow:
        task(total)(task(increment).map(list(range(size))))
    FlowRunner(flow).run()
    begun = time.perf_counter()
    FlowRunner(flow).run()
    untracked = time.perf_counter() - begun

    ours, theirs = socket.socketpair()
    supervisor = os.fork()
    if not supervisor:
        theirs.close()
        os._exit(0 if _count(ours) > size else 1)
    ours.close()
    details = RunDetails(
        id="measured",
        name="measured",
        attempt=1,
        flow_id="W3",
        flow_name="W3",
        flow_version=1,
        project_name="benchmarks",
    )
    reporting = Reporting(theirs)
    runner = CloudFlowRunner(flow, details, reporting.emit)
    assert runner.checkpoints is not None
    reporting.before_send = runner.checkpoints.flush
    begun, cpu = time.perf_counter(), time.process_time()
    ending = runner.run()
    assert ending is not None
    assert ending.type == "Success", ending
    reporting.emit(ending)
    reporting.close()
    tracked = time.perf_counter() - begun
    cpu = time.process_time() - cpu
    runner.close()
    _, status = os.waitpid(supervisor, 0)
    assert os.waitstatus_to_exitcode(status) == 0, "events are missing"
    return {"untracked": untracked, "tracked": tracked, "cpu": cpu}


def _count(sock: socket.socket) -> int:
    """Take events until the runner is done; return how many there were."""
    from headrace.engine.channel import read_frames, split_events

    frames: Iterator[tuple[bytes, bytes]] = read_frames(sock)
    return sum(split_events(payload)[0] for _, payload in frames)


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]))))

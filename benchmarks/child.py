"""One sample, in a process of its own: runs a workload with one contender and prints what it took.

The parent passes a `Job` as JSON on the command line and reads a `Sample` as JSON from the last line
of standard output. This file also runs in the environments of other orchestrators, so it imports
nothing but the standard library until it knows the contender.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.limits import LIMITS, THREADS
from benchmarks.workloads import VARIANTS, WORKLOADS

#: A process repeats a short run until this many seconds or runs are reached; its sample is their median.
SECONDS, RUNS = 1.0, 15


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to run."""

    #: ``headrace``, ``prefect`` or ``prefect3``, or the name of a limit.
    contender: str
    workload: str
    size: int
    #: ``local``, ``threads`` or ``dask``; the limits have theirs in the name.
    executor: str = "local"
    #: A key of `VARIANTS`.
    variant: str = "plain"
    #: The running cluster's address, for what runs on it.
    address: str | None = None
    #: ``time`` or ``memory``.
    measure: str = "time"
    #: Whether to run one task first, so that a run too long for a second one finds all loaded.
    warm_up: bool = False


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one process measured."""

    #: Seconds of a run: the median of the process's runs after its first.
    seconds: float
    #: Seconds of the process's very first run, with whatever is loaded or set up only then.
    first: float
    #: Number of task runs in each run.
    tasks: int
    #: Other readings by name: bytes for ``memory``, seconds of building the flow for ``time``.
    extra: dict[str, float] = field(default_factory=dict)


def _executor(api_name: str, job: Job) -> Any:
    executors = importlib.import_module(f"{api_name}.executors")
    if job.executor == "threads":
        return executors.LocalDaskExecutor(scheduler="threads", num_workers=THREADS)
    if job.executor == "dask":
        return executors.DaskExecutor(address=job.address)
    return executors.LocalExecutor()


def _build(job: Job, stack: ExitStack) -> tuple[Any, Any]:
    """Build the job's flow, with its executor and variant; return it and its last task."""
    options = VARIANTS[job.variant]()
    if job.variant == "checkpointing":
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        os.environ["HEADRACE__FLOWS__CHECKPOINTING"] = "true"
        options["result"] = importlib.import_module("headrace.results").LocalResult(dir=folder)
    api = importlib.import_module(job.contender)
    flow, last = WORKLOADS[job.workload].flow(api, job.size, options)
    flow.executor = _executor(job.contender, job)
    return flow, last


def _one_task(job: Job) -> Any:
    flow, _ = WORKLOADS["W5"].flow(importlib.import_module(job.contender), 1, {})
    flow.executor = _executor(job.contender, job)
    return flow


def _run(flow: Any) -> tuple[float, Any]:
    """Run a flow as a user does; return the seconds and the final state."""
    started = perf_counter()
    state = flow.run()
    return perf_counter() - started, state


def _check(job: Job, value: object) -> None:
    """Refuse to time a run that came out wrong."""
    expected = WORKLOADS[job.workload].expected(job.size)
    if value != expected:
        raise SystemExit(f"{job} came out as {value!r}, expected {expected!r}")


def _time(job: Job) -> Sample:
    workload = WORKLOADS[job.workload]
    extra: dict[str, float] = {}
    with ExitStack() as stack:
        if job.contender in LIMITS:
            nodes = workload.graph(job.size)

            def once() -> tuple[float, object]:
                return LIMITS[job.contender](nodes, job.address)

        elif job.contender == "prefect3":
            prefect3 = importlib.import_module("benchmarks.peers.prefect3")
            once = stack.enter_context(prefect3.runner(job.workload, job.size))
        else:
            importlib.import_module(job.contender)
            started = perf_counter()
            flow, last = _build(job, stack)
            extra["build"] = perf_counter() - started
            if job.warm_up:
                _one_task(job).run()

            def once() -> tuple[float, object]:
                seconds, state = _run(flow)
                value = state.result[last].result if state.is_successful() else state
                return seconds, value

        first, value = once()
        _check(job, value)
        # A first run that long needs no repeat: what is loaded once is lost in it.
        seconds = [first] if first > 5 * SECONDS else []
        while not seconds or (sum(seconds) < SECONDS and len(seconds) < RUNS):
            gc.collect()
            taken, value = once()
            _check(job, value)
            seconds.append(taken)
    return Sample(seconds=median(seconds), first=first, tasks=workload.tasks(job.size), extra=extra)


def _resident(field_name: str) -> int:
    """Return a size in bytes from the kernel's account of this process (``VmRSS``, ``VmHWM``)."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(field_name):
                return int(line.split()[1]) * 1024
    raise SystemExit(f"the kernel does not tell {field_name}")


def _memory(job: Job) -> Sample:
    """Measure what a run takes beyond what was there before it, its input included in the latter.

    `tracemalloc` counts each byte that Python allocates: exact, repeatable, blind to the fragments that
    the C allocator keeps. It slows the run several times over, so resident memory, which sees everything
    but is rough, is read in a run before it, as the growth of the process's high-water mark.
    """
    import tracemalloc

    workload = WORKLOADS[job.workload]
    with ExitStack() as stack:
        _one_task(job).run()
        flow, last = _build(job, stack)
        gc.collect()
        # Forget the high-water mark of what came before.
        with open("/proc/self/clear_refs", "w", encoding="ascii") as marks:
            marks.write("5")
        resident = _resident("VmRSS")
        seconds, state = _run(flow)
        _check(job, state.result[last].result)
        grown = max(_resident("VmHWM") - resident, 0)
        del state
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        _, state = _run(flow)
        _check(job, state.result[last].result)
        _, peak = tracemalloc.get_traced_memory()
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return Sample(
        seconds=seconds,
        first=seconds,
        tasks=workload.tasks(job.size),
        extra={
            "peak": float(peak - before),
            "held": float(held - before),
            "resident": float(grown),
        },
    )


def main(argument: str) -> None:
    """Carry out the job given as JSON and print its sample as JSON."""
    job = Job(**json.loads(argument))
    sample = _memory(job) if job.measure == "memory" else _time(job)
    print(json.dumps(asdict(sample)))


if __name__ == "__main__":
    main(sys.argv[1])

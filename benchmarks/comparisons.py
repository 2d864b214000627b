"""How each kind of case is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.child import Job, Sample
from benchmarks.environments import PEERS, core_alone
from benchmarks.limits import THREADS
from benchmarks.measure import alternate, processes, sample
from benchmarks.report import HEADRACE, Row, Target, rows_of, show
from benchmarks.workloads import VARIANTS, WORKLOADS, durations

MICRO = 1e6


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a run of the benchmarks was asked for."""

    #: Returns the running cluster's address; the first to ask starts it.
    cluster: Callable[[], str]
    #: Samples of each contender.
    repeats: int
    #: Whether to run small sizes, which show that all works and measure nothing.
    quick: bool
    #: Whether to measure other orchestrators too.
    peers: bool

    def size(self, workload: str) -> int:
        """Return the size that a workload runs at."""
        known = WORKLOADS[workload]
        return known.quick_size if self.quick else known.size


_EXECUTORS = {
    "local": "LocalExecutor",
    "threads": f"LocalDaskExecutor, {THREADS} threads",
    "dask": f"DaskExecutor, 1 × {THREADS} threads",
}
_LIMITS = {
    "local": ["graphlib loop"],
    "threads": ["thread pool", "dask.threaded"],
    "dask": ["client.submit", "one dask graph"],
}
#: Peers take 5 to 20 ms a task: these sizes let one sample of them end in about ten seconds.
_PEER_SIZES = {"W1": 300, "W2": 300, "W3": 1_000, "W4": 10, "W5": 1}


def _per_task(taken: Sample) -> float:
    return taken.seconds / taken.tasks * MICRO


def one_workload(
    settings: Settings, *, workload: str, executor: str, target: Target | None
) -> list[Row]:
    """Compare Headrace on one executor with the raw limits of that executor, and with peers."""
    address = settings.cluster() if executor == "dask" else None
    own = Job(
        contender="headrace",
        workload=workload,
        size=settings.size(workload),
        executor=executor,
        address=address,
    )
    jobs = {HEADRACE: own} | {name: replace(own, contender=name) for name in _LIMITS[executor]}
    taken = alternate(jobs, settings.repeats)
    notes = {HEADRACE: f"{show(taken[HEADRACE].first * MICRO / taken[HEADRACE].tasks)} at first"}
    if settings.peers and executor != "dask" and workload in _PEER_SIZES:
        size = min(own.size, _PEER_SIZES[workload])
        for name, label in PEERS.items():
            taken[label] = sample(replace(own, contender=name, size=size))
            notes[label] = f"at {taken[label].tasks:,} tasks"
    return rows_of(
        f"{workload} {WORKLOADS[workload].title}, {_EXECUTORS[executor]}",
        "µs" if workload == "W5" else "µs a task",
        {label: _per_task(one) for label, one in taken.items()},
        target=target,
        notes=notes,
    )


def mapped_memory(settings: Settings, *, target: Target) -> list[Row]:
    """Measure what W3x allocates for each mapped child, at its peak."""
    size = settings.size("W3x")
    job = Job(contender="headrace", workload="W3x", size=size, measure="memory")
    extra = alternate({HEADRACE: job}, 1 if settings.quick else 3)[HEADRACE].extra
    note = f"{show(extra['held'] / size)} held after it, resident {show(extra['resident'] / size)}"
    figures = {HEADRACE: extra["peak"] / size}
    title = f"W3x {WORKLOADS['W3x'].title}, memory at its peak"
    return rows_of(title, "B a child", figures, target=target, notes={HEADRACE: note})


def variants(settings: Settings) -> list[Row]:
    """Run W3 with each feature on alone, beside the plain one."""
    jobs = {
        name: Job(contender="headrace", workload="W3", size=settings.size("W3"), variant=name)
        for name in VARIANTS
    }
    taken = alternate(jobs, settings.repeats)
    figures = {HEADRACE: _per_task(taken.pop("plain"))}
    figures |= {f"with {name}": _per_task(one) for name, one in taken.items()}
    notes = {
        name: f"{show(figure / figures[HEADRACE])} × plain" for name, figure in figures.items()
    }
    title = "W3 with one feature on, LocalExecutor"
    return rows_of(title, "µs a task", figures, notes=notes, compare=False)


def flatness(settings: Settings, *, target: Target) -> list[Row]:
    """Compare what a task costs among 100,000 with what it costs among 1,000.

    A bare loop's own growth stands beside it: more tasks than fit a processor's cache cost more.
    """
    rows: list[Row] = []
    # A layer of W4 has 50 tasks.
    for workload, unit in (("W1", 1), ("W2", 1), ("W3", 1), ("W4", 50)):
        small, large = (20 * unit, 100 * unit) if settings.quick else (1_000, 100_000)
        figures: dict[str, float] = {}
        notes: dict[str, str] = {}
        for label, contender in ((HEADRACE, "headrace"), ("graphlib loop", "graphlib loop")):
            jobs = {
                str(size): Job(contender=contender, workload=workload, size=size // unit)
                for size in (small, large)
            }
            taken = alternate(jobs, settings.repeats)
            few, many = (_per_task(taken[str(size)]) for size in (small, large))
            figures[label] = many / few
            notes[label] = f"{show(few)} µs, then {show(many)} µs a task"
        title = f"{workload}, cost a task at {large:,} tasks ÷ at {small:,}"
        rows += rows_of(title, "×", figures, target=target, notes=notes, compare=False)
    return rows


def skewed(settings: Settings, *, target: Target) -> list[Row]:
    """Compare tasks of very different lengths with the best that could be done with them."""
    address, size = settings.cluster(), settings.size("skewed")
    own = Job(
        contender="headrace",
        workload="skewed",
        size=size,
        executor="dask",
        address=address,
        warm_up=True,
    )
    jobs = {HEADRACE: own, "client.submit": replace(own, contender="client.submit")}
    taken = alternate(jobs, 1 if settings.quick else min(settings.repeats, 3))
    lengths = durations(size)
    # No schedule beats evenly filled threads, nor the longest task.
    figures = {label: one.seconds for label, one in taken.items()}
    figures["ideal"] = max(sum(lengths) / THREADS, *lengths)
    return rows_of(
        f"{size} tasks of 1 to 500 ms, shuffled, {_EXECUTORS['dask']}", "s", figures, target=target
    )


_BUILD = (
    "from headrace import Flow, task\n"
    "@task\n"
    "def one():\n"
    "    return 1\n"
    "with Flow('one') as flow:\n"
    "    one()\n"
)


def startup(settings: Settings, *, target: Target) -> list[Row]:
    """Time whole processes in an environment with Headrace's core alone."""
    python = core_alone()
    commands: dict[str, list[str | Path]] = {
        "pass": [python, "-c", "pass"],
        HEADRACE: [python, "-c", _BUILD],
        "and one run": [python, "-c", _BUILD + "assert flow.run().is_successful()\n"],
        "headrace version": [python, "-m", "headrace.cli", "version"],
    }
    taken = processes(commands, 3 if settings.quick else 40)
    figures = {label: seconds * 1000 for label, seconds in taken.items()}
    notes = {label: f"{show(figure / figures['pass'])} × pass" for label, figure in figures.items()}
    title = "a whole process: import, build one flow; nothing but the core installed"
    return rows_of(title, "ms", figures, target=target, notes=notes, compare=False)

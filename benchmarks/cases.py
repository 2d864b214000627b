"""The table: what is measured, and what each figure must reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.agents import run_memory, start_now
from benchmarks.claims import claims
from benchmarks.comparisons import (
    Settings,
    flatness,
    mapped_memory,
    one_workload,
    skewed,
    startup,
    variants,
)
from benchmarks.deployments import overhead, watching
from benchmarks.docker import docker_start, docker_watch
from benchmarks.ecs import ecs_overhead, ecs_watching
from benchmarks.ingest import ingest
from benchmarks.kubernetes import kubernetes_overhead, kubernetes_watching
from benchmarks.report import Row, Target
from benchmarks.server import idle, start
from benchmarks.tracked import tracked
from benchmarks.tracked_runner import tracked_runner
from benchmarks.vertex import vertex_overhead, vertex_watching


@dataclass(frozen=True, kw_only=True)
class Case:
    """One part of the table."""

    name: str
    run: Callable[[Settings], list[Row]]


def _workload(workload: str, executor: str, target: Target | None) -> Case:
    run = partial(one_workload, workload=workload, executor=executor, target=target)
    return Case(name=f"{workload}-{executor}", run=run)


_LOCAL = Target(must=15, aim=8)
_THREADS = Target(must=50)
_SUBMIT = Target(must=1, relative_to="client.submit")
_FIFTH = Target(must=1, aim=0.2, relative_to="client.submit")

CASES = [
    _workload("W1", "local", _LOCAL),
    _workload("W2", "local", _LOCAL),
    _workload("W3", "local", _LOCAL),
    _workload("W4", "local", _LOCAL),
    _workload("W3x", "local", Target(must=20)),
    Case(name="W3x-memory", run=partial(mapped_memory, target=Target(must=800, aim=400))),
    _workload("W5", "local", Target(must=300)),
    Case(name="startup", run=partial(startup, target=Target(must=5, aim=3, relative_to="pass"))),
    Case(name="W3-variants", run=variants),
    Case(name="flat", run=partial(flatness, target=Target(must=1.5))),
    _workload("W1", "threads", None),
    _workload("W2", "threads", _THREADS),
    _workload("W3", "threads", _THREADS),
    _workload("W4", "threads", _THREADS),
    _workload("W1", "dask", _FIFTH),
    _workload("W2", "dask", _SUBMIT),
    _workload("W3", "dask", _FIFTH),
    _workload("W4", "dask", _SUBMIT),
    Case(name="skewed-dask", run=partial(skewed, target=Target(must=1.1, relative_to="ideal"))),
    Case(
        name="ingest",
        run=partial(
            ingest,
            sqlite=Target(must=50_000, at_least=True),
            postgres=Target(must=30_000, at_least=True),
        ),
    ),
    Case(name="runner-tracked", run=partial(tracked_runner, target=Target(must=25, aim=15))),
    Case(name="tracked", run=partial(tracked, target=Target(must=80))),
    Case(
        name="start-now",
        run=partial(start_now, middle=Target(must=60), worst=Target(must=250)),
    ),
    Case(
        name="claims",
        run=partial(claims, rate=Target(must=1_000, at_least=True), latency=Target(must=100)),
    ),
    Case(name="server-start", run=partial(start, target=Target(must=1.5))),
    Case(name="server-idle", run=partial(idle, cpu=Target(must=1), memory=Target(must=120))),
    Case(name="agent-overhead", run=partial(overhead, target=Target(must=10))),
    Case(name="agent-watch", run=partial(watching, cpu=Target(must=2), memory=Target(must=100))),
    Case(name="ecs-overhead", run=partial(ecs_overhead, target=Target(must=10))),
    Case(name="ecs-watch", run=partial(ecs_watching, cpu=Target(must=2), memory=Target(must=100))),
    Case(name="kubernetes-overhead", run=partial(kubernetes_overhead, target=Target(must=10))),
    Case(
        name="kubernetes-watch",
        run=partial(kubernetes_watching, cpu=Target(must=2), memory=Target(must=100)),
    ),
    Case(name="vertex-overhead", run=partial(vertex_overhead, target=Target(must=10))),
    Case(
        name="vertex-watch",
        run=partial(vertex_watching, cpu=Target(must=2), memory=Target(must=100)),
    ),
    Case(
        name="docker-start",
        run=partial(docker_start, target=Target(must=1.3, relative_to="docker run")),
    ),
    Case(
        name="docker-watch",
        run=partial(docker_watch, cpu=Target(must=2), memory=Target(must=100)),
    ),
    Case(name="run-memory", run=partial(run_memory, target=Target(must=40))),
]

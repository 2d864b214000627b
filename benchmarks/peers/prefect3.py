"""The workloads as Prefect 3 flows. Prefect 1 has none here: it runs the same code as Headrace."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from benchmarks.workloads import WORKLOADS, combine, increment, one, total


def _single(task: Callable[..., Any], size: int) -> Any:
    return task(one)()


def _chain(task: Callable[..., Any], size: int) -> Any:
    step = task(increment)
    last = 0
    for _ in range(size):
        last = step(last)
    return last


def _fan(task: Callable[..., Any], size: int) -> Any:
    step, source = task(increment), task(one)()
    return task(total)([step.submit(source) for _ in range(size)])


def _map(task: Callable[..., Any], size: int) -> Any:
    return task(total)(task(increment).map(list(range(size))))


def _layers(task: Callable[..., Any], size: int) -> Any:
    tasks = {fn: task(fn) for fn in (increment, combine)}
    futures: list[Any] = []
    nodes = WORKLOADS["W4"].graph(size)
    for node in nodes[:-1]:
        inputs = [futures[parent] for parent in node.parents]
        futures.append(tasks[node.fn].submit(*inputs, *node.constants))
    return task(total)([futures[parent] for parent in nodes[-1].parents])


_BODIES = {"W1": _chain, "W2": _fan, "W3": _map, "W4": _layers, "W5": _single}


@contextmanager
def runner(workload: str, size: int) -> Iterator[Callable[[], tuple[float, object]]]:
    """Yield a function that runs the workload once and returns the seconds and the result.

    Prefect 3 starts a server for itself at a process's first run; that is over before the first one
    timed.
    """
    prefect: Any = importlib.import_module("prefect")
    body = _BODIES[workload]
    flow = prefect.flow(lambda: body(prefect.task, size), name=workload)

    def once() -> tuple[float, object]:
        started = perf_counter()
        value = flow()
        return perf_counter() - started, value

    prefect.flow(lambda: None, name="start the server")()
    yield once

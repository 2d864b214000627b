"""The raw limits: what it costs to run a bare graph with no orchestrator at all.

Each function runs a graph of `workloads` and returns the seconds taken and the last node's value.
Building the graph, and starting pools and clusters, is outside the time taken.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from graphlib import TopologicalSorter
from time import perf_counter
from typing import Any
from uuid import uuid4

from benchmarks.workloads import Node

#: Threads of each pool, as many as the cluster's one worker process has.
THREADS = 2

Outcome = tuple[float, int]


def graphlib_loop(nodes: list[Node], address: str | None) -> Outcome:
    """Call each node in topological order, in one loop in this thread."""
    started = perf_counter()
    sorter = TopologicalSorter({n: node.parents for n, node in enumerate(nodes)})
    values: dict[int, int] = {}
    for n in sorter.static_order():
        node = nodes[n]
        inputs = [values[parent] for parent in node.parents]
        values[n] = node.fn(inputs) if node.gather else node.fn(*inputs, *node.constants)
    return perf_counter() - started, values[len(nodes) - 1]


def thread_pool(nodes: list[Node], address: str | None) -> Outcome:
    """Submit each node to a thread pool as soon as its parents are done."""
    from concurrent.futures import Future, ThreadPoolExecutor
    from queue import SimpleQueue

    with ThreadPoolExecutor(THREADS) as pool:
        started = perf_counter()
        sorter = TopologicalSorter({n: node.parents for n, node in enumerate(nodes)})
        sorter.prepare()
        values: dict[int, int] = {}
        finished: SimpleQueue[tuple[int, Future[int]]] = SimpleQueue()
        while sorter.is_active():
            for n in sorter.get_ready():
                node = nodes[n]
                inputs = [values[parent] for parent in node.parents]
                arguments = [inputs] if node.gather else [*inputs, *node.constants]
                future = pool.submit(node.fn, *arguments)
                future.add_done_callback(lambda done, n=n: finished.put((n, done)))  # type: ignore[misc]
            n, future = finished.get()
            values[n] = future.result()
            sorter.done(n)
        return perf_counter() - started, values[len(nodes) - 1]


def _dask_graph(nodes: list[Node]) -> tuple[dict[str, Any], str]:
    """Return the nodes as one Dask graph, and the key of the last."""
    spec: Any = importlib.import_module("dask._task_spec")
    # A running cluster may still know the keys of the sample before.
    keys = [f"node-{uuid4().hex[:8]}-{n}" for n in range(len(nodes))]
    graph: dict[str, Any] = {}
    for key, node in zip(keys, nodes, strict=True):
        inputs = [spec.TaskRef(keys[parent]) for parent in node.parents]
        arguments = [spec.List(*inputs)] if node.gather else [*inputs, *node.constants]
        graph[key] = spec.Task(key, node.fn, *arguments)
    return graph, keys[-1]


def dask_threaded(nodes: list[Node], address: str | None) -> Outcome:
    """Give the whole graph to Dask's scheduler for threads."""
    threaded: Any = importlib.import_module("dask.threaded")
    graph, last = _dask_graph(nodes)
    started = perf_counter()
    value = threaded.get(graph, last, num_workers=THREADS)
    return perf_counter() - started, value


def client_submit(nodes: list[Node], address: str | None) -> Outcome:
    """Submit each node by itself to the running cluster, and fetch the last one's value."""
    distributed: Any = importlib.import_module("distributed")
    with distributed.Client(address, set_as_default=False) as client:
        started = perf_counter()
        futures: list[Any] = []
        for node in nodes:
            inputs = [futures[parent] for parent in node.parents]
            arguments = [inputs] if node.gather else [*inputs, *node.constants]
            futures.append(client.submit(node.fn, *arguments, pure=False))
        value = futures[-1].result()
        return perf_counter() - started, value


def one_graph(nodes: list[Node], address: str | None) -> Outcome:
    """Give the whole graph to the running cluster in one call."""
    distributed: Any = importlib.import_module("distributed")
    graph, last = _dask_graph(nodes)
    with distributed.Client(address, set_as_default=False) as client:
        started = perf_counter()
        value = client.get(graph, last)
        return perf_counter() - started, value


LIMITS: dict[str, Callable[[list[Node], str | None], Outcome]] = {
    "graphlib loop": graphlib_loop,
    "thread pool": thread_pool,
    "dask.threaded": dask_threaded,
    "client.submit": client_submit,
    "one dask graph": one_graph,
}

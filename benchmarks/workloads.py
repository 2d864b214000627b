"""The workloads, each once as a flow through the public API and once as a bare graph.

The flow is what a user would write; it takes the API as an argument, because Prefect 1 has the same
one and runs the same code. The bare graph, the same functions with the same dependencies, is what
the raw limits run. All tasks return a small int.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from time import sleep
from types import ModuleType
from typing import Any, NamedTuple


def one() -> int:
    """Return 1."""
    return 1


def increment(x: int) -> int:
    """Return the next number."""
    return x + 1


def combine(x: int, y: int) -> int:
    """Return the sum of both, kept small."""
    return (x + y) % 1000


def total(values: Sequence[int]) -> int:
    """Return the sum of all."""
    return sum(values)


def rest(seconds: float) -> int:
    """Sleep, then return 1."""
    sleep(seconds)
    return 1


class Node(NamedTuple):
    """One call of a bare graph."""

    fn: Callable[..., int]
    #: Positions of the nodes whose values come first among the arguments.
    parents: tuple[int, ...] = ()
    #: Arguments after the parents' values.
    constants: tuple[Any, ...] = ()
    #: Whether the parents' values are passed together, as one list.
    gather: bool = False


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A flow to run, the graph it amounts to, and what comes out of its last task."""

    name: str
    title: str
    #: Tasks run at the size that the targets are set for.
    size: int
    #: A size for a smoke test.
    quick_size: int
    #: Builds the flow: (api, size, task options) -> (flow, its last task).
    flow: Callable[[ModuleType, int, dict[str, Any]], tuple[Any, Any]]
    #: Builds the bare graph of a size; the last node is the result.
    graph: Callable[[int], list[Node]]
    #: Number of task runs at a size.
    tasks: Callable[[int], int]
    #: The last task's result at a size.
    expected: Callable[[int], int]


def _single_flow(api: ModuleType, size: int, options: dict[str, Any]) -> tuple[Any, Any]:
    with api.Flow("single") as flow:
        last = api.task(one, **options)()
    return flow, last


def _chain_flow(api: ModuleType, size: int, options: dict[str, Any]) -> tuple[Any, Any]:
    step = api.task(increment, **options)
    with api.Flow("chain") as flow:
        last = step(0)
        for _ in range(size - 1):
            last = step(last)
    return flow, last


def _fan_flow(api: ModuleType, size: int, options: dict[str, Any]) -> tuple[Any, Any]:
    step = api.task(increment, **options)
    with api.Flow("fan") as flow:
        source = api.task(one, **options)()
        last = api.task(total, **options)([step(source) for _ in range(size)])
    return flow, last


def _map_flow(api: ModuleType, size: int, options: dict[str, Any]) -> tuple[Any, Any]:
    step = api.task(increment, **options)
    with api.Flow("map") as flow:
        last = api.task(total)(step.map(list(range(size))))
    return flow, last


def _layers_flow(api: ModuleType, size: int, options: dict[str, Any]) -> tuple[Any, Any]:
    step = api.task(combine, **options)
    with api.Flow("layers") as flow:
        layer = [api.task(increment, **options)(n) for n in range(_WIDTH)]
        for pairs in _random_parents(size):
            layer = [step(layer[a], layer[b]) for a, b in pairs]
        last = api.task(total, **options)(layer)
    return flow, last


def _skewed_flow(api: ModuleType, size: int, options: dict[str, Any]) -> tuple[Any, Any]:
    with api.Flow("skewed") as flow:
        last = api.task(total)(api.task(rest, **options).map(durations(size)))
    return flow, last


_WIDTH = 50  #: Tasks in one layer of W4.


def _random_parents(layers: int) -> list[list[tuple[int, int]]]:
    """Return, for each layer after the first, two random parents of each of its tasks."""
    dice = random.Random(4)
    return [
        [(dice.randrange(_WIDTH), dice.randrange(_WIDTH)) for _ in range(_WIDTH)]
        for _ in range(layers - 1)
    ]


def durations(size: int) -> list[float]:
    """Return `size` shuffled durations in seconds, skewed: many of 1 ms, few of 500 ms."""
    dice = random.Random(500)
    return [0.001 * 500 ** dice.random() for _ in range(size)]


def _single_graph(size: int) -> list[Node]:
    return [Node(one)]


def _chain_graph(size: int) -> list[Node]:
    return [Node(increment, (), (0,)), *(Node(increment, (n,)) for n in range(size - 1))]


def _fan_graph(size: int) -> list[Node]:
    leaves = tuple(range(1, size + 1))
    return [Node(one), *(Node(increment, (0,)) for _ in leaves), Node(total, leaves, gather=True)]


def _map_graph(size: int) -> list[Node]:
    children = [Node(increment, (), (n,)) for n in range(size)]
    return [*children, Node(total, tuple(range(size)), gather=True)]


def _layers_graph(size: int) -> list[Node]:
    nodes = [Node(increment, (), (n,)) for n in range(_WIDTH)]
    for pairs in _random_parents(size):
        above = len(nodes) - _WIDTH
        nodes += [Node(combine, (above + a, above + b)) for a, b in pairs]
    return [*nodes, Node(total, tuple(range(len(nodes) - _WIDTH, len(nodes))), gather=True)]


def _skewed_graph(size: int) -> list[Node]:
    children = [Node(rest, (), (seconds,)) for seconds in durations(size)]
    return [*children, Node(total, tuple(range(size)), gather=True)]


def _layers_result(size: int) -> int:
    layer = [n + 1 for n in range(_WIDTH)]
    for pairs in _random_parents(size):
        layer = [combine(layer[a], layer[b]) for a, b in pairs]
    return total(layer)


_ALL = (
    Workload(
        name="W1",
        title="chain of 1,000",
        size=1_000,
        quick_size=50,
        flow=_chain_flow,
        graph=_chain_graph,
        tasks=lambda size: size,
        expected=lambda size: size,
    ),
    Workload(
        name="W2",
        title="1 → 1,000 → 1",
        size=1_000,
        quick_size=50,
        flow=_fan_flow,
        graph=_fan_graph,
        tasks=lambda size: size + 2,
        expected=lambda size: 2 * size,
    ),
    Workload(
        name="W3",
        title="map over 10,000, then reduce",
        size=10_000,
        quick_size=200,
        flow=_map_flow,
        graph=_map_graph,
        tasks=lambda size: size + 1,
        expected=lambda size: size * (size + 1) // 2,
    ),
    Workload(
        name="W4",
        title="100 layers × 50 tasks, two random parents each",
        size=100,
        quick_size=3,
        flow=_layers_flow,
        graph=_layers_graph,
        tasks=lambda size: size * _WIDTH + 1,
        expected=_layers_result,
    ),
    Workload(
        name="W5",
        title="one task",
        size=1,
        quick_size=1,
        flow=_single_flow,
        graph=_single_graph,
        tasks=lambda size: 1,
        expected=lambda size: 1,
    ),
    Workload(
        name="skewed",
        title="map over 1 ms to 500 ms, shuffled",
        size=300,
        quick_size=20,
        flow=_skewed_flow,
        graph=_skewed_graph,
        tasks=lambda size: size + 1,
        expected=lambda size: size,
    ),
)

WORKLOADS = {workload.name: workload for workload in _ALL}
WORKLOADS["W3x"] = replace(
    WORKLOADS["W3"], name="W3x", title="map over 100,000, then reduce", size=100_000
)


#: What a variant of W3 adds to its mapped task, by the variant's name.
VARIANTS: dict[str, Callable[[], dict[str, Any]]] = {
    "plain": dict,
    "retries": lambda: {"max_retries": 2, "retry_delay": timedelta(seconds=1)},
    "state handler": lambda: {"state_handlers": [keep_state]},
    "timeout": lambda: {"timeout": 60},
    "checkpointing": dict,  # set for the run, not for the task: see `child`
}


def keep_state(task: object, old: object, new: Any) -> Any:
    """Be a state handler that sees each change and leaves it."""
    return new

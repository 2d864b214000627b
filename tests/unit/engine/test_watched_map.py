"""A mapped task whose changes of state somebody watches: it goes through a runner as a whole, too."""

import pytest

from headrace import Flow, task
from headrace.engine.flow_runner import FlowRunner
from headrace.executors import LocalDaskExecutor, LocalExecutor


@task
def numbers(n):
    return list(range(n))


@task
def square(x):
    return x * x


@task
def total(xs):
    return sum(xs)


def watch(*change):
    return None


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("watched", ["the task", "all tasks"])
def test_what_gathers_a_watched_map_waits_for_its_children(workers, watched):
    with Flow("watched") as flow:
        squares = square.map(numbers(20))
        summed = total(squares)
    if watched == "the task":
        squares.state_handlers.append(watch)
    executor = LocalDaskExecutor(num_workers=workers) if workers else LocalExecutor()
    state = FlowRunner(flow).run(
        return_tasks=[summed],
        executor=executor,
        task_runner_state_handlers=[watch] if watched == "all tasks" else None,
    )
    assert state.result[summed].result == sum(n * n for n in range(20))

"""The same flow gives the same states on every executor, and on the short way and the long.

Most of the flows are made from seeds, by the thousand; some are drawn by hypothesis, which finds
the smallest one that goes wrong. That what is compared really happened (tasks that travelled
together, fused, and were handed back) is asserted, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.executors import LocalDaskExecutor
from tests.support.dispatching import dispatchers
from tests.support.executors import KeptOpen, OtherPool
from tests.support.random_flows import build, digests, quiet, recipes, watch
from tests.support.recipes import RandomChoice, Recipe, make_recipe

#: 1 as a rule; 20 with the profile "thorough".
THOROUGHNESS = settings().max_examples // 50

#: How much work a chunk should hold: as each executor has it, or so that much is handed back.
CHUNK_SECONDS = (0.00003, 0.005, 0.1)


@pytest.fixture(autouse=True, scope="module")
def silence() -> Iterator[None]:
    with quiet():
        yield


def assert_agree(recipe: Recipe, at_home: int = 0, **kwargs: Any) -> None:
    """Run a recipe here and elsewhere, and compare the states.

    With `at_home`, a number other than 0, some tasks run in this process wherever the others do.
    """
    flow = build(recipe)
    for number, task in enumerate(flow.sorted_tasks()):
        task.runs_at_home = bool(at_home >> number % 16 & 1)
    here = digests(flow, flow.run())
    there = digests(flow, flow.run(**kwargs))
    assert there == here, recipe


def seeded(count: int) -> Iterator[tuple[int, Recipe]]:
    for seed in range(count * THOROUGHNESS):
        yield seed, make_recipe(RandomChoice(seed))


# -- the short way and the long way -----------------------------------------------------------


@given(recipes())
@settings(max_examples=100 * THOROUGHNESS)
def test_the_short_way_and_the_long_way_agree(recipe: Recipe) -> None:
    assert_agree(recipe, task_runner_state_handlers=[watch])


def test_the_short_way_and_the_long_way_agree_on_many() -> None:
    for _, recipe in seeded(1000):
        assert_agree(recipe, task_runner_state_handlers=[watch])


# -- threads ----------------------------------------------------------------------------------


@given(recipes(), st.integers(1, 3), st.sampled_from(CHUNK_SECONDS))
@settings(max_examples=100 * THOROUGHNESS)
def test_threads_agree_with_local(recipe: Recipe, workers: int, seconds: float) -> None:
    executor = LocalDaskExecutor("threads", num_workers=workers)
    executor.chunk_seconds = seconds
    assert_agree(recipe, executor=executor)


def test_threads_agree_with_local_on_many() -> None:
    with dispatchers() as seen:
        for seed, recipe in seeded(1000):
            executor = LocalDaskExecutor("threads", num_workers=1 + seed % 3)
            executor.chunk_seconds = CHUNK_SECONDS[seed % 3]
            assert_agree(recipe, executor=executor)
    assert seen.together > 1000
    assert seen.fused > 200
    assert seen.handed_back > 50


def test_threads_and_what_runs_at_home_agree_with_local() -> None:
    for seed, recipe in seeded(500):
        executor = LocalDaskExecutor("threads", num_workers=1 + seed % 3)
        executor.chunk_seconds = CHUNK_SECONDS[seed % 3]
        handlers = [watch] if seed % 5 == 0 else None
        home = RandomChoice(seed).between(1, 2**16 - 1)
        assert_agree(recipe, home, executor=executor, task_runner_state_handlers=handlers)


def test_the_long_way_in_threads_agrees_with_local() -> None:
    for _, recipe in seeded(300):
        executor = LocalDaskExecutor("threads", num_workers=2)
        assert_agree(recipe, executor=executor, task_runner_state_handlers=[watch])


def test_the_synchronous_scheduler_agrees_with_local() -> None:
    for _, recipe in seeded(200):
        assert_agree(recipe, executor=LocalDaskExecutor("synchronous"))


def test_the_least_executor_agrees_with_local() -> None:
    for _, recipe in seeded(200):
        assert_agree(recipe, executor=OtherPool())


# -- processes --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def processes() -> Iterator[LocalDaskExecutor]:
    executor = LocalDaskExecutor("processes", num_workers=2)
    with executor.start():
        yield executor


def test_processes_agree_with_local(processes: LocalDaskExecutor) -> None:
    with dispatchers() as seen:

        @given(recipes(), st.sampled_from(CHUNK_SECONDS))
        @settings(max_examples=50 * THOROUGHNESS)
        def agree(recipe: Recipe, seconds: float) -> None:
            assert_agree(recipe, executor=KeptOpen(processes, chunk_seconds=seconds))

        agree()
        for seed, recipe in seeded(200):
            seconds = CHUNK_SECONDS[seed % 3]
            assert_agree(recipe, executor=KeptOpen(processes, chunk_seconds=seconds))
    assert seen.together > 200
    assert seen.fused > 40
    assert seen.handed_back > 15


def test_processes_and_what_runs_at_home_agree_with_local(processes: LocalDaskExecutor) -> None:
    for seed, recipe in seeded(150):
        there = KeptOpen(processes, chunk_seconds=CHUNK_SECONDS[seed % 3])
        assert_agree(recipe, RandomChoice(seed).between(1, 2**16 - 1), executor=there)


def test_the_long_way_in_processes_agrees_with_local(processes: LocalDaskExecutor) -> None:
    for _, recipe in seeded(50):
        assert_agree(recipe, executor=KeptOpen(processes), task_runner_state_handlers=[watch])

"""Random flows give the same states on a Dask cluster as here, even while its workers are killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.executors import DaskExecutor
from tests.support.clusters import dask_cluster, worker_killer
from tests.support.dispatching import dispatchers
from tests.support.executors import KeptOpen
from tests.support.random_flows import build, digests, quiet, recipes, watch
from tests.support.recipes import Ingredient, RandomChoice, Recipe, make_recipe

#: Dask's own threads draw random numbers meanwhile, for which hypothesis takes the strategies to task.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

THOROUGHNESS = settings().max_examples // 50
CHUNK_SECONDS = (0.00003, 0.005, 0.1)


@pytest.fixture(autouse=True, scope="module")
def silence() -> Iterator[None]:
    with quiet():
        yield


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with dask_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def executor(cluster: Any) -> Iterator[DaskExecutor]:
    executor = DaskExecutor(address=cluster.address)
    with executor.start():
        yield executor


def states_of(recipe: Recipe, at_home: int = 0, **kwargs: Any) -> dict[str, Any]:
    flow = build(recipe)
    for number, task in enumerate(flow.sorted_tasks()):
        task.runs_at_home = bool(at_home >> number % 16 & 1)
    return digests(flow, flow.run(**kwargs))


def test_dask_agrees_with_local(executor: DaskExecutor) -> None:
    with dispatchers() as seen:

        @given(recipes(), st.sampled_from(CHUNK_SECONDS), st.sampled_from([1, 4]))
        @settings(max_examples=50 * THOROUGHNESS)
        def agree(recipe: Recipe, seconds: float, slots: int) -> None:
            there = KeptOpen(executor, chunk_seconds=seconds, slots=slots)
            assert states_of(recipe, executor=there) == states_of(recipe)

        agree()
        for seed in range(300 * THOROUGHNESS):
            recipe = make_recipe(RandomChoice(seed))
            there = KeptOpen(executor, chunk_seconds=CHUNK_SECONDS[seed % 3], slots=1 + seed % 4)
            assert states_of(recipe, executor=there) == states_of(recipe), recipe
    assert seen.together > 300
    assert seen.fused > 60
    assert seen.handed_back > 20
    assert seen.lost == 0
    assert seen.values_lost == 0


def test_the_long_way_on_dask_agrees_with_local(executor: DaskExecutor) -> None:
    for seed in range(60 * THOROUGHNESS):
        recipe = make_recipe(RandomChoice(seed))
        there = states_of(recipe, executor=KeptOpen(executor), task_runner_state_handlers=[watch])
        assert there == states_of(recipe), recipe


def test_dask_and_what_runs_at_home_agree_with_local(executor: DaskExecutor) -> None:
    for seed in range(100 * THOROUGHNESS):
        choice = RandomChoice(seed)
        recipe = make_recipe(choice)
        there = KeptOpen(executor, chunk_seconds=CHUNK_SECONDS[seed % 3], slots=1 + seed % 4)
        home = choice.between(1, 2**16 - 1)
        assert states_of(recipe, home, executor=there) == states_of(recipe), recipe


# -- while workers are killed -----------------------------------------------------------------


def agree_but_for_losses(there: Any, here: Any) -> bool:
    """Compare digests. A value that nobody needed may be lost with its worker, and says so."""
    if isinstance(there, list) and there[:1] == ["ValueLost"]:
        return True
    if isinstance(there, list) and isinstance(here, list):
        return len(there) == len(here) and all(map(agree_but_for_losses, there, here))
    return bool(there == here)


def test_states_agree_while_workers_are_killed() -> None:
    with dask_cluster() as cluster, dispatchers() as seen:
        executor = DaskExecutor(address=cluster.address, watch_worker_status=False)
        with executor.start(), worker_killer(cluster, every=2.5) as killed:
            begun = time.monotonic()
            seed = 0
            # A slow machine does not get through as many, but it has to see each kind of loss.
            while not (killed and seen.lost and seen.values_lost) or (
                time.monotonic() < begun + 60 and not (len(killed) > 3 and seed > 40)
            ):
                assert time.monotonic() < begun + 240, (killed, seen.lost, seen.values_lost)
                seed += 1
                recipe = make_recipe(RandomChoice(seed)) if seed % 2 else long_recipe(seed)
                here = states_of(recipe)
                home = seed * 9973 % 2**16 if seed % 3 == 0 else 0
                there = states_of(recipe, home, executor=KeptOpen(executor))
                assert list(there) == list(here)
                differing = [
                    (slug, there[slug], here[slug])
                    for slug in here
                    if not agree_but_for_losses(there[slug], here[slug])
                ]
                assert not differing, recipe


def long_recipe(seed: int) -> Recipe:
    """A recipe that takes a while, and keeps values on the workers that others need."""
    return (
        Ingredient("many", constant=3),
        Ingredient("large", inputs=((0, "map"),)),
        Ingredient("sleep", inputs=((1, "map"),)),
        Ingredient("large_list", inputs=((2, "map"), (1, "map")), constant=seed % 3),
        Ingredient("ok", inputs=((3, "whole"),)),
        Ingredient("retry_if_odd", inputs=((3, "map_flat"), (4, "order"))),
    )

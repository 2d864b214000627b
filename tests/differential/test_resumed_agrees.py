"""A run that is killed at any moment and resumed ends as one that nothing has happened to.

What a process had made durable when it was killed is a prefix of its segment, to the byte: so its
segment is cut at any byte, and the next attempt goes on from there. No task that has a durable
success is called again.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.engine.resumption import WELL, Past
from headrace.engine.segments import NOTHING, STATE, VALUE, decode
from headrace.executors import LocalDaskExecutor
from tests.support.random_flows import build, quiet, recipes
from tests.support.recipes import RandomChoice, Recipe, _digest_of_value, make_recipe
from tests.support.tracked import Attempt

THOROUGHNESS = settings().max_examples // 50


@pytest.fixture(autouse=True, scope="module")
def silence() -> Iterator[None]:
    with quiet():
        yield


def values(home: Path) -> dict[tuple[str, int], Any]:
    """What all attempts together have recorded of each task run."""
    found = {}
    for key, (_, record) in _past(home).runs.items():
        if record.form == VALUE:
            assert record.value is not None
            found[key] = ["Success", _digest_of_value(pickle.loads(record.value))]
        elif record.form == STATE and record.value is not None:
            found[key] = [record.type, _digest_of_value(pickle.loads(record.value).result)]
        else:
            found[key] = [record.type, record.run_count]
    return found


def _past(home: Path) -> Past:
    records = []
    for path in sorted(home.glob("*/*.seg")):
        records += [(int(path.name[:5]), record) for record in decode(path.read_bytes())]
    return Past(records)


def durable(home: Path) -> set[tuple[str, int]]:
    return {
        key
        for key, (_, record) in _past(home).runs.items()
        if record.type in WELL and record.form != NOTHING and record.type != "Mapped"
    }


def assert_resumes(recipe: Recipe, cuts: list[int], executor: Any = None, forgets: int = 0) -> int:
    """Cut and resume; return how many task runs were taken over in the end.

    Args:
        recipe: The flow.
        cuts: After how many bytes each attempt was killed.
        executor: Where its tasks execute.
        forgets: Which tasks keep no value, as bits.
    """
    with TemporaryDirectory() as folder:
        whole, home = Path(folder) / "whole", Path(folder) / "cut"
        flow = build(recipe)
        flow.executor = executor
        for number, each in enumerate(flow.sorted_tasks()):
            if forgets >> number & 1 and each.slug and each.slug.startswith("t"):
                each.checkpoint = False
        unbroken = Attempt(flow, whole)
        end = unbroken.run()
        assert end is not None
        types = unbroken.types()
        for number, cut in enumerate(cuts, 1):
            attempt = Attempt(flow, home, number)
            done = durable(home)
            attempt.run()
            assert not (attempt.ran() & done), recipe
            (segment,) = home.glob(f"*/{number:05d}-*.seg")
            data = segment.read_bytes()
            segment.write_bytes(data[: cut % (len(data) + 1)])
        last = Attempt(flow, home, len(cuts) + 1)
        done = durable(home)
        again = last.run()
        assert again is not None
        assert not (last.ran() & done), recipe
        assert {**last.types()} == types, recipe
        assert again.type == end.type, recipe
        assert values(home) == values(whole), recipe
        return len(last.reused())


@given(recipes(), st.lists(st.integers(0, 100_000), min_size=1, max_size=3))
@settings(max_examples=60 * THOROUGHNESS)
def test_a_resumed_run_agrees_with_an_unbroken_one(recipe: Recipe, cuts: list[int]) -> None:
    assert_resumes(recipe, cuts)


@given(recipes(), st.integers(0, 100_000), st.integers(0, 1023))
@settings(max_examples=60 * THOROUGHNESS)
def test_it_does_so_where_tasks_keep_no_values(recipe: Recipe, cut: int, forgets: int) -> None:
    assert_resumes(recipe, [cut], forgets=forgets)


def test_many_do() -> None:
    reused = [
        assert_resumes(make_recipe(RandomChoice(seed)), [seed * 7919])
        for seed in range(150 * THOROUGHNESS)
    ]
    assert sum(reused) > len(reused)


@pytest.mark.parametrize(
    ("seed", "cuts", "forgets"),
    [
        (936844082, [59629, 28832, 143016], 491),
        (420941164, [982504, 502587, 782615], 321),
    ],
)
def test_those_do_that_once_did_not(seed: int, cuts: list[int], forgets: int) -> None:
    assert_resumes(make_recipe(RandomChoice(seed)), cuts, forgets=forgets)


def test_they_do_with_threads() -> None:
    for seed in range(40 * THOROUGHNESS):
        executor = LocalDaskExecutor("threads", num_workers=2)
        recipe = make_recipe(RandomChoice(seed))
        forgets = seed % 3 and seed * 31 % 1024
        assert_resumes(recipe, [seed * 7919, seed * 104_729], executor, forgets)

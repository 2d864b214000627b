"""The same flow gives the same states on every executor, and on the short way and the long."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from headrace.executors import LocalDaskExecutor
from tests.support.random_flows import build, digests, recipes
from tests.support.recipes import Recipe


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    logger = logging.getLogger("headrace")
    before, logger.disabled = logger.level, False
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


@given(recipes())
@settings(max_examples=400)
def test_the_short_way_and_the_long_way_agree(recipe: Recipe) -> None:
    flow = build(recipe)
    short = digests(flow, flow.run())
    seen: list[object] = []
    long = digests(
        flow, flow.run(task_runner_state_handlers=[lambda runner, old, new: seen.append(new)])
    )
    assert long == short
    assert seen


@given(recipes())
@settings(max_examples=300)
def test_threads_agree_with_local(recipe: Recipe) -> None:
    flow = build(recipe)
    here = digests(flow, flow.run())
    there = digests(flow, flow.run(executor=LocalDaskExecutor("threads", num_workers=3)))
    assert there == here


@given(recipes())
@settings(max_examples=15)
def test_processes_agree_with_local(recipe: Recipe) -> None:
    flow = build(recipe)
    here = digests(flow, flow.run())
    there = digests(flow, flow.run(executor=LocalDaskExecutor("processes", num_workers=2)))
    assert there == here

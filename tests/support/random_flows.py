"""Random flows of Headrace: recipes drawn by hypothesis, and the flows built from them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from hypothesis import strategies as st

from headrace import Flow, context, signals, states, task, triggers
from headrace.config.logging import get_logger
from tests.support import recipes as kitchen
from tests.support.recipes import Library, Recipe

T = TypeVar("T")

HEADRACE = Library(Flow, task, context, signals, states, triggers)


class _Drawn:
    """Chance from hypothesis, which can shrink what it chose."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def between(self, least: int, most: int) -> int:
        return self._draw(st.integers(least, most))

    def of(self, options: Sequence[T]) -> T:
        return self._draw(st.sampled_from(options))

    def some(self, options: Sequence[T], count: int) -> list[T]:
        each = st.sampled_from(options)
        return self._draw(st.lists(each, min_size=count, max_size=count, unique=True))


@st.composite
def recipes(draw: st.DrawFn, most: int = 10) -> Recipe:
    return kitchen.make_recipe(_Drawn(draw), most)


def build(recipe: Recipe) -> Flow:
    """Make the flow of a recipe; its tasks have the slugs t0, t1, ..."""
    flow: Flow = kitchen.build(HEADRACE, recipe)
    return flow


def digests(flow: Flow, state: Any) -> dict[str, Any]:
    """The digests of all task states of a flow run, by slug, and that of the flow run itself."""
    return kitchen.digests(flow, state)


@contextmanager
def quiet() -> Iterator[None]:
    """Let random flows fail without a word."""
    logger = get_logger()
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def watch(runner: Any, old: Any, new: Any) -> None:
    """A state handler that does nothing; but with it, each task takes the long way."""

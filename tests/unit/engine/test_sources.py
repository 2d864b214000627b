"""A source stands for the same value wherever it has travelled."""

from __future__ import annotations

import pickle
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headrace.engine.sources import FlatOf, FromStep, Held, ItemOf, ListOf, fill, resolve
from headrace.executors.base import Shared
from headrace.states import Mapped, Success

NESTED = [[0, 1], [2], [], [3]]

sources = st.recursive(
    st.sampled_from([FromStep(0), Held(0, 4), NESTED]),
    lambda inner: (
        st.builds(ItemOf, inner, st.integers(0, 3))
        | st.builds(FlatOf, inner)
        | st.builds(ListOf, st.lists(inner, max_size=3))
    ),
    max_leaves=5,
)


def value_of(source: Any) -> Any:
    """Return what a source stands for, in the plainest words."""
    match source:
        case FromStep() | Held():
            return NESTED
        case ItemOf():
            whole = value_of(source.source)
            return whole[source.index] if isinstance(whole, list) else None
        case FlatOf():
            whole = value_of(source.source)
            if isinstance(whole, list) and all(isinstance(each, list) for each in whole):
                return [item for inner in whole for item in inner]
            return whole
        case ListOf():
            return [value_of(each) for each in source.sources]
    return source


def outcome(function: Any) -> Any:
    try:
        return function()
    except LookupError as error:
        return type(error)


@given(sources)
def test_a_source_stands_for_the_same_value_when_it_has_travelled(source: Any) -> None:
    states, held = [Success(result=NESTED)], [{4: NESTED}]
    expected = outcome(lambda: value_of(source))
    for each in (source, pickle.loads(pickle.dumps(source))):
        assert outcome(lambda each=each: resolve(each, states, held)) == expected


def test_a_list_of_sources_can_be_opened() -> None:
    source = ListOf([Held(0, 0), 5, Held(0, 1)], [2, None, 0])
    arrived = pickle.loads(pickle.dumps(source))
    assert resolve(arrived, [], [{0: [1, 2], 1: []}]) == [1, 2, 5]


def test_a_shared_value_and_any_other_stand_for_themselves() -> None:
    assert [resolve(each, [], []) for each in (Shared([1]), [1])] == [[1], [1]]


def test_what_has_no_items_gives_none() -> None:
    assert resolve(ItemOf(5, 0), [], []) is None


def test_upstream_states_get_the_values_that_they_have_sources_of() -> None:
    child, plain = Success(result=Held(0, 0)), Success(result=3)
    mapped = Mapped(map_states=[child, None, plain])
    fill(mapped, [], [{0: "value"}])
    assert mapped.result == ["value", None, 3]

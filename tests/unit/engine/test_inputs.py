"""Taking inputs from upstream values: items, lists of children, one level of nesting less."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.engine.inputs import flatten, items_in, measure, opened
from headrace.engine.plan import INNER_LENGTHS, LENGTH, NO_MEASURE, NOT_A_CHILD
from headrace.engine.upstream import sources
from headrace.states import Failed, Skipped, Success

nested = st.lists(st.lists(st.integers(), max_size=4), max_size=5)


@given(nested)
def test_flattening_takes_out_one_level(value):
    assert flatten(value) == list(chain.from_iterable(value))
    assert flatten(tuple(map(tuple, value))) == list(chain.from_iterable(value))


@pytest.mark.parametrize("value", [5, None, [1, 2], [[1], 2], ValueError("x")])
def test_what_is_not_nested_stays_as_it_is(value):
    assert flatten(value) is value


def length_or_none(item):
    return len(item) if isinstance(item, list) else None


children = st.lists(st.lists(st.integers(), max_size=3) | st.integers(), max_size=6)


@given(children)
def test_children_are_opened_and_what_cannot_be_stands_for_itself(values):
    expected = []
    for value in values:
        expected += value if isinstance(value, list) else [value]
    assert opened(values, list(map(length_or_none, values))) == expected


@given(children)
def test_each_item_knows_the_child_that_it_comes_from(values):
    class Upstream:
        lengths = list(map(length_or_none, values))

    where = sources(Upstream, len(values))
    flat = opened(values, Upstream.lengths)
    assert len(where) == len(flat)
    for child, item in zip(where, flat, strict=True):
        value = values[child]
        assert item in value if isinstance(value, list) else item == value


class Unsized:
    def __getitem__(self, index):
        return index


class Bad(Unsized):
    def __len__(self):
        raise TypeError("no dimensions")


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ([], 0),
        ((1, 2), 2),
        ("abc", 3),
        (range(7), 7),
        ({"a": 1}, None),
        (5, None),
        (None, None),
        ({1, 2}, None),
        (iter([1]), None),
        (Unsized(), None),
        (Bad(), None),
    ],
)
def test_what_has_items_to_map_over(value, count):
    assert items_in(value) == count


@given(nested)
def test_only_what_is_asked_for_is_measured(value):
    state = Success(result=value)
    assert measure(NO_MEASURE, NOT_A_CHILD, state) == (None, None)
    assert measure(LENGTH, NOT_A_CHILD, state) == (len(value), None)
    assert measure(INNER_LENGTHS, NOT_A_CHILD, state) == (len(value), list(map(len, value)))
    assert measure(INNER_LENGTHS, 0, state) == (len(value), None)


@pytest.mark.parametrize("state", [Failed(result=[1]), Skipped(result=[1])])
def test_what_did_not_simply_succeed_has_no_items(state):
    assert measure(LENGTH, NOT_A_CHILD, state)[0] is None

"""Steps arrive as they were sent; defaults do not travel."""

from __future__ import annotations

import pickle
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headrace.engine.plan import INNER_LENGTHS, LENGTH, NO_MEASURE
from headrace.engine.step import Step
from headrace.states import Success

FIELDS: dict[str, Any] = {
    "has_sources": (False, True),
    "plain": (True, False),
    "measure": (NO_MEASURE, LENGTH, INNER_LENGTHS),
    "begin": (None, Success("begin")),
    "decided": (None, Success("decided")),
    "upstream_states": (None, {"a": Success(result=1)}),
    "after": ((), (0, 1)),
    "context": (None, {"key": 1}),
    "wants_value": (False, True),
}


@given(st.fixed_dictionaries({name: st.sampled_from(each) for name, each in FIELDS.items()}))
def test_a_step_arrives_as_it_was_sent(fields: dict[str, Any]) -> None:
    step = Step(3, "slug", 7, {"x": 1}, **fields)
    arrived = pickle.loads(pickle.dumps(step))
    for name in Step.__slots__:
        assert getattr(arrived, name) == getattr(step, name)


def test_the_defaults_at_its_end_do_not_travel() -> None:
    assert Step(0, "slug", 1, {}).__reduce__()[1] == (0, "slug", 1, {})
    assert len(Step(0, "slug", 1, {}, plain=False).__reduce__()[1]) == 6

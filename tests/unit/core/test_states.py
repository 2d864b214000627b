"""States: the tree, their values, equality, pickling, and their JSON form."""

from __future__ import annotations

import datetime
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import states
from headrace.core.result import Result
from headrace.states import (
    Cached,
    Failed,
    Finished,
    Mapped,
    Paused,
    Pending,
    Place,
    Queued,
    Retrying,
    Running,
    Scheduled,
    Skipped,
    State,
    Success,
    TriggerFailed,
)

ALL = [kind for kind in State.children(include_self=True) if isinstance(kind, type)]
NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
made = st.sampled_from(ALL).map(lambda kind: kind("a message", result=[1, "two"]))


def test_the_tree() -> None:
    assert set(State.children(names_only=True)) >= {"Pending", "Running", "Finished", "Mapped"}
    assert Scheduled in Retrying.parents()
    # Other tests have states of their own.
    assert {kind for kind in Failed.children() if kind.__module__ == Failed.__module__} == {
        states.TimedOut,
        states.TriggerFailed,
        states.ValidationFailed,
    }
    assert Success.parents() == [Finished, State]
    assert Success.children(include_self=True)[-1] is Success


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_each_question_is_answered_by_the_place_in_the_tree(kind: type[State]) -> None:
    state = kind()
    for question, base in {
        "is_pending": Pending,
        "is_scheduled": Scheduled,
        "is_retrying": Retrying,
        "is_running": Running,
        "is_finished": Finished,
        "is_successful": Success,
        "is_skipped": Skipped,
        "is_cached": Cached,
        "is_mapped": Mapped,
        "is_failed": Failed,
        "is_looped": states.Looped,
        "is_queued": Queued,
        "is_submitted": states.Submitted,
    }.items():
        assert getattr(state, question)() == issubclass(kind, base), question
    assert state.is_meta_state() == (kind in (Queued, states.Submitted, states.ClientFailed))
    assert state.color.startswith("#")


@given(made)
def test_states_pickle(state: State) -> None:
    again = pickle.loads(pickle.dumps(state))
    assert again == state
    assert again.message == "a message"
    assert again.result == state.result


@given(made, st.none() | st.builds(Place, st.text(max_size=5), st.integers(0, 9)))
def test_states_come_back_from_json_without_their_values(state: State, place: Any) -> None:
    state.place = place
    state.context["why"] = "because"
    again = State.deserialize(json.loads(json.dumps(state.serialize())))
    assert type(again) is type(state)
    assert again.message == "a message"
    assert again.context == {"why": "because"}
    assert again.place == place
    for name in type(state)._own_fields():
        if name != "map_states":
            assert getattr(again, name) == getattr(state, name), name


def test_an_unknown_type_is_named() -> None:
    with pytest.raises(ValueError, match="no state of type 'Weird'"):
        State.deserialize({"type": "Weird"})


def test_a_result_brings_its_value_and_its_place() -> None:
    state = Success(result=Result(value=3, location="here"))
    assert state.result == 3
    assert state.stored is not None
    assert state.stored.location == "here"
    assert state._result.location == "here"
    state.result = 4
    assert state.result == 4
    assert state.stored is None
    assert (
        State.deserialize(Success(result=Result(3, location="x")).serialize())._result.location
        == "x"
    )


def test_equality_is_of_type_and_data() -> None:
    assert Success("one", result=1) == Success("other", result=1)
    assert Success(result=1) != Success(result=2)
    assert Success(result=1) != Cached(result=1)
    assert Success() != 1
    assert Scheduled(start_time=NOW) != Scheduled(start_time=NOW + datetime.timedelta(1))
    assert len({Failed(), Failed()}) == 2


def test_a_mapped_state_has_the_results_of_its_children() -> None:
    mapped = Mapped(map_states=[Success(result=1), None, Failed(result=ValueError)])
    assert mapped.result == [1, None, ValueError]
    assert mapped.n_map_states == 3
    assert Mapped(n_map_states=7).n_map_states == 7
    assert Mapped().result == []


def test_times() -> None:
    naive = datetime.datetime(2026, 1, 1)
    assert Scheduled(start_time=naive).start_time == naive.replace(tzinfo=datetime.UTC)
    assert Scheduled().start_time is not None
    assert Paused().start_time is None
    assert Paused(start_time=NOW).start_time == NOW


def test_a_child_state_of_a_users_own() -> None:
    class Odd(TriggerFailed):
        pass

    assert Odd().is_failed()
    assert TriggerFailed in Odd.parents()

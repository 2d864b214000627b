"""Triggers decide the same from counts as from states."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import Edge, Task, context, triggers
from headrace.core.triggers import Tally, named, tally_of
from headrace.signals import PAUSE, SKIP, TRIGGERFAIL, StateSignal
from headrace.states import (
    Cached,
    Cancelled,
    Failed,
    Mapped,
    Pending,
    Skipped,
    State,
    Success,
    TriggerFailed,
)

KINDS = [Success, Cached, Skipped, Failed, TriggerFailed, Cancelled, Pending]
BUILT_IN = [
    triggers.all_successful,
    triggers.all_failed,
    triggers.any_successful,
    triggers.any_failed,
    triggers.all_finished,
    triggers.not_all_skipped,
    triggers.manual_only,
    triggers.some_failed(at_least=1),
    triggers.some_failed(at_most=0.5),
    triggers.some_successful(at_least=2, at_most=3),
    triggers.some_successful(at_least=0.25),
]
states = st.lists(st.sampled_from(KINDS).map(lambda kind: kind()), max_size=6)


def edges(given_states: list[State]) -> dict[Edge, State]:
    down = Task()
    return {Edge(Task(), down): state for state in given_states}


@given(states, st.sampled_from(BUILT_IN))
def test_counts_say_what_the_states_say(
    given_states: list[State], trigger: triggers.BuiltinTrigger
) -> None:
    upstream = edges(given_states)
    objection = trigger.objection(tally_of(upstream))
    if objection is None:
        assert trigger(upstream) is True
    else:
        with pytest.raises(type(objection)):
            trigger(upstream)


@given(states)
def test_each_trigger_means_what_its_name_says(given_states: list[State]) -> None:
    def runs(trigger: triggers.BuiltinTrigger) -> bool:
        try:
            return trigger(edges(given_states))
        except StateSignal:
            return False

    good = [state.is_successful() for state in given_states]
    bad = [state.is_failed() for state in given_states]
    over = [state.is_finished() for state in given_states]
    skipped = [state.is_skipped() for state in given_states]
    assert runs(triggers.all_successful) == all(good)
    assert runs(triggers.all_failed) == all(bad)
    assert runs(triggers.any_successful) == (any(good) or not good)
    assert runs(triggers.any_failed) == (any(bad) or not bad)
    assert runs(triggers.always_run) == all(over)
    assert runs(triggers.not_all_skipped) == (all(good) and not all(skipped))
    assert runs(triggers.some_failed(at_least=2)) == (sum(bad) >= 2 or not bad)
    assert runs(triggers.some_successful(at_most=1)) == (sum(good) <= 1)


def test_a_mapped_upstream_counts_as_its_children() -> None:
    children = [Success(), Failed(), Skipped()]
    tally = tally_of(edges([Mapped(map_states=children), Success()]))
    assert tally == Tally(4, 4, 3, 1, 1, upstream=True)


def test_one_state_behind_two_edges_counts_once() -> None:
    state = Failed()
    down, up = Task(), Task()
    assert tally_of({Edge(up, down): state, Edge(up, down, key="self"): state}).total == 1


def test_a_share_is_of_all_upstream_states() -> None:
    half = triggers.some_failed(at_least=0.5)
    assert half(edges([Failed(), Success()]))
    with pytest.raises(TRIGGERFAIL, match="1 of 3 upstream tasks were failed"):
        half(edges([Failed(), Success(), Success()]))


def test_manual_only_pauses_until_somebody_resumes() -> None:
    with pytest.raises(PAUSE):
        triggers.manual_only({})
    with context(resume=True):
        assert triggers.manual_only({})


def test_not_all_skipped_skips_without_a_value() -> None:
    with pytest.raises(SKIP) as raised:
        triggers.not_all_skipped(edges([Skipped()]))
    assert raised.value.state.result is None


@pytest.mark.parametrize("trigger", BUILT_IN, ids=repr)
def test_a_trigger_is_found_again_by_its_name_and_pickles(trigger: triggers.BuiltinTrigger) -> None:
    for again in (named(trigger.name), pickle.loads(pickle.dumps(trigger))):
        assert again.name == trigger.name
        for tally in (Tally(4, 4, 1, 3, 0, True), Tally(4, 4, 3, 1, 1, True)):
            assert type(again.objection(tally)) is type(trigger.objection(tally))


def test_bounds_and_names_that_make_no_sense_are_named() -> None:
    with pytest.raises(ValueError, match="at_least must be a number of 0 or more, not -1"):
        triggers.some_failed(at_least=-1)
    with pytest.raises(ValueError, match="at_most must be a number of 0 or more, not 'all'"):
        triggers.some_successful(at_most="all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no built-in trigger named 'sometimes'"):
        named("sometimes")

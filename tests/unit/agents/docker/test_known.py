"""What an agent knows of its containers, step by step."""

from __future__ import annotations

import pytest

from headrace.agents.docker.known import Known, Seen
from headrace.agents.launcher import Deployment

ONE = Deployment(flow_run_id="one", attempt=1, handle="one-1")


@pytest.fixture
def known():
    return Known()


def deployed(known):
    known.starts(ONE)
    known.made(ONE)
    assert not known.started(ONE)


def test_an_end_is_told_once(known):
    deployed(known)

    assert known.live == [ONE]
    assert known.ending("one-1") == ONE
    assert known.over("one-1")
    assert not known.over("one-1")
    assert known.ending("one-1") is None
    assert known.see(ONE) is Seen.OTHERWISE
    assert known.live == []


def test_one_that_ends_while_it_is_started_is_told_afterwards(known):
    known.starts(ONE)
    assert known.ending("one-1") is None  # it is not even made
    known.made(ONE)
    assert known.settled == set()
    assert known.see(ONE) is Seen.OTHERWISE
    assert known.ending("one-1") is None

    assert known.started(ONE)
    assert known.ending("one-1") == ONE


def test_one_that_cannot_be_started_is_nothing(known):
    known.starts(ONE)
    known.made(ONE)
    known.ending("one-1")
    known.unmade(ONE)
    known.started(ONE)

    assert known.live == []
    assert not known.over("one-1")


def test_one_of_an_earlier_process_is_found_once(known):
    assert known.see(ONE) is Seen.NEW
    assert known.see(ONE) is Seen.LIVE
    assert known.settled == {"one-1"}


def test_one_that_is_released_is_removed_whenever_it_is_seen(known):
    deployed(known)
    known.over("one-1")
    known.release("one-1")

    assert known.see(ONE) is Seen.RELEASED
    assert known.see(ONE) is Seen.RELEASED  # in a list that was asked for before it was removed
    known.forget(known.released)
    assert known.see(ONE) is Seen.NEW


def test_one_that_is_settled_is_settled_once(known):
    deployed(known)

    assert known.tell("one-1")
    assert not known.tell("one-1")
    assert known.see(ONE) is Seen.OTHERWISE
    assert known.over("one-1")


def test_one_that_is_deployed_again_is_told_again(known):
    deployed(known)
    known.over("one-1")
    deployed(known)

    assert known.ending("one-1") == ONE
    assert known.over("one-1")

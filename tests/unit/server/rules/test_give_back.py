"""A claim that never got to its agent is taken back, and costs the run nothing."""

import datetime

from headrace.server.rules.ownership import (
    Ownership,
    Phase,
    activate,
    cancel,
    claim,
    give_back,
)

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


def claimed(own=None):
    return claim(own or Ownership(start_time=NOW), "agent", NOW)[0]


def test_it_may_be_claimed_again_at_once_however_often():
    own = claimed()
    for attempt in range(1, 20):
        own = give_back(own, attempt, "the agent did not get to know of it", NOW)
        assert (own.phase, own.start_time, own.recoveries) == (Phase.SCHEDULED, NOW, 0)
        assert (
            own.reason == f"Attempt {attempt} did not begin: the agent did not get to know of it."
        )
        own = claimed(own)


def test_a_run_that_is_being_cancelled_is_cancelled():
    own = give_back(cancel(claimed(), "Not needed."), 1, "it went away", NOW)
    assert own.ending == "Cancelled"
    assert own.reason == "Not needed. Attempt 1 did not begin: it went away."


def test_what_has_begun_or_was_claimed_anew_is_left_alone():
    own = claimed()
    assert give_back(own, 0, "it went away", NOW) is own
    begun, _ = activate(own, 1, "nonce", NOW)
    assert give_back(begun, 1, "it went away", NOW) is begun

"""A run whose attempts are lost again and again fails, and tells how often it was tried."""

import datetime

import pytest

from headrace.server.rules.ownership import (
    Batch,
    Ownership,
    Phase,
    Policy,
    activate,
    claim,
    exited,
    expire,
    pause,
    resume,
    write,
)

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


def begun(own, attempt, now=NOW):
    return activate(claim(own, "agent", now)[0], attempt, f"nonce {attempt}", now)[0]


@pytest.mark.parametrize(
    ("most", "told"),
    [
        (0, "It is not to be recovered (max_recoveries=0)."),
        (1, "It had been recovered once."),
        (2, "It had been recovered 2 times."),
    ],
)
def test_too_many_losses_fail_the_run(most, told):
    own = Ownership(start_time=NOW, policy=Policy(max_recoveries=most))
    for attempt in range(1, most + 2):
        assert own.phase is Phase.SCHEDULED
        now = NOW + datetime.timedelta(hours=attempt)  # those who lose often wait
        own, _ = claim(own, "agent", now)
        own = exited(own, attempt, "killed by SIGKILL", now)
    assert own.ending == "Failed"
    assert own.reason == f"Attempt {most + 1} was lost: killed by SIGKILL. {told}"


def lapsed(own, attempt, now):
    return expire(own, now + datetime.timedelta(seconds=60))


def given_up(own, attempt, now):
    return exited(own, attempt, "its agent was killed", now, was_deployed=False)


@pytest.mark.parametrize("lose", [lapsed, given_up])
def test_what_was_never_deployed_is_tried_again_whatever_the_flow_says(lose):
    own = Ownership(start_time=NOW, policy=Policy(max_recoveries=0))
    now = NOW
    for attempt in range(1, 5):
        assert own.phase is Phase.SCHEDULED
        now += datetime.timedelta(hours=1)
        own = lose(claim(own, "agent", now)[0], attempt, now)
    assert own.ending == "Failed"
    assert own.reason.endswith(". It had been recovered 3 times.")


def test_what_began_is_not_tried_again_for_what_was_never_deployed():
    own = Ownership(start_time=NOW, policy=Policy(max_recoveries=0))
    own = given_up(claim(own, "agent", NOW)[0], 1, NOW)
    own = exited(begun(own, 2), 2, "killed by SIGKILL", NOW, was_deployed=False)
    assert own.ending == "Failed"
    assert own.reason == (
        "Attempt 2 was lost: killed by SIGKILL. It is not to be recovered (max_recoveries=0)."
    )


def test_a_run_that_is_resumed_before_its_agent_has_let_go_of_it_has_lost_nothing():
    own = pause(claim(Ownership(start_time=NOW), "agent", NOW)[0], "Paused by maria.")
    own, refused = resume(own, "Resumed by maria.", NOW)
    assert refused is None
    own = exited(own, 1, "its agent was told not to start it", NOW)
    assert (own.phase, own.recoveries, own.reason) == (Phase.SCHEDULED, 0, "Resumed by maria.")
    assert activate(own, 1, "nonce", NOW)[0] is own
    assert begun(own, 2).phase is Phase.RUNNING


def test_a_run_that_is_paused_says_so_however_it_stopped():
    paused = pause(begun(Ownership(start_time=NOW), 1), "Paused by maria.")
    lost = exited(paused, 1, "killed by SIGKILL", NOW)
    assert lost.reason == "Paused by maria. Attempt 1 was lost: killed by SIGKILL."
    later = Batch(first=1, count=1, parked=True, parked_until=NOW, message="It is parked.")
    assert write(paused, 1, "nonce 1", later, NOW)[0].reason == "Paused by maria. It is parked."

"""A run whose attempts are lost again and again fails, and tells how often it was tried."""

import datetime

import pytest

from headrace.server.rules.ownership import Ownership, Phase, Policy, claim, exited

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


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

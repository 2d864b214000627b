"""Which states of task runs are final."""

import pytest

from headrace.server.rules.states import FINISHED, is_finished


@pytest.mark.parametrize(
    "state",
    ["Success", "Cached", "Mapped", "Skipped", "Failed", "TimedOut", "TriggerFailed", "Cancelled"],
)
def test_an_end_is_final(state: str):
    assert is_finished(state)


@pytest.mark.parametrize(
    "state", ["Pending", "Scheduled", "Paused", "Retrying", "Running", "Looped", "Submitted", ""]
)
def test_what_goes_on_is_not(state: str):
    assert not is_finished(state)


def test_no_state_but_those_of_the_core_is_final():
    assert "State" not in FINISHED
    assert "Running" not in FINISHED

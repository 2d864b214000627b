"""What each scope may do."""

import pytest

from headrace.server.callers import NEEDS, Caller

ALLOWED = {
    "admin": {"open", "read", "run", "agent", "user", "admin"},
    "user": {"open", "read", "run", "agent", "user"},
    "agent": {"open", "read", "run", "agent"},
    "read": {"open", "read"},
}


@pytest.mark.parametrize("scope", ALLOWED)
def test_a_key_may_what_its_scope_covers(scope: str):
    assert {need for need in NEEDS if Caller("me", scope).may(need, "run-1")} == ALLOWED[scope]


def test_the_token_of_a_run_reads_and_writes_that_run_only():
    runner = Caller("runner", "run", "run-1", 2)
    assert {need for need in NEEDS if runner.may(need, "run-1")} == {"open", "read", "run"}
    assert {need for need in NEEDS if runner.may(need, "run-2")} == {"open"}
    assert {need for need in NEEDS if runner.may(need)} == {"open"}

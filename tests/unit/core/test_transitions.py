"""What follows from how a task's function ended."""

from __future__ import annotations

import datetime

from hypothesis import given
from hypothesis import strategies as st

from headrace.core.transitions import after_failure, is_retried, state_of_error
from headrace.signals import FAIL, LOOP, SKIP, TaskTimeoutSignal
from headrace.states import Failed, Looped, Retrying, Skipped, Success, TimedOut

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@given(st.integers(1, 6), st.integers(0, 5), st.integers(0, 1000))
def test_a_failure_is_retried_until_the_retries_are_used_up(
    run_count: int, max_retries: int, seconds: int
) -> None:
    failed = Failed("no", result=ValueError())
    following = after_failure(
        failed,
        run_count=run_count,
        max_retries=max_retries,
        retry_delay=datetime.timedelta(seconds=seconds),
        retry_on=None,
        now=NOW,
    )
    if run_count <= max_retries:
        assert isinstance(following, Retrying)
        assert following.run_count == run_count
        assert following.start_time == NOW + datetime.timedelta(seconds=seconds)
        assert following.result is failed.result
    else:
        assert following is failed


def test_only_failures_are_retried() -> None:
    state = Success()
    arguments = {"run_count": 1, "max_retries": 3, "retry_delay": None, "retry_on": None}
    assert after_failure(state, now=NOW, **arguments) is state  # type: ignore[arg-type]


def test_retry_on_names_the_exceptions_that_are_retried() -> None:
    assert is_retried(KeyError("x"), {LookupError})
    assert not is_retried(ValueError("x"), {LookupError, OSError})
    assert is_retried(ValueError("x"), None)
    assert is_retried(None, {LookupError})


def test_an_error_becomes_the_state_that_it_means() -> None:
    assert isinstance(state_of_error(TaskTimeoutSignal("late")), TimedOut)
    assert isinstance(state_of_error(SKIP("not now")), Skipped)
    signal = FAIL("no")
    assert state_of_error(signal) is signal.state
    error = ValueError("odd")
    failed = state_of_error(error)
    assert type(failed) is Failed
    assert failed.result is error
    assert failed.message == "Error during execution of task: ValueError('odd')"
    looped = state_of_error(LOOP(result=3))
    assert isinstance(looped, Looped)
    assert looped.message == "Task is looping (1)"

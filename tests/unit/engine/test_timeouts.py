"""Running a function for a limited time, in the main thread and in another."""

import signal
import threading
import time

import pytest

from headrace import context
from headrace.core.signals import TaskTimeoutSignal
from headrace.engine.timeouts import call_with_timeout


def in_the_main_thread(fn, seconds, **kwargs):
    return call_with_timeout(fn, kwargs, seconds)


def in_another_thread(fn, seconds, **kwargs):
    outcome = []

    def call():
        try:
            outcome.append(call_with_timeout(fn, kwargs, seconds))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(20)
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


@pytest.fixture(params=[in_the_main_thread, in_another_thread])
def call(request):
    return request.param


def test_what_is_in_time_gives_its_value(call):
    assert call(lambda x: x + 1, 5, x=1) == 2


def test_what_it_raises_is_raised(call):
    def fails():
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        call(fails, 5)


@pytest.mark.parametrize("way", ["sleeps", "spins"])
def test_what_takes_longer_is_left(call, way):
    def sleeps():
        time.sleep(10)

    def spins():
        until = time.monotonic() + 10
        while time.monotonic() < until:
            pass

    begun = time.monotonic()
    with pytest.raises(TaskTimeoutSignal, match="timed out after 0.05 s"):
        call(locals()[way], 0.05)
    assert time.monotonic() - begun < 5


def test_a_thread_that_was_left_is_ended_at_its_next_line():
    ended = threading.Event()

    def spins():
        try:
            while True:
                time.sleep(0.001)
        finally:
            ended.set()

    with pytest.raises(TaskTimeoutSignal):
        in_another_thread(spins, 0.05)
    assert ended.wait(10)


def test_an_exception_handler_of_the_tasks_own_does_not_swallow_it(call):
    def stubborn():
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                continue

    with pytest.raises(TaskTimeoutSignal):
        call(stubborn, 0.05)


def test_the_context_goes_along(call):
    with context(mine=3):
        if call is in_the_main_thread:
            assert call(lambda: context.mine, 5) == 3

    def inside():
        with context(mine=4):
            return call_with_timeout(lambda: context.mine, {}, 5)

    assert call(inside, 5) == 4


def test_the_alarm_is_as_before():
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TaskTimeoutSignal):
        in_the_main_thread(lambda: time.sleep(5), 0.01)
    in_the_main_thread(lambda: None, 5)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)

import os
import signal
import threading
import time

import pytest

from headrace import Flow, task
from headrace.core.states import Cancelled
from headrace.engine.interrupts import told
from headrace.executors import LocalDaskExecutor


def nap(seconds):
    """Sleep in small steps, between which a thread can be interrupted."""
    for _ in range(int(seconds / 0.01)):
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_tasks_are_handed_over_is_heeded_at_once(number):
    @task
    def interrupt(x):
        if x == 0:  # runs while the others are being handed over
            os.kill(os.getpid(), number)
        nap(20)

    executor = LocalDaskExecutor("threads", num_workers=2)
    with Flow("interrupted", executor=executor) as flow:
        interrupt.map(list(range(50)))
    begun = time.monotonic()
    assert isinstance(flow.run(), Cancelled)
    assert time.monotonic() - begun < 4


def test_an_interrupt_while_the_run_waits_for_a_retry():
    import datetime

    @task(max_retries=1, retry_delay=datetime.timedelta(seconds=20))
    def fails():
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        raise ValueError

    executor = LocalDaskExecutor("threads", num_workers=2)
    with Flow("waits", executor=executor) as flow:
        fails()
    begun = time.monotonic()
    assert isinstance(flow.run(), Cancelled)
    assert time.monotonic() - begun < 4


def test_one_interrupt_is_told_and_a_second_one_raised():
    said = []
    steps = []
    with pytest.raises(KeyboardInterrupt):
        with told(said.append):
            signal.raise_signal(signal.SIGINT)
            steps.append(said == [""])
            signal.raise_signal(signal.SIGINT)
            steps.append("not reached")
    assert steps == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_users_own_handler_decides():
    heard = []
    said = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with told(said.append):
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (heard, said) == ([signal.SIGTERM], [])


def test_in_another_thread_nothing_changes():
    done = []

    def work():
        with told(done.append):
            done.append("worked")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["worked"]

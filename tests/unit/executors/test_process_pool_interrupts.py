import os
import signal
import time

import pytest

from headrace.executors import LocalDaskExecutor
from headrace.executors.pools import ProcessPool


def nap(begun):
    open(begun, "w").close()
    for _ in range(2000):
        time.sleep(0.01)


def touch(path):
    open(path, "w").close()


@pytest.fixture
def pool():
    pool = ProcessPool(1)
    yield pool
    pool.close()


def until_exists(path):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_waits_in_a_process_is_not_begun_after_an_interrupt(pool, tmp_path):
    running = pool.submit(nap, str(tmp_path / "begun"))
    # It waits in the process already, where the pool cannot take it back.
    waiting = pool.submit(touch, str(tmp_path / "touched"))
    until_exists(tmp_path / "begun")
    pool.cancel()
    for future in (running, waiting):
        with pytest.raises(BaseException) as caught:
            future.result(timeout=60)
        assert type(caught.value).__name__ in ("KeyboardInterrupt", "CancelledError")
    assert not (tmp_path / "touched").exists()


def test_an_interrupt_while_a_process_begins_does_not_end_it(pool, tmp_path, capfd):
    future = pool.submit(touch, str(tmp_path / "touched"))
    for process in pool._processes():
        os.kill(process.pid, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):  # an answer of the process, which has begun
        future.result(timeout=60)
    assert capfd.readouterr() == ("", "")


class SlowToArrive:
    """Interrupts the process that unpickles it, as Ctrl-C does while a call's modules are imported."""

    def __reduce__(self):
        return _arrive, ()


def _arrive():
    os.kill(os.getpid(), signal.SIGINT)
    return SlowToArrive()


def test_an_interrupt_while_a_call_is_unpickled_keeps_it_from_beginning(tmp_path):
    begun = tmp_path / "begun"
    executor = LocalDaskExecutor("processes", num_workers=1)
    with executor.start():
        future = executor.submit(lambda arrived: begun.touch(), SlowToArrive())
        with pytest.raises(KeyboardInterrupt):
            future.result(timeout=30)
    assert not begun.exists()

"""What an executor must do with calls and over its life: that part of its contract."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Any

import pytest

from headrace.executors.base import Executor

PATIENCE = 30.0  #: seconds until what should come is given up


def double(x: int) -> int:
    """Return twice a number."""
    return 2 * x


def fail(message: str) -> None:
    """Fail with a message."""
    raise ValueError(message)


class CallsContract:
    """Tests of calls, and of starting and ending; `ExecutorContract` has them all."""

    # -- calls ----------------------------------------------------------------------------

    def test_a_call_gives_its_value(self, executor: Executor) -> None:
        """`wait(submit(fn, ...))` is `fn(...)`, for positional and keyword arguments."""
        with executor.start():
            assert executor.wait(executor.submit(double, 4)) == 8
            assert executor.wait(executor.submit(double, x=5)) == 10

    def test_waiting_resolves_futures_wherever_they_are(self, executor: Executor) -> None:
        """Futures in lists and dicts are replaced, and other values stay."""
        with executor.start():
            futures = {"a": [executor.submit(double, n) for n in range(3)], "b": "as it is"}
            assert executor.wait(futures) == {"a": [0, 2, 4], "b": "as it is"}

    def test_what_a_call_raises_is_raised_to_who_waits(self, executor: Executor) -> None:
        """The exception is of the same type and says the same."""
        with executor.start(), pytest.raises(ValueError, match="bad luck"):
            executor.wait(executor.submit(fail, "bad luck"))

    def test_it_is_ready_again_after_use(self, executor: Executor) -> None:
        """An executor can be started for one run after another."""
        for n in range(2):
            with executor.start():
                assert executor.wait(executor.submit(double, n)) == 2 * n

    def test_it_ends_when_the_block_raises(self, executor: Executor) -> None:
        """What a block raises comes out of it, and the executor can be started again."""
        with pytest.raises(KeyError), executor.start():
            raise KeyError("in the block")
        with executor.start():
            assert executor.wait(executor.submit(double, 1)) == 2

    def test_it_has_a_slot_at_least(self, executor: Executor) -> None:
        """Somewhere a call can run."""
        with executor.start():
            assert executor.slots >= 1
        assert executor.queue_depth >= 1
        assert executor.chunk_seconds >= 0

    # -- its life -------------------------------------------------------------------------

    def test_use_before_start_is_an_error(self, executor: Executor) -> None:
        """A call without workers is refused, not forgotten."""
        if executor.inline:
            return  # it needs no workers
        with pytest.raises(Exception, match="not started"):
            executor.submit(double, 1)

    def test_use_after_the_block_is_an_error(self, executor: Executor) -> None:
        """When the block is over, so are the workers."""
        if executor.inline:
            return
        with executor.start():
            executor.wait(executor.submit(double, 1))
        with pytest.raises(Exception, match="not started"):
            executor.submit(double, 1)

    def test_it_is_not_started_twice(self, executor: Executor) -> None:
        """A second start inside the first is refused, and the first goes on."""
        if executor.inline:
            return
        with executor.start():
            with pytest.raises(Exception, match="started already"), executor.start():
                pass
            assert executor.wait(executor.submit(double, 4)) == 8

    # -- futures --------------------------------------------------------------------------

    def test_a_callback_is_called_before_and_after_the_end(self, executor: Executor) -> None:
        """Once the value is there, whenever the callback was added."""
        if executor.inline:
            return  # its calls give values
        seen: SimpleQueue[Any] = SimpleQueue()
        with executor.start():
            future = executor.submit(double, 4)
            future.add_done_callback(seen.put)
            assert seen.get(timeout=PATIENCE).result() == 8
            future.add_done_callback(seen.put)
            assert seen.get(timeout=PATIENCE).result() == 8

    def test_calls_may_be_submitted_from_any_thread(self, executor: Executor) -> None:
        """Threads share an executor."""
        if executor.inline:
            return
        values: dict[int, Any] = {}
        with executor.start():

            def use(number: int) -> None:
                values[number] = executor.wait(executor.submit(double, number))

            threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
        assert values == {number: 2 * number for number in range(4)}

"""What an executor must do with calls and over its life: the part of its contract without flows."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from headrace.core.errors import SerializationError
from headrace.executors.base import Ended, Executor, Report, Submission

PATIENCE = 30.0  #: seconds until what should come is given up


def double(x: int) -> int:
    """Return twice a number."""
    return 2 * x


def sleep_in_steps(seconds: float, *_rest: Any) -> tuple[list[Any], dict[int, Any]]:
    """Sleep so that an interrupt is heeded soon."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)
    return ["slept"], {}


def report(payload: Any, *_rest: Any) -> tuple[list[Any], dict[int, Any]]:
    """Report what was given."""
    return [f"seen {payload}"], {}


class CallsContract:
    """Tests of calls, and of starting and ending; `ExecutorContract` has them all."""

    @pytest.fixture
    def executor(self) -> Executor:
        """Return an executor that is not started."""
        raise NotImplementedError("An ExecutorContract needs a fixture `executor`.")

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

    # -- batches --------------------------------------------------------------------------

    def test_batches_from_several_threads_do_not_mix(self, executor: Executor) -> None:
        """Each channel gets what belongs to its own submissions, and ends once for each."""
        if executor.inline:
            return
        channels: list[SimpleQueue[Any]] = [SimpleQueue() for _ in range(3)]
        with executor.start():
            for number, channel in enumerate(channels):
                batch = [Submission(f"{number}-{n}", report, f"{number}-{n}") for n in range(3)]
                executor.submit_batch(batch, channel.put)
            for number, channel in enumerate(channels):
                events = [each for each in until_ended(channel, 3) if isinstance(each, Report)]
                said = sorted(part for each in events for part in each.reports)
                assert said == [f"seen {number}-{n}" for n in range(3)]

    def test_a_payload_that_cannot_travel_ends_with_the_reason(self, executor: Executor) -> None:
        """It says that it could not be pickled, and the others of its batch go on."""
        if executor.inline or not executor.leaves_process:
            return  # nothing is pickled
        channel: SimpleQueue[Any] = SimpleQueue()
        with executor.start():
            batch = [Submission("bad", report, threading.Lock()), Submission("good", report, 1)]
            executor.submit_batch(batch, channel.put)
            ends = {each.key: each for each in until_ended(channel, 2) if isinstance(each, Ended)}
        assert isinstance(ends["bad"].error, SerializationError)
        assert "pickle" in str(ends["bad"].error)
        assert ends["good"].error is None

    def test_what_is_cancelled_ends_and_what_has_not_begun_never_does(
        self, executor: Executor
    ) -> None:
        """Every submission still ends; those that waited report nothing."""
        if executor.inline or type(executor).cancel is Executor.cancel:
            return  # it has no way to stop a call
        channel: SimpleQueue[Any] = SimpleQueue()
        with executor.start():
            slots = executor.slots
            count = slots * 3
            batch = [Submission(f"key-{n}", sleep_in_steps, PATIENCE) for n in range(count)]
            executor.submit_batch(batch, channel.put)
            time.sleep(0.5)
            begun = time.monotonic()
            executor.cancel()
            events = until_ended(channel, count)
        assert time.monotonic() - begun < PATIENCE / 2
        ends = [each for each in events if isinstance(each, Ended)]
        assert len(ends) == count
        assert all(end.error is not None for end in ends)
        assert not [each for each in events if isinstance(each, Report)]

    def test_what_is_taken_back_never_begins(self, executor: Executor) -> None:
        """What runs goes on and reports; the others end without a report."""
        if executor.inline or type(executor).take_back is Executor.take_back:
            return  # it has no way to do so
        channel: SimpleQueue[Any] = SimpleQueue()
        with executor.start():
            count = executor.slots * 3
            batch = [Submission(f"key-{n}", sleep_in_steps, 1.5) for n in range(count)]
            executor.submit_batch(batch, channel.put)
            time.sleep(0.5)
            executor.take_back()
            events = until_ended(channel, count)
        reported = {each.key for each in events if isinstance(each, Report) and each.reports}
        ends = {each.key: each.error for each in events if isinstance(each, Ended)}
        assert len(ends) == count
        assert len(reported) <= count // 3
        wrong = {
            key: error
            for key, error in ends.items()
            if error is not None and (key in reported or not isinstance(error, CancelledError))
        }
        assert not wrong

    def test_it_is_ready_again_after_it_was_cancelled(self, executor: Executor) -> None:
        """One cancelled run does not spoil the next."""
        with executor.start():
            executor.cancel()
        with executor.start():
            assert executor.wait(executor.submit(double, 2)) == 4


def until_ended(channel: SimpleQueue[Any], count: int) -> list[Report | Ended]:
    """Return the events of a channel, up to the end of so many submissions."""
    events: list[Report | Ended] = []
    deadline = time.monotonic() + PATIENCE
    ended: set[str] = set()
    while len(ended) < count:
        try:
            event = channel.get(timeout=max(0.01, deadline - time.monotonic()))
        except Empty:
            raise AssertionError(f"Of {count} submissions only {sorted(ended)} ended.") from None
        if isinstance(event, Report | Ended):
            assert event.key not in ended, f"something of {event.key} came after its end"
            events.append(event)
            if isinstance(event, Ended):
                ended.add(event.key)
    return events

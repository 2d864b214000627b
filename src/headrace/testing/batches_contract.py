"""What an executor must do with batches of submissions: that part of its contract."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from queue import Empty, SimpleQueue
from typing import Any

from headrace.core.errors import SerializationError
from headrace.executors.base import Ended, Executor, Report, Submission
from headrace.testing.calls_contract import PATIENCE, double, fail


def report(payload: Any) -> tuple[list[Any], dict[int, Any]]:
    """Report what was given."""
    return [f"seen {payload}"], {}


def report_with_all(payload: Any, *_rest: Any) -> tuple[list[Any], dict[int, Any]]:
    """Report what was given, and take what an executor adds that keeps values."""
    return report(payload)


def fail_with_all(payload: Any, *_rest: Any) -> None:
    """Fail, likewise."""
    fail(payload)


def sleep_in_steps(seconds: float, *_rest: Any) -> tuple[list[Any], dict[int, Any]]:
    """Sleep so that an interrupt is heeded soon."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)
    return ["slept"], {}


class BatchesContract:
    """Tests of batches; `ExecutorContract` has them all."""

    def test_a_batch_is_reported_part_by_part_and_ended_once(self, executor: Executor) -> None:
        """Each submission has its reports, then exactly one end without an error."""
        if executor.inline:
            return  # nothing is submitted to it: the runner calls by itself
        call: Callable[..., Any] = report_with_all if executor.keeps_values else report
        with executor.start():
            batch = [Submission(f"key-{n}", call, f"payload-{n}") for n in range(5)]
            for key, events in events_of(executor, batch).items():
                *reports, end = events
                said = [
                    part for each in reports if isinstance(each, Report) for part in each.reports
                ]
                assert said == [f"seen payload-{key[-1]}"]
                assert isinstance(end, Ended)
                assert end.error is None

    def test_a_call_of_a_batch_that_raises_ends_with_its_error(self, executor: Executor) -> None:
        """One that fails ends with what it raised, and the others do not suffer."""
        if executor.inline:
            return
        bad: Callable[..., Any] = fail_with_all if executor.keeps_values else fail
        good: Callable[..., Any] = report_with_all if executor.keeps_values else report
        with executor.start():
            events = events_of(
                executor, [Submission("bad", bad, "no"), Submission("good", good, "yes")]
            )
        end = events["bad"][-1]
        assert isinstance(end, Ended)
        assert isinstance(end.error, ValueError)
        last = events["good"][-1]
        assert isinstance(last, Ended)
        assert last.error is None

    def test_cancelling_when_nothing_runs_does_nothing(self, executor: Executor) -> None:
        """And the executor still ends in order."""
        with executor.start():
            executor.cancel()

    def test_batches_from_several_threads_do_not_mix(self, executor: Executor) -> None:
        """Each channel gets what belongs to its own submissions, and ends once for each."""
        if executor.inline:
            return
        channels: list[SimpleQueue[Any]] = [SimpleQueue() for _ in range(3)]
        with executor.start():
            for number, channel in enumerate(channels):
                batch = [
                    Submission(f"{number}-{n}", report_with_all, f"{number}-{n}") for n in range(3)
                ]
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
            batch = [
                Submission("bad", report_with_all, threading.Lock()),
                Submission("good", report_with_all, 1),
            ]
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


def events_of(executor: Executor, batch: list[Submission]) -> dict[str, list[Report | Ended]]:
    """Submit a batch; return the events of each submission once all are over."""
    channel: SimpleQueue[Any] = SimpleQueue()
    executor.submit_batch(batch, channel.put)
    events: dict[str, list[Report | Ended]] = {each.key: [] for each in batch}
    for event in until_ended(channel, len(batch)):
        events[event.key].append(event)
    return events


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

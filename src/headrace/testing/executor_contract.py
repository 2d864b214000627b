"""What every executor must do, as tests: subclass `ExecutorContract`.

```python
class TestMyExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self):
        return MyExecutor()
```
"""

from __future__ import annotations

import datetime
import logging
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest

from headrace import Flow, case, context, flatten, signals, task, triggers, unmapped
from headrace.executors.base import Ended, Executor, Report, Submission
from headrace.executors.local import LocalExecutor
from headrace.states import Cached, Mapped, State
from headrace.testing.calls_contract import PATIENCE, CallsContract

if TYPE_CHECKING:
    from collections.abc import Callable


def _double(x: int) -> int:
    return 2 * x


def _fail(message: str) -> None:
    raise ValueError(message)


def _report(payload: Any) -> tuple[list[Any], dict[int, Any]]:
    return [f"seen {payload}"], {}


def _report_with_all(payload: Any, *_rest: Any) -> tuple[list[Any], dict[int, Any]]:
    return [f"seen {payload}"], {}


def _fail_with_all(payload: Any, *_rest: Any) -> None:
    raise ValueError(payload)


class ExecutorContract(CallsContract):
    """Tests of one executor. A subclass gives the fixture `executor`."""

    @pytest.fixture
    def executor(self) -> Executor:
        """Return an executor that is not started."""
        raise NotImplementedError("An ExecutorContract needs a fixture `executor`.")

    # -- calls ----------------------------------------------------------------------------

    def test_a_call_gives_its_value(self, executor: Executor) -> None:
        """`wait(submit(fn, ...))` is `fn(...)`, for positional and keyword arguments."""
        with executor.start():
            assert executor.wait(executor.submit(_double, 4)) == 8
            assert executor.wait(executor.submit(_double, x=5)) == 10

    def test_waiting_resolves_futures_wherever_they_are(self, executor: Executor) -> None:
        """Futures in lists and dicts are replaced, and other values stay."""
        with executor.start():
            futures = {"a": [executor.submit(_double, n) for n in range(3)], "b": "as it is"}
            assert executor.wait(futures) == {"a": [0, 2, 4], "b": "as it is"}

    def test_what_a_call_raises_is_raised_to_who_waits(self, executor: Executor) -> None:
        """The exception is of the same type and says the same."""
        with executor.start(), pytest.raises(ValueError, match="bad luck"):
            executor.wait(executor.submit(_fail, "bad luck"))

    def test_it_is_ready_again_after_use(self, executor: Executor) -> None:
        """An executor can be started for one run after another."""
        for n in range(2):
            with executor.start():
                assert executor.wait(executor.submit(_double, n)) == 2 * n

    def test_it_ends_when_the_block_raises(self, executor: Executor) -> None:
        """What a block raises comes out of it, and the executor can be started again."""
        with pytest.raises(KeyError), executor.start():
            raise KeyError("in the block")
        with executor.start():
            assert executor.wait(executor.submit(_double, 1)) == 2

    def test_it_has_a_slot_at_least(self, executor: Executor) -> None:
        """Somewhere a call can run."""
        with executor.start():
            assert executor.slots >= 1
        assert executor.queue_depth >= 1
        assert executor.chunk_seconds >= 0

    # -- batches --------------------------------------------------------------------------

    def _events(
        self, executor: Executor, submissions: list[Submission]
    ) -> dict[str, list[Report | Ended]]:
        """Submit a batch, and return the events of each submission once all are over."""
        channel: SimpleQueue[Any] = SimpleQueue()
        executor.submit_batch(submissions, channel.put)
        events: dict[str, list[Report | Ended]] = {each.key: [] for each in submissions}
        open_keys = set(events)
        deadline = time.monotonic() + PATIENCE
        while open_keys:
            try:
                event = channel.get(timeout=max(0.01, deadline - time.monotonic()))
            except Empty:
                raise AssertionError(f"No end was reported of {sorted(open_keys)}.") from None
            if isinstance(event, Report | Ended):
                events[event.key].append(event)
                if isinstance(event, Ended):
                    assert event.key in open_keys, f"{event.key} ended twice"
                    open_keys.discard(event.key)
        return events

    def test_a_batch_is_reported_part_by_part_and_ended_once(self, executor: Executor) -> None:
        """Each submission has its reports, then exactly one end without an error."""
        if executor.inline:
            return  # nothing is submitted to it: the runner calls by itself
        call: Callable[..., Any] = _report_with_all if executor.keeps_values else _report
        with executor.start():
            batch = [Submission(f"key-{n}", call, f"payload-{n}") for n in range(5)]
            for key, events in self._events(executor, batch).items():
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
        bad: Callable[..., Any] = _fail_with_all if executor.keeps_values else _fail
        good: Callable[..., Any] = _report_with_all if executor.keeps_values else _report
        with executor.start():
            events = self._events(
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

    # -- whole flows ----------------------------------------------------------------------

    def test_a_flow_gives_the_states_that_it_gives_here(self, executor: Executor) -> None:
        """Types, results and run counts of all states are those of `LocalExecutor`."""
        flow = contract_flow()
        here, there = flow.run(executor=LocalExecutor()), flow.run(executor=executor)
        assert _digest(there, flow) == _digest(here, flow)

    def test_a_task_that_cannot_travel_fails_alone_and_is_named(self, executor: Executor) -> None:
        """An executor whose calls leave the process says which task it cannot send."""
        lock = threading.Lock()

        @task
        def holds_a_lock() -> bool:
            return lock.locked()

        @task
        def other() -> int:
            return 1

        with Flow("unpicklable") as flow:
            bad, good = holds_a_lock(), other()
        state = flow.run(executor=executor)
        assert state.result[good].is_successful()
        if executor.leaves_process:
            assert state.result[bad].is_failed()
            assert "pickle" in state.result[bad].message
        else:
            assert state.result[bad].is_successful()

    def test_a_timeout_ends_a_task(self, executor: Executor) -> None:
        """A task that sleeps for longer than its timeout is `TimedOut`, long before it wakes."""

        @task(timeout=0.2)
        def sleeps() -> None:
            time.sleep(PATIENCE)

        with Flow("timeout") as flow:
            slept = sleeps()
        begun = time.monotonic()
        state = flow.run(executor=executor)
        assert type(state.result[slept]).__name__ == "TimedOut"
        assert time.monotonic() - begun < PATIENCE / 2

    def test_two_runs_one_after_another(self, executor: Executor) -> None:
        """An executor serves one flow run after another, with the same states."""
        flow = contract_flow()
        first, second = flow.run(executor=executor), flow.run(executor=executor)
        assert _digest(first, flow) == _digest(second, flow)

    def test_context_keys_go_where_the_tasks_go(self, executor: Executor) -> None:
        """A task sees the run's keys, its own, and those that a user has set around the run."""

        @task
        def look(x: int) -> tuple[Any, ...]:
            return context.flow_name, context.task_full_name, context.map_index, context.mine

        with Flow("keys") as flow:
            looked = look.map([5, 6])
        with context(mine="around"):
            state = flow.run(executor=executor)
        assert [tuple(each) for each in state.result[looked].result] == [
            ("keys", f"look[{n}]", n, "around") for n in range(2)
        ]

    def test_log_lines_arrive_in_the_runners_logs(self, executor: Executor) -> None:
        """What a task logs is handled where the flow was run."""
        seen: list[str] = []

        @task
        def says() -> None:
            context.logger.warning("hello from %s", "the task")

        class Keep(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                seen.append(record.getMessage())

        with Flow("says") as flow:
            says()
        handler, logger = Keep(), logging.getLogger("headrace.says")
        logger.addHandler(handler)
        try:
            flow.run(executor=executor)
        finally:
            logger.removeHandler(handler)
        assert seen == ["hello from the task"]

    def test_results_are_cached_for_later_runs(self, executor: Executor) -> None:
        """A second run takes what the first has kept, wherever it was computed."""
        key = f"contract-{time.monotonic_ns()}"

        @task(cache_for=datetime.timedelta(hours=1), cache_key=key)
        def now_in_ns() -> int:
            return time.time_ns()

        with Flow("cached") as flow:
            cached = now_in_ns()
        first, second = (flow.run(executor=executor).result[cached] for _ in range(2))
        assert isinstance(first, Cached)
        assert isinstance(second, Cached)
        assert first.result == second.result

    def test_the_place_of_each_task_run_is_recorded(self, executor: Executor) -> None:
        """States say on which host and in which process they came about."""

        @task
        def where() -> int:
            import os

            return os.getpid()

        with Flow("places") as flow:
            place = where()
        state = flow.run(executor=executor)
        assert state.result[place].place.pid == state.result[place].result

    def test_a_mapped_pipeline_has_no_barrier(self, executor: Executor) -> None:
        """Child 0 goes through all its tasks while another child of the first task still runs."""

        @task
        def first(n: int) -> int:
            time.sleep(0.6 if n else 0.0)
            return n

        @task
        def second(n: int) -> float:
            return time.time()

        @task
        def ended(n: int) -> float:
            return time.time()

        with Flow("no barrier") as flow:
            firsts = first.map([0, 1])
            seconds = second.map(firsts)
            whole = ended(firsts)
        state = flow.run(executor=executor)
        assert state.result[seconds].result[0] < state.result[whole].result


def contract_flow() -> Flow:
    """Make a flow that has something of everything that states can come from."""
    no_delay = datetime.timedelta(0)

    @task
    def numbers(n: int) -> list[int]:
        return list(range(n))

    @task
    def inverse(x: int) -> float:
        return 1 / x

    @task
    def plus(x: Any, y: int) -> Any:
        return x + y

    @task(trigger=triggers.any_successful)
    def count(xs: list[Any]) -> int:
        return len([x for x in xs if isinstance(x, int | float)])

    @task
    def nested(x: int) -> list[int]:
        return [x] * x

    @task
    def total(xs: list[int]) -> int:
        return sum(xs)

    @task(max_retries=2, retry_delay=no_delay)
    def third_time() -> int:
        if context.task_run_count < 3:
            raise RuntimeError("not yet")
        return int(context.task_run_count)

    @task
    def loops() -> int:
        turn: int = context.get("task_loop_count") or 1
        if turn < 4:
            raise signals.LOOP(result=turn)
        return turn

    @task
    def skips() -> None:
        raise signals.SKIP("not today")

    @task(trigger=triggers.any_failed)
    def mends(xs: Any) -> str:
        return "mended"

    @task(skip_on_upstream_skip=False)
    def goes_on(x: Any) -> str:
        return "on"

    @task
    def names() -> tuple[str, str, int]:
        return context.flow_name, context.task_name, context.parameters.get("absent", 3)

    @task
    def big(x: int) -> str:
        return "x" * (5000 + x)

    @task
    def lengths(xs: list[str]) -> list[int]:
        return [len(x) for x in xs]

    with Flow("contract") as flow:
        source = numbers(5)
        inverses = inverse.map(source)
        more = plus.map(inverses, unmapped(1))
        count(more)
        mends(inverses)
        total(flatten(nested.map(source)))
        plus.map(flatten(nested.map(source)), y=unmapped(10))
        plus(third_time(), loops())
        skipped = skips()
        goes_on(skipped)
        plus(skipped, 1)
        names()
        lengths(big.map(source))
        empty = inverse.map(numbers(0))
        total(empty)
        with case(total(source), 10):
            plus(source, [1])
        with case(total(source), 11):
            plus(source, [2])
    return flow


def _digest(state: State, flow: Flow) -> dict[str, Any]:
    slugs = flow.slugs
    return {"": type(state).__name__, **{slugs[t]: _seen(s) for t, s in state.result.items()}}


def _seen(state: State | None) -> Any:
    if isinstance(state, Mapped):
        return ["Mapped", *map(_seen, state.map_states)]
    if state is None:
        return None
    value = state.result
    return type(state).__name__, repr(value) if isinstance(value, BaseException) else value

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
from typing import Any

import pytest

from headrace import Flow, context, task
from headrace.core.undefined import undefined
from headrace.executors.base import Executor
from headrace.executors.local import LocalExecutor
from headrace.states import Cached
from headrace.testing.batches_contract import BatchesContract
from headrace.testing.calls_contract import PATIENCE, CallsContract
from headrace.testing.contract_flow import contract_flow, digest


class ExecutorContract(CallsContract, BatchesContract):
    """Tests of one executor. A subclass gives the fixture `executor`."""

    @pytest.fixture
    def executor(self) -> Executor:
        """Return an executor that is not started."""
        raise undefined(
            self, "executor", "a fixture that returns the executor to test, not started"
        )

    def test_a_flow_gives_the_states_that_it_gives_here(self, executor: Executor) -> None:
        """Types, results and run counts of all states are those of `LocalExecutor`."""
        flow = contract_flow()
        here, there = flow.run(executor=LocalExecutor()), flow.run(executor=executor)
        assert digest(there, flow) == digest(here, flow)

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
        assert digest(first, flow) == digest(second, flow)

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

"""A task that raises `KeyboardInterrupt` cancels its run, on every executor alike."""

from __future__ import annotations

import pytest

from headrace import Flow, task
from headrace.executors import Executor, LocalDaskExecutor, LocalExecutor
from headrace.states import Cancelled


@pytest.mark.parametrize(
    "executor",
    [LocalExecutor(), LocalDaskExecutor("threads"), LocalDaskExecutor("processes", num_workers=1)],
    ids=str,
)
def test_a_task_that_interrupts_itself_cancels_the_run(executor: Executor) -> None:
    @task
    def interrupts() -> None:
        raise KeyboardInterrupt

    with Flow("interrupted") as flow:
        first = interrupts()
        after = task(lambda x: x, name="after")(first)
    state = flow.run(executor=executor)
    assert isinstance(state, Cancelled)
    assert isinstance(state.result[first], Cancelled)
    assert isinstance(state.result[after], Cancelled)

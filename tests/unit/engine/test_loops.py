"""Tasks that ask to be run again with `LOOP`."""

import datetime

import pytest

from headrace import Flow, context, task
from headrace.executors import LocalDaskExecutor, LocalExecutor
from headrace.signals import LOOP

AT_ONCE = datetime.timedelta(0)


@pytest.fixture(params=[LocalExecutor, LocalDaskExecutor])
def executor(request):
    return request.param()


def test_a_turn_gets_what_the_turn_before_gave(executor):
    @task
    def count():
        turn = context.get("task_loop_count", 1)
        so_far = context.get("task_loop_result") or []
        if turn < 4:
            raise LOOP(result=[*so_far, turn])
        return so_far

    with Flow("loop") as flow:
        counted = count()
    assert flow.run(executor=executor).result[counted].result == [1, 2, 3]


def test_a_loop_of_many_turns_does_not_recurse(executor):
    @task
    def count():
        turn = context.get("task_loop_count", 1)
        if turn < 3000:
            raise LOOP(result=turn)
        return turn

    with Flow("loop") as flow:
        counted = count()
    assert flow.run(executor=executor).result[counted].result == 3000


def test_each_turn_has_retries_of_its_own(executor):
    runs = []

    @task(max_retries=1, retry_delay=AT_ONCE)
    def unsteady():
        turn = context.get("task_loop_count", 1)
        runs.append((turn, context.task_run_count))
        if context.task_run_count == 1:
            raise ConnectionError(turn)
        if turn < 3:
            raise LOOP(result=turn)
        return turn

    with Flow("loop") as flow:
        last = unsteady()
    assert flow.run(executor=executor).result[last].result == 3
    assert runs == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)]


def test_a_retry_goes_on_with_its_turn(executor):
    @task(max_retries=1, retry_delay=AT_ONCE)
    def fails_in_the_second_turn():
        turn = context.get("task_loop_count", 1)
        before = context.get("task_loop_result")
        if turn == 2 and context.task_run_count == 1:
            raise ValueError(turn)
        if turn < 3:
            raise LOOP(result=turn * 10)
        return before

    with Flow("loop") as flow:
        last = fails_in_the_second_turn()
    assert flow.run(executor=executor).result[last].result == 20


def test_each_child_loops_by_itself(executor):
    @task
    def down(x):
        left = context.get("task_loop_result", x)
        if left:
            raise LOOP(result=left - 1)
        return (x, context.get("task_loop_count", 1))

    with Flow("loop") as flow:
        ended = down.map([0, 2, 1])
    assert flow.run(executor=executor).result[ended].result == [(0, 1), (2, 3), (1, 2)]

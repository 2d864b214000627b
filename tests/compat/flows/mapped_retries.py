"""Children of mapped tasks that fail, are retried alone, and what hangs on each of them."""

from datetime import timedelta

import prefect
from prefect import Flow, task
from prefect.engine.signals import FAIL, LOOP, RETRY
from prefect.triggers import all_finished, any_failed, some_successful

record = []
AT_ONCE = timedelta(seconds=0)


@task
def numbers():
    return [0, 1, 2, 3]


@task(max_retries=2, retry_delay=AT_ONCE)
def flaky(x):
    record.append(["flaky", x, prefect.context.task_run_count, prefect.context.map_index])
    if prefect.context.task_run_count <= x:
        raise ValueError(f"{x}, try {prefect.context.task_run_count}")
    return x * 10


@task(max_retries=1, retry_delay=AT_ONCE)
def flaky_by_signal(x):
    if x == 1:
        raise FAIL("refused", result="refused")
    if x == 2 and prefect.context.task_run_count == 1:
        raise RETRY("of itself")
    return x


@task(max_retries=1, retry_delay=AT_ONCE)
def loops(x):
    turn = prefect.context.get("task_loop_count", 1)
    if x == 2 and turn == 2 and prefect.context.task_run_count == 1:
        raise ConnectionError("in the second turn")
    if turn <= x:
        raise LOOP(result=prefect.context.get("task_loop_result", 0) + x)
    return prefect.context.get("task_loop_result", 0)


@task
def inc(x):
    return x + 1


@task(trigger=all_finished)
def whatever(x):
    return isinstance(x, Exception) or x


@task(trigger=any_failed)
def alarm(x):
    return "alarm"


@task(trigger=some_successful(at_least=3))
def enough(xs):
    return len(xs)


with Flow("mapped retries") as flow:
    xs = numbers()
    tried = flaky.map(xs)
    after = inc.map(tried)
    ended = whatever.map(tried)
    alarmed = alarm.map(after)
    counted = enough(tried)
    signalled = flaky_by_signal.map(xs)
    after_signal = inc.map(signalled)
    looped = loops.map(xs)
    at_last = inc.map(looped)

if __name__ == "__main__":
    state = flow.run()
    record.sort()
    children = state.result[tried].map_states
    record.append([type(child).__name__ for child in children])
    record.append([str(children[3].result), children[0].message == children[1].message])

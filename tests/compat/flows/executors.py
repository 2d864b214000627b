"""One flow on several executors."""

import time

from prefect import Flow, task
from prefect.executors import LocalDaskExecutor, LocalExecutor
from prefect.executors.dask import LocalDaskExecutor as SameExecutor

record = []


@task
def numbers(n):
    return list(range(n))


@task
def slow_square(x):
    time.sleep(0.01)
    return x * x


@task
def reject_nine(x):
    if x == 9:
        raise ValueError("nine")
    return x


@task
def total(xs):
    return sum(xs)


with Flow("many places", executor=LocalDaskExecutor(scheduler="threads", num_workers=4)) as flow:
    squares = slow_square.map(numbers(5))
    checked = reject_nine.map(squares)
    summed = total(squares)
    not_summed = total(checked)

flow.set_reference_tasks([summed])

if __name__ == "__main__":
    threads = flow.run()
    flow.executor = LocalExecutor()
    local = flow.run()
    one_worker = flow.run(executor=SameExecutor(num_workers=1))
    record.append([flow.executor.__class__.__name__, SameExecutor().scheduler])

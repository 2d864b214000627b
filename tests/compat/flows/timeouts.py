"""Tasks that take too long."""

import time
from datetime import timedelta

import prefect
from prefect import Flow, task
from prefect.exceptions import PrefectSignal, TaskTimeoutSignal

record = []


@task(timeout=1)
def too_slow():
    time.sleep(5)


@task(timeout=timedelta(seconds=5))
def in_time():
    return "in time"


@task(timeout=1, max_retries=1, retry_delay=timedelta(seconds=0))
def faster_next_time():
    if prefect.context.task_run_count == 1:
        time.sleep(5)
    return "second try"


@task
def after(x):
    return x


with Flow("timeouts") as flow:
    slow = too_slow()
    not_run = after(slow)
    quick = in_time()
    second = faster_next_time()

if __name__ == "__main__":
    state = flow.run()
    record.append([issubclass(TaskTimeoutSignal, PrefectSignal), in_time.timeout])

"""A flow whose tasks leave this process, and import `prefect` over there."""

import os

import prefect
from prefect import Flow, task
from prefect.engine.signals import SKIP
from prefect.executors import LocalDaskExecutor


@task
def where(x):
    import prefect as prefect_over_there

    return [x, prefect_over_there.context.map_index, prefect.context.task_name]


@task
def odd_ones(x):
    if x % 2 == 0:
        raise SKIP("even")
    return x


@task
def away(pid):
    return os.getpid() != pid


with Flow("processes") as flow:
    places = where.map([1, 2, 3])
    odd = odd_ones.map([1, 2, 3])
    gone = away(os.getpid())

if __name__ == "__main__":
    flow.executor = LocalDaskExecutor(scheduler="processes", num_workers=2)
    state = flow.run()

"""Tasks that ask to be run again with what they have so far."""

from datetime import timedelta

import prefect
from prefect import Flow, Parameter, task
from prefect.engine.signals import LOOP

record = []


@task
def factorial(n):
    so_far = prefect.context.get("task_loop_result", 1)
    turn = prefect.context.get("task_loop_count", 1)
    record.append([n, turn, so_far])
    if turn > n:
        return so_far
    raise LOOP(message=f"turn {turn}", result=so_far * turn)


@task(max_retries=1, retry_delay=timedelta(seconds=0))
def shaky_sum(limit):
    payload = prefect.context.get("task_loop_result", {"sum": 0, "n": 0})
    if payload["n"] == 2 and prefect.context.task_run_count == 1:
        raise ConnectionError("lost in the middle of the loop")
    if payload["n"] >= limit:
        return payload
    raise LOOP(result={"sum": payload["sum"] + payload["n"], "n": payload["n"] + 1})


@task
def doomed():
    turn = prefect.context.get("task_loop_count", 1)
    if turn == 3:
        raise ValueError("the third turn fails")
    raise LOOP(result=turn)


@task
def total(xs):
    return sum(xs)


with Flow("loops") as flow:
    n = Parameter("n", default=4)
    single = factorial(n)
    many = factorial.map([1, 2, 3])
    summed = total(many)
    shaky = shaky_sum(4)
    never = doomed()
    after_never = total(never)

if __name__ == "__main__":
    state = flow.run()
    # A task and its mapped kin run in any order.
    record.sort(key=lambda entry: entry[0])

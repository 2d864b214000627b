"""What decides how a flow ends: its terminal tasks, its reference tasks, states that are given."""

from prefect import Flow, task
from prefect.engine.signals import SKIP
from prefect.engine.state import Failed, Skipped, Success
from prefect.triggers import always_run

record = []


@task
def good():
    return 1


@task
def bad():
    raise ValueError("bad")


@task
def skip():
    raise SKIP("no")


@task
def after(x):
    record.append(["after", x])
    return x


@task(trigger=always_run)
def clean_up():
    return "clean"


with Flow("terminal failed") as terminal_failed:
    good()
    bad()

with Flow("terminal skipped") as terminal_skipped:
    after(skip())

with Flow("failure in the middle") as in_the_middle:
    clean_up(upstream_tasks=[bad()])

with Flow("reference in the middle") as reference_middle:
    failing = bad()
    clean_up(upstream_tasks=[failing])
reference_middle.set_reference_tasks([failing])

with Flow("reference skipped") as reference_skipped:
    skipped = skip()
    failing_too = bad()
reference_skipped.set_reference_tasks([skipped])

with Flow("mapped reference") as mapped_reference:
    checked = after.map([1, 2])
    failing_last = bad(upstream_tasks=[checked])
mapped_reference.set_reference_tasks([checked])

with Flow("given") as given:
    first = good()
    second = after(first)
    third = after(second)

empty = Flow("empty")

with Flow(
    "terminal handler",
    terminal_state_handler=lambda flow, state, states: record.append(
        sorted(type(s).__name__ for s in states)
    ),
) as handled:
    good()
    after.map([1, 2])
    skip()

if __name__ == "__main__":
    a = terminal_failed.run()
    b = terminal_skipped.run()
    c = in_the_middle.run()
    d = reference_middle.run()
    e = reference_skipped.run()
    f = mapped_reference.run()
    record.sort()
    g = given.run(task_states={first: Success(result=50)})
    h = given.run(task_states={second: Failed("said so", result=ValueError("x"))})
    i = given.run(task_states={first: Skipped("given")})
    j = given.run(task_states={third: Success(result="all there")})
    k = empty.run()
    m = handled.run()
    record[-3:] = sorted(record[-3:], key=str)
    record.append([s.message for s in (a, b, d, k)])

"""Tasks that are used more than once, and the mistakes that are refused."""

import warnings

from prefect import Flow, Parameter, Task, task, unmapped
from prefect.core import Edge
from prefect.engine.signals import SKIP

record = []


def refused(what, fn, *kinds):
    try:
        fn()
    except kinds as error:
        record.append([what, "refused", isinstance(error, Exception)])
    else:
        record.append([what, "accepted"])


@task
def one():
    return 1


@task
def add(x, y):
    return x + y


class Sum(Task):
    def run(self, xs):
        return sum(xs)


def vararg_task():
    @task
    def many(*args):
        return args


def call_with_unknown():
    with Flow("x"):
        add(1, 2, z=3)


def call_with_missing():
    with Flow("x"):
        add(1)


def map_over_number():
    with Flow("x"):
        add.map(1, [2])


def same_slug():
    flow = Flow("x")
    flow.add_task(Task(name="a", slug="s"))
    flow.add_task(Task(name="b", slug="s"))


def cycle():
    flow = Flow("x")
    a, b = Task("a"), Task("b")
    flow.add_edge(a, b)
    flow.add_edge(b, a)
    flow.validate()


def upstream_of_parameter():
    flow = Flow("x")
    flow.add_edge(one, Parameter("p"))


def bad_key():
    Edge(one, add, key="not a name")


def no_delay():
    task(lambda: 1, max_retries=1)


def string_tags():
    Task(tags="tag")


def no_name():
    Flow("")


def reference_elsewhere():
    Flow("x").set_reference_tasks([one])


def iterate_task():
    with Flow("x"):
        _a, _b = one()


def negative_schedule():
    import datetime

    from prefect.schedules import IntervalSchedule

    IntervalSchedule(interval=datetime.timedelta(seconds=-1))


def bad_cron():
    from prefect.schedules import CronSchedule

    CronSchedule("61 * * * *")


def unknown_parameter():
    with Flow("x") as flow:
        one()
    flow.run(parameters={"nope": 1})


def run_inside_block():
    with Flow("x") as flow:
        one()
        flow.run()


with Flow("reuse") as flow:
    first = one()
    second = one()
    renamed = one(task_args={"name": "renamed", "max_retries": 0})
    total = Sum()([first, second, renamed])
    again = Sum(name="again")([total, 1])
    bound = add.copy()
    bound.bind(first, y=total)
    chained = add(add(1, 2), add(3, add(4, 5)))
    mapped_twice = add.map([1, 2], unmapped(chained))

combined = flow.copy()
with combined:
    extra = add(first, 100)

if __name__ == "__main__":
    state = flow.run()
    combined_state = combined.run()
    record.append([extra in flow.tasks, extra in combined.tasks, first in combined.tasks])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refused("varargs", vararg_task, ValueError)
        refused("unknown argument", call_with_unknown, TypeError)
        refused("missing argument", call_with_missing, TypeError)
        refused("map over a number", map_over_number, TypeError)
        refused("same slug", same_slug, ValueError)
        refused("cycle", cycle, ValueError)
        refused("upstream of a parameter", upstream_of_parameter, ValueError)
        refused("bad key", bad_key, ValueError)
        refused("retries without a delay", no_delay, ValueError)
        refused("one string as tags", string_tags, TypeError)
        refused("a flow without a name", no_name, ValueError)
        refused("reference task elsewhere", reference_elsewhere, ValueError)
        refused("unpacking without nout", iterate_task, TypeError)
        refused("interval below zero", negative_schedule, ValueError)
        refused("bad cron", bad_cron, ValueError)
        refused("unknown parameter", unknown_parameter, ValueError)
        refused("run in its block", run_inside_block, ValueError, RuntimeError)
        refused("run outside", one, ValueError)
        refused("a task that is no task", lambda: Flow("x").add_task("a"), TypeError)
        refused("signal", lambda: (_ for _ in ()).throw(SKIP()), SKIP)

"""What tasks find in the context, and what users put there."""

import datetime

import pendulum
import prefect
from prefect import Flow, Parameter, context, task
from prefect.utilities.context import Context

record = []


@task
def days():
    today = datetime.datetime.strptime(context.today, "%Y-%m-%d")
    yesterday = datetime.datetime.strptime(context.yesterday, "%Y-%m-%d")
    tomorrow = datetime.datetime.strptime(context.tomorrow, "%Y-%m-%d")
    return [
        (tomorrow - yesterday).days,
        today < tomorrow,
        context.today_nodash == context.today.replace("-", ""),
        context.yesterday_nodash == context.yesterday.replace("-", ""),
        context.tomorrow_nodash == context.tomorrow.replace("-", ""),
        isinstance(context.date, datetime.datetime),
        context.scheduled_start_time <= context.date,
    ]


@task
def pendulums():
    start = prefect.context.scheduled_start_time
    return [
        start.subtract(days=1).diff(start).in_days(),
        start.in_timezone("UTC").timezone_name,
        start.to_date_string() == start.format("YYYY-MM-DD"),
        prefect.context["date"].start_of("day").hour,
        pendulum.instance(start) == start,
    ]


@task
def names(x):
    return {
        key: context.get(key)
        for key in (
            "task_name",
            "task_full_name",
            "task_slug",
            "map_index",
            "flow_name",
            "flow_id",
            "task_run_count",
            "parameters",
            "task_loop_count",
            "checkpointing",
        )
    }


@task
def known(x):
    ids = [context.flow_run_id, context.flow_run_name, context.task_run_id, context.task_id]
    return [all(isinstance(value, str) and value for value in ids), "logger" in context]


@task
def own_keys():
    with prefect.context(temporary=1):
        inside = prefect.context.temporary
    return [inside, prefect.context.get("temporary", "gone"), prefect.context.get("team")]


@task
def absent():
    return prefect.context.no_such_key


@task
def absent_item():
    return prefect.context["no_such_key"]


with Flow("context") as flow:
    x = Parameter("x", default=1)
    days()
    pendulums()
    single = names(x)
    many = names.map([x, 2])
    known(x)
    own_keys()
    absent()
    absent_item()

if __name__ == "__main__":
    with prefect.context(team="data"):
        state = flow.run()
    given = flow.run(context={"team": "ops", "today": "1999-12-31"})
    record.append(prefect.context.get("team", "nobody"))
    with prefect.context({"a": 1}, b=2) as inside:
        record.append([inside.a, inside["b"], inside.get("c"), "a" in prefect.context])
    record.append(["a" in prefect.context, isinstance(prefect.context, Context)])
    record.append(prefect.context.config is not None)

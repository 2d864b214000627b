"""Extract, transform, load, where the source is not always there."""

from datetime import timedelta

import prefect
from prefect import Flow, Parameter, task


class SourceDown(Exception):
    pass


@task(max_retries=3, retry_delay=timedelta(seconds=0), retry_on=SourceDown)
def extract(day):
    logger = prefect.context.get("logger")
    logger.info("Asking for %s, try %s", day, prefect.context.task_run_count)
    if prefect.context.task_run_count < 3:
        raise SourceDown("connection refused")
    return [{"id": n, "amount": n * 10} for n in range(4)]


@task
def transform(rows, factor):
    return [{**row, "amount": row["amount"] * factor} for row in rows]


@task(name="Load rows", tags=["warehouse"])
def load(rows):
    return sum(row["amount"] for row in rows)


@task(max_retries=2, retry_delay=timedelta(seconds=0))
def archive(rows):
    raise OSError("disk is full")


@task(max_retries=5, retry_delay=timedelta(seconds=0), retry_on=(SourceDown, TimeoutError))
def publish(total):
    raise RuntimeError("not worth a retry")


with Flow("etl") as flow:
    day = Parameter("day", default="2024-01-01")
    factor = Parameter("factor", default=2)
    rows = extract(day)
    clean = transform(rows, factor=factor)
    total = load(clean)
    archived = archive(clean)
    published = publish(total)

flow.set_reference_tasks([total])

if __name__ == "__main__":
    state = flow.run()
    again = flow.run(parameters={"factor": 3}, day="2024-02-02")

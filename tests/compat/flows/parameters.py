"""Parameters: defaults, required ones, dates, and what is wrong with them."""

import datetime

from prefect import Flow, Parameter, task
from prefect.core.parameter import DateTimeParameter

record = []


@task
def describe(a, b, when):
    day = None if when is None else when.isoformat()
    return [a, b, day]


@task
def later(when):
    return (when + datetime.timedelta(days=1)).isoformat()


with Flow("parameters") as flow:
    a = Parameter("a")
    b = Parameter("b", default={"nested": [1, 2]}, tags=["json"])
    when = DateTimeParameter("when", required=False)
    described = describe(a, b, when)

with Flow("required date") as dated:
    moment = DateTimeParameter("moment")
    tomorrow = later(moment)

with Flow("used by name") as named:
    items = Parameter("items", default=[3, 4])
    first = items[0]
    doubled = first * 2

if __name__ == "__main__":
    state = flow.run(a=1)
    both = flow.run(parameters={"a": 2, "b": None, "when": "2024-05-06T07:08:09+02:00"})
    overridden = flow.run(parameters={"a": 1}, a=3)
    date_state = dated.run(moment="2024-12-31")
    wrong = dated.run(moment="not a date")
    named_state = named.run()
    other_items = named.run(items=[9])

    for arguments in ({}, {"a": 1, "c": 2}):
        try:
            flow.run(parameters=arguments)
        except (ValueError, TypeError) as error:
            record.append(["refused", sorted(arguments), isinstance(error, ValueError)])
    record.append(sorted((p.name, p.required, p.default is None) for p in flow.parameters()))
    record.append([flow.get_tasks(name="b")[0].tags == {"json"}, a.slug])
    try:
        with Flow("twice"):
            Parameter("x")()
            Parameter("x")()
    except ValueError:
        record.append("one name, one parameter")

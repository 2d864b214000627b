"""Results that are used again by later runs of the same process."""

from datetime import timedelta

from prefect import Flow, Parameter, task
from prefect.engine.cache_validators import (
    all_inputs,
    all_parameters,
    duration_only,
    never_use,
    partial_inputs_only,
    partial_parameters_only,
)

record = []
HOUR = timedelta(hours=1)


@task(cache_for=HOUR)
def by_duration(x):
    record.append(["by_duration", x])
    return x


@task(cache_for=HOUR, cache_validator=all_inputs)
def by_inputs(x, y):
    record.append(["by_inputs", x, y])
    return x + y


@task(cache_for=HOUR, cache_validator=all_parameters)
def by_parameters(x):
    record.append(["by_parameters", x])
    return x


@task(cache_for=HOUR, cache_validator=partial_inputs_only(validate_on=["x"]))
def by_x_alone(x, y):
    record.append(["by_x_alone", x, y])
    return x + y


@task(cache_for=HOUR, cache_validator=partial_parameters_only(["x"]))
def by_parameter_x(x):
    record.append(["by_parameter_x", x])
    return x


@task(cache_for=HOUR, cache_validator=never_use)
def never(x):
    record.append(["never", x])
    return x


@task(cache_for=HOUR, cache_key="shared")
def first_of_two():
    record.append(["first_of_two"])
    return "shared"


@task(cache_for=HOUR, cache_key="shared", cache_validator=duration_only)
def second_of_two():
    record.append(["second_of_two"])
    return "not shared"


@task(cache_for=timedelta(seconds=0))
def stale(x):
    record.append(["stale", x])
    return x


@task(cache_for=HOUR)
def failing(x):
    record.append(["failing", x])
    raise ValueError(x)


@task(cache_for=HOUR, cache_validator=all_inputs)
def mapped(x):
    record.append(["mapped", x])
    return x * x


with Flow("cached") as flow:
    x = Parameter("x", default=1)
    y = Parameter("y", default=1)
    by_duration(x)
    by_inputs(x, y)
    by_parameters(x)
    by_x_alone(x, y)
    by_parameter_x(x)
    never(x)
    first_of_two()
    stale(x)
    failing(x)
    mapped.map([1, 2, 3])

with Flow("shares the cache") as other:
    second_of_two()

if __name__ == "__main__":
    first = flow.run()
    second = flow.run()
    third = flow.run(y=2)
    fourth = flow.run(x=2)
    shared = other.run()
    # Tasks that do not depend on each other run in any order.
    record.sort(key=lambda entry: entry[0])

"""Branches: case, switch, ifelse and merge, decided by parameters."""

from prefect import Flow, Parameter, case, task
from prefect.tasks.control_flow import ifelse, merge, switch
from prefect.tasks.control_flow.filter import FilterTask


@task
def is_large(n):
    return n > 10


@task
def shrink(n):
    return n - 10


@task
def grow(n):
    return n + 10


@task
def kind_of(n):
    return ["even", "odd"][n % 2]


@task
def announce(kind, n):
    return f"{n} is {kind}"


@task
def report(value):
    return f"result: {value}"


@task
def boom():
    raise ValueError("boom")


with Flow("branches") as flow:
    n = Parameter("n", default=4)

    large = is_large(n)
    with case(large, True):
        small_enough = shrink(n)
        with case(kind_of(small_enough), "odd"):
            nested = announce("odd and large", small_enough)
    with case(large, False):
        large_enough = grow(n)
    merged = merge(small_enough, large_enough)
    reported = report(merged)

    chosen = switch(
        kind_of(n),
        {"even": announce("even", n), "odd": announce("odd", n)},
    )

    a, b = grow(n), shrink(n)
    ifelse(large, a, b)
    either = merge(a, b)

with Flow("only a true branch") as lonely:
    flag = Parameter("flag", default=False)
    step = grow(1)
    ifelse(flag, step, None)
    end = report(step)
    end.skip_on_upstream_skip = False

with Flow("failing condition") as broken:
    condition = boom()
    with case(condition, True):
        inside = grow(1)
    outside = merge(inside, grow(2))

with Flow("filter") as filtering:
    keep_small = FilterTask(filter_func=lambda n: n < 3)
    kept = keep_small([1, 2, 3, 4])
    ok = FilterTask()([1, None, ValueError("x"), 2])

if __name__ == "__main__":
    even = flow.run()
    odd = flow.run(n=21)
    lonely_state = lonely.run()
    lonely_true = lonely.run(flag=True)
    broken_state = broken.run()
    filtered = filtering.run()

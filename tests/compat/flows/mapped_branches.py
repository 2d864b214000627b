"""Branches, skips and orders among the children of mapped tasks."""

from prefect import Flow, Parameter, case, flatten, mapped, task, unmapped
from prefect.engine.signals import SKIP
from prefect.tasks.control_flow import ifelse, merge, switch
from prefect.triggers import all_finished, not_all_skipped

record = []


@task
def numbers(n):
    return list(range(n))


@task
def even(x):
    return x % 2 == 0


@task
def kind(x):
    return ["zero", "one", "many"][min(x, 2)]


@task
def skip_odd(x):
    if x % 2:
        raise SKIP(f"{x} is odd")
    return x


@task
def negate(x):
    return -x


@task
def label(x):
    return f"it is {x}"


@task(skip_on_upstream_skip=False)
def unimpressed(x):
    return x is None or isinstance(x, int)


@task(skip_on_upstream_skip=False, trigger=all_finished)
def total(xs):
    return sum(x for x in xs if isinstance(x, int))


@task(skip_on_upstream_skip=False, trigger=not_all_skipped)
def some_left(xs):
    return "some"


@task
def plain_total(xs):
    return sum(xs)


@task
def note(x):
    record.append(x)


@task
def pair(x):
    return [x, x + 1]


@task
def add(x, y):
    return x + y


with Flow("mapped branches") as flow:
    n = Parameter("n", default=4)
    xs = numbers(n)

    skipped = skip_odd.map(xs)
    followed = negate.map(skipped)
    anyway = unimpressed.map(skipped)
    summed = total(skipped)
    plain = plain_total(skipped)
    left = some_left(skipped)
    none_left = some_left(skip_odd.map([1, 3]))

    kinds = kind.map(xs)
    switched = switch(
        kinds,
        {"zero": label.map(xs), "one": negate.map(xs), "many": negate.map(negate.map(xs))},
        mapped=True,
    )

    chosen = even.map(xs)
    if_even, if_odd = negate.map(xs), label.map(xs)
    ifelse(chosen, if_even, if_odd, mapped=True)
    either = merge(if_even, if_odd, mapped=True)

    noted = note.map(xs, upstream_tasks=[unmapped(summed)])
    noted_after_each = note.map(negate.map(xs), upstream_tasks=[skipped])

    pairs = pair.map(xs)
    flat = negate.map(flatten(pairs))
    twice_flat = add.map(flatten(pair.map(flatten(pairs))), unmapped(n))
    with_constant = add(mapped([1, 2]), unmapped(10))
    both = add.map(x=xs, y=negate.map(xs))

    with case(n, 4):
        only_for_four = negate.map(xs)
        total_for_four = plain_total(only_for_four)
    outside = merge(total_for_four, n)

if __name__ == "__main__":
    state = flow.run()
    record.sort()
    record.append("--")
    fewer = flow.run(n=1)
    record[:] = sorted(record, key=str)
    nothing = flow.run(n=0)

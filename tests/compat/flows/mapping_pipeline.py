"""Mapped tasks: pipelines, reductions, unmapped and flattened inputs, odd lengths, failures."""

import prefect
from prefect import Flow, flatten, mapped, task, unmapped


@task
def numbers(n):
    return list(range(n))


@task
def inc(x):
    return x + 1


@task
def add(x, y):
    return x + y


@task
def scale(x, factors):
    return x * sum(factors)


@task
def total(xs):
    return sum(xs)


@task
def repeat(x):
    return [x] * x


@task
def halve_even(x):
    if x % 2:
        raise ValueError(f"{x} is odd")
    return x // 2


@task
def tidy(xs):
    return sorted(x for x in xs if isinstance(x, int))


@task
def nothing():
    return None


with Flow("map pipeline") as flow:
    ns = numbers(5)
    ones = inc.map(ns)
    twos = inc.map(ones)
    sums = add.map(ones, y=twos)
    all_of_it = total(sums)
    scaled = scale.map(ns, factors=unmapped([1, 2, 3]))
    from_constant = inc.map([10, 20, 30])
    shortest = add.map([1, 2, 3, 4], [10, 20])
    nested = repeat.map(ns)
    flat = inc.map(flatten(nested))
    flat_total = total(flatten(nested))
    by_call = add(mapped(ns), 100)
    mixed = add.map(ns, unmapped(all_of_it))

with Flow("empty map") as empty:
    none = inc.map(numbers(0))
    then = inc.map(none)
    reduced = total(then)

with Flow("failing map") as failing:
    halves = halve_even.map(numbers(4))
    after = inc.map(halves)
    gathered = total(halves)
    tidied = tidy(halves)
    tidied.trigger = prefect.triggers.all_finished

with Flow("unmappable") as unmappable:
    what = inc.map(nothing())
    sequel = inc.map(what)

if __name__ == "__main__":
    state = flow.run()
    empty_state = empty.run()
    failing_state = failing.run()
    unmappable_state = unmappable.run()

"""`apply_map`: functions of several tasks, mapped as a whole."""

from prefect import Flow, Parameter, apply_map, case, flatten, task, unmapped
from prefect.tasks.control_flow import merge


@task
def numbers(n):
    return list(range(n))


@task
def pairs(n):
    return [[i, i + 1] for i in range(n)]


@task
def is_even(x):
    return x % 2 == 0


@task
def inc(x):
    return x + 1


@task
def negate(x):
    return -x


@task
def add(x, y):
    return x + y


@task
def fail_on_two(x):
    if x == 2:
        raise ValueError("two")
    return x


def evens_up_odds_negated(x):
    with case(is_even(x), True):
        up = inc(x)
    with case(is_even(x), False):
        down = negate(x)
    return merge(up, down)


def add_twice(x, y):
    once = add(x, y, task_args={"name": "add once"})
    return add(once, y, task_args={"name": "add twice"})


def two_results(x):
    checked = fail_on_two(x)
    return inc(checked), negate(checked)


def constant_only(x):
    return add(1, 2)


with Flow("apply_map") as flow:
    n = Parameter("n", default=4)
    xs = numbers(n)
    branched = apply_map(evens_up_odds_negated, xs)
    offset = apply_map(add_twice, xs, unmapped(n))
    over_list = apply_map(add_twice, [1, 2, 3], y=[10, 20, 30])
    flat = apply_map(add_twice, flatten(pairs(2)), unmapped(100))
    ups, downs = apply_map(two_results, xs)
    after = inc.map(ups)
    constants = apply_map(constant_only, xs)

if __name__ == "__main__":
    state = flow.run()
    larger = flow.run(n=2)

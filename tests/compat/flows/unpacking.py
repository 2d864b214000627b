"""Several results of one task, indexing, attributes and operators."""

from collections import namedtuple
from typing import Tuple  # noqa: UP035 - as flows of that time were written

from prefect import Flow, Parameter, task
from prefect.tasks.core.operators import GetAttr

Point = namedtuple("Point", "x y")  # noqa: PYI024 - as flows of that time were written
record = []


@task(nout=2)
def bounds(xs):
    return min(xs), max(xs)


@task
def typed() -> Tuple[int, str]:  # noqa: UP006
    return 1, "one"


@task(nout=3)
def too_few():
    return 1, 2


@task
def point():
    return Point(3, 4)


@task
def table():
    return {"rows": [10, 20, 30], "name": "t"}


@task
def show(*, low, high):
    return f"{low}..{high}"


@task
def split(x):
    return x, -x


with Flow("unpacking") as flow:
    xs = Parameter("xs", default=[3, 1, 2])
    low, high = bounds(xs)
    shown = show(low=low, high=high)
    number, word = typed()
    a, b, c = too_few()

    p = point()
    x = GetAttr()(p, "x")
    missing = GetAttr(default="none")(p, "z")

    t = table()
    second = t["rows"][1]
    absent = t["columns"]
    key = t[Parameter("key", default="name")]

    arithmetic = (low + 1) * high - 3
    reflected = 100 - high / 2
    floor = 7 // low
    power = high**2
    modulo = high % 2
    compared = low < high
    both = (low > 0) & (high > 2)
    either = (low > 5) | (high > 5)
    equal = low.is_equal(1)
    different = low.is_not_equal(high)
    negated = (low > 5).not_()
    disjoint = low.or_(high)
    piped = xs.pipe(bounds)

    pairs = split.map(xs)
    first_pair = pairs[0]

if __name__ == "__main__":
    state = flow.run()
    other = flow.run(xs=[5, 6])
    record.append([bounds.nout, typed.nout, table.nout])

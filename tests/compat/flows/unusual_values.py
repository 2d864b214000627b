"""Inputs and results that are not the plain case."""

from collections import deque

from prefect import Flow, Parameter, Task, task

record = []


@task
def with_defaults(a, b=2, *, c=3, **rest):
    return [a, b, c, sorted(rest.items())]


@task
def nothing():
    pass


@task
def is_none(x):
    return x is None


@task
def generator():
    return (n for n in range(3))


@task
def as_list(x):
    return list(x)


@task
def inc(x):
    return x + 1


@task
def upper(x):
    return str(x).upper()


@task
def text():
    return "abc"


@task
def a_set():
    return {1, 2}


@task
def a_tuple():
    return (1, 2)


@task
def a_deque():
    return deque([1, 2, 3])


@task
def a_number():
    return 5


@task
def stops():
    raise StopIteration


@task
def failing_repr():
    class Strange(Exception):
        def __str__(self):
            return "strange"

    raise Strange


class Rows:
    def __len__(self):
        return 2

    def __getitem__(self, index):
        if index > 1:
            raise IndexError(index)
        return index * 100


@task
def rows():
    return Rows()


class WithoutInit(Task):
    def run(self, x=1):
        return x


class Callback(Task):
    def __init__(self, fn, **kwargs):
        self.fn = fn
        super().__init__(**kwargs)

    def run(self, x):
        return self.fn(x)


with Flow("unusual") as flow:
    p = Parameter("p", default=None)
    defaults = with_defaults(1)
    keywords = with_defaults(1, c=p, extra=[p, 1])
    spread = with_defaults(a=1, **{"x-y".replace("-", "_"): 5})
    none = is_none(nothing())
    none_given = is_none(None)
    parameter_none = is_none(p)
    listed = as_list(generator())
    letters = upper.map(text())
    tuples = inc.map(a_tuple())
    deques = inc.map(a_deque())
    own = inc.map(rows())
    ranged = inc.map(range(3))
    sets = inc.map(a_set())
    number = inc.map(a_number())
    after_stop = is_none(stops())
    strange = failing_repr()
    plain = WithoutInit()()
    plain_given = WithoutInit()(x=7)
    called = Callback(lambda x: x * 3, name="callback")(2)
    bare = Task(name="bare")()

if __name__ == "__main__":
    state = flow.run()
    given = flow.run(p={"k": [1]})
    record.append([inc.run(1), with_defaults.run(5), WithoutInit().run()])
    record.append([inc.__name__, inc.name, with_defaults.__doc__])

"""Code as users write it, for the type checker: `test_authoring.py` runs mypy over this file."""

from typing import Any, assert_type

from headrace.core.constant import Constant
from headrace.core.function_task import task
from headrace.core.mapping import apply_map, unmapped
from headrace.core.parameter import DateTimeParameter, Parameter
from headrace.core.states import State
from headrace.core.task import Task
from headrace.flow import Flow


@task
def length(text: str) -> int:
    return len(text)


@task(max_retries=0, tags=["slow"])
def shout(text: str, times: int = 1) -> str:
    return text.upper() * times


@task(nout=2)
def pair() -> tuple[int, str]:
    return 1, "a"


@task()
def untyped(x):  # type: ignore[no-untyped-def]
    return x


class Count(Task[int]):
    def __init__(self, start: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start = start

    def run(self, items: list[str], *, step: int = 1) -> int:
        return self.start + step * len(items)


class Plain(Task):
    def run(self, x: int) -> str:
        return str(x)


assert_type(length.run("a"), int)
length.run(5)  # type: ignore[arg-type]
length.run()  # type: ignore[call-arg]

with Flow("typed") as flow:
    # What a call gives is exact; what it takes may be a task or a value.
    assert_type(length("a"), Task[int])
    assert_type(length(shout("a")), Task[int])
    assert_type(shout(text="a", times=length("b")), Task[str])
    assert_type(pair(), Task[tuple[int, str]])
    assert_type(length("a", upstream_tasks=[pair()], task_args={"name": "n"}), Task[int])
    assert_type(length("a", mapped=True), Task[list[int]])
    assert_type(length.map(["a", "b"]), Task[list[int]])
    assert_type(shout.map(["a"], times=unmapped(3)), Task[list[str]])
    assert_type(length.copy(name="other").run("a"), int)
    assert_type(length.copy().bind("a").run("a"), int)
    assert_type(untyped(1), Task[Any])

    assert_type(Count()(["a"]), Task[int])
    assert_type(Count(start=2).map([["a"]]), Task[list[int]])
    assert_type(Count().bind(["a"]), Count)
    assert_type(Count().copy().start, int)
    assert_type(Plain()(1), Task[Any])
    assert_type(Constant(3), Constant[int])
    assert_type(Constant(3).run(), int)

    first, second = pair()
    assert_type(first, Task[Any])
    assert_type(pair()[0], Task[Any])
    assert_type(length("a") + 1, Task[Any])
    assert_type(1 + length("a"), Task[Any])
    assert_type(length("a") > 1, Task[bool])
    assert_type(length("a").is_equal(1), Task[bool])
    assert_type(length("a").not_(), Task[bool])
    assert_type(length("a") | shout("b"), Task[str])

    name = Parameter("name", default="x")
    assert_type(name, Parameter)
    assert_type(name(), Parameter)
    assert_type(shout(name), Task[str])
    assert_type(DateTimeParameter("when").copy("then"), DateTimeParameter)
    assert_type(apply_map(lambda x: length(x + x), ["a"]), Task[int])

# A task of a subtype does where one of the type is asked for.
numbers: list[Task[object]] = [length("a", flow=flow), shout("b", flow=flow)]

assert_type(flow.run(), State)
assert_type(Flow.load("typed"), Flow)
assert_type(flow.copy(), Flow)
assert_type({t.name for t in flow.tasks}, set[str])

import datetime
import functools

import pytest

from headrace.core.errors import TaskDefinitionError, TaskTypeError
from headrace.core.function_task import FunctionTask, task
from headrace.core.task import Task


def test_the_decorator_works_with_and_without_arguments():
    @task
    def plain(x):
        """Double it."""
        return x * 2

    @task(name="renamed", tags=["a"], max_retries=1, retry_delay=datetime.timedelta(0))
    def configured():
        return 3

    @task()
    def empty():
        return 4

    assert isinstance(plain, FunctionTask)
    assert isinstance(plain, Task)
    assert (plain.name, configured.name, empty.name) == ("plain", "renamed", "empty")
    assert configured.tags == {"a"}
    assert configured.max_retries == 1
    assert (plain.run(2), configured.run(), empty.run()) == (4, 3, 4)


def test_the_task_looks_like_its_function():
    @task
    def documented():
        """What it does."""

    assert documented.__doc__ == "What it does."
    assert documented.__name__ == "documented"
    assert documented.__module__ == __name__
    assert documented.__wrapped__ is documented.run


def test_lambdas_partials_and_callables_make_tasks():
    class Adder:
        def __call__(self, x):
            return x + 1

    assert task(lambda x: x).name == "<lambda>"
    made = task(functools.partial(lambda x, y: x + y, y=1))
    assert made.name == "FunctionTask"
    assert made.run(1) == 2
    assert task(Adder()).run(1) == 2


def test_nout_comes_from_the_annotation_unless_it_is_given():
    @task
    def pair() -> tuple[int, str]:
        return 1, "a"

    @task
    def many() -> tuple[int, ...]:
        return (1,)

    @task(nout=3)
    def three():
        return 1, 2, 3

    @task
    def text() -> "tuple[int, int, int, int]":
        return 1, 2, 3, 4

    assert (pair.nout, many.nout, three.nout, text.nout) == (2, None, 3, 4)


@pytest.mark.parametrize("thing", [5, "name", None, [1]])
def test_what_cannot_be_called_makes_no_task(thing):
    with pytest.raises(TaskTypeError, match="cannot be called"):
        FunctionTask(thing)


def test_a_task_makes_no_task():
    with pytest.raises(TaskTypeError, match="task already"):
        task(task(lambda: 1))
    with pytest.raises(TaskTypeError, match="task already"):
        task(Task())


def test_functions_that_take_varargs_are_refused():
    with pytest.raises(TaskDefinitionError, match=r"'f' takes \*args"):

        @task
        def f(*args): ...


def test_asynchronous_functions_are_refused():
    with pytest.raises(TaskDefinitionError, match="asynchronous"):

        @task
        async def f(): ...

    with pytest.raises(TaskDefinitionError, match="asynchronous"):

        @task
        async def g():
            yield 1


def test_wrong_options_are_refused():
    with pytest.raises(TypeError, match="colour"):
        task(lambda: 1, colour="red")

"""What helps to find out what is wrong with a flow."""

import subprocess
import threading

import pytest

from headrace import Flow, task
from headrace.debug import is_serializable, raise_on_exception
from headrace.executors import LocalDaskExecutor, LocalExecutor


@task
def divide(x):
    return 1 / x


@pytest.fixture(params=["local", "threads", "processes"])
def executor(request):
    if request.param == "local":
        return LocalExecutor()
    return LocalDaskExecutor(scheduler=request.param, num_workers=2)


def test_an_exception_comes_out_of_the_run(executor):
    with Flow("fragile") as flow:
        divide.map([1, 0, 2])
    with raise_on_exception(), pytest.raises(ZeroDivisionError):
        flow.run(executor=executor)
    assert flow.run(executor=executor).is_failed()


def test_one_of_a_trigger_or_a_handler_does_too():
    def broken(*given):
        raise LookupError("broken")

    for argument in ({"trigger": broken}, {"state_handlers": [broken]}):
        with Flow("broken") as flow:
            divide(1, task_args=argument)
        with raise_on_exception(), pytest.raises(LookupError):
            flow.run()


def test_what_can_travel():
    assert is_serializable(lambda x: x + 1)
    assert is_serializable({"a": [divide]})


def test_what_cannot_be_pickled():
    assert not is_serializable(threading.Lock())
    with pytest.raises(TypeError):
        is_serializable(threading.Lock(), raise_on_error=True)


class OnlyHere:
    def __reduce__(self):
        return eval, ("nowhere_to_be_found",)


def test_what_cannot_be_unpickled_elsewhere():
    assert not is_serializable(OnlyHere())
    with pytest.raises(subprocess.CalledProcessError) as info:
        is_serializable(OnlyHere(), raise_on_error=True)
    assert b"nowhere_to_be_found" in info.value.output

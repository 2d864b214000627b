"""Values and exceptions whose own methods raise: they cost their own task run, and no other."""

import pytest

from headrace import Flow, flatten, task
from headrace.core.now import now
from headrace.core.signals import TaskTimeoutSignal
from headrace.core.states import Success
from headrace.engine.chunk import Chunk
from headrace.engine.outcome import Outcome
from headrace.engine.portable import RemoteError, pack, unpack
from headrace.engine.step import Step
from headrace.executors import LocalDaskExecutor, LocalExecutor
from headrace.states import Failed, Retrying, TimedOut
from tests.support.tracked import Attempt

EXECUTORS = [
    LocalExecutor(),
    LocalDaskExecutor(num_workers=1),
    LocalDaskExecutor(scheduler="processes", num_workers=1),
]


class Mute(Exception):
    def __str__(self):
        raise ValueError("no text")

    __repr__ = __str__


class Unsized:
    """As an array without dimensions is: it has all methods, and one of them raises."""

    def __getitem__(self, index):
        return index

    def __len__(self):
        raise RuntimeError("no length")


class Broken:
    """Can be pickled, and not unpickled."""

    def __reduce__(self):
        return int, ("x",)


class Brittle:
    """Can be pickled where the flow is, and not be unpickled elsewhere."""

    def __init__(self):
        import os

        self.pid = os.getpid()

    def __reduce__(self):
        return _only_in, (self.pid,)


def _only_in(pid):
    import os

    if os.getpid() != pid:
        raise RuntimeError("not here")
    return Brittle()


class TwoArguments(Exception):
    """Can be pickled, and not made again: a common slip."""

    def __init__(self, code, reason):
        super().__init__(f"{code}: {reason}")

    def __reduce__(self):
        # What exceptions with own arguments come to, unless a library such as Dask has taught pickle
        # better in this process.
        return type(self), ()


def fail_at_three(error):
    @task(name="numbers")
    def run(number):
        if number == 3:
            raise error()
        return number

    return run


@pytest.mark.parametrize("executor", EXECUTORS, ids=str)
@pytest.mark.parametrize("error", [Mute, GeneratorExit, SystemExit])
def test_a_strange_exception_costs_its_own_task_run_alone(executor, error):
    with Flow("strange") as flow:
        numbers = fail_at_three(error).map(list(range(6)))
    states = flow.run(executor=executor).result[numbers].map_states
    assert [state.is_failed() for state in states] == [False, False, False, True, False, False]
    assert states[3].message.startswith("Error during execution of task: ")


@pytest.mark.parametrize("executor", EXECUTORS, ids=str)
def test_a_value_whose_length_raises_is_no_sequence(executor):
    unsized = task(Unsized, name="unsized")
    same = task(lambda x: x, name="same")
    kind = task(lambda x: type(x).__name__, name="kind")
    with Flow("unsized") as flow:
        value = unsized()
        mapped, flat, named = same.map(value), same.map(flatten(value)), kind(value)
    state = flow.run(executor=executor)
    assert state.result[named].result == "Unsized"
    for failed in (mapped, flat):
        assert "without a length" in state.result[failed].message


@pytest.mark.parametrize("executor", EXECUTORS, ids=str)
def test_a_handler_that_exits_costs_its_own_task_run_alone(executor):
    def leave(obj, old, new):
        raise SystemExit(2)

    with Flow("leaving") as flow:
        left = task(lambda: 1, name="left", state_handlers=[leave])()
        others = [task(lambda: 2, name="other")() for _ in range(3)]
    state = flow.run(executor=executor)
    assert type(state.result[left]) is Failed
    assert isinstance(state.result[left].result, SystemExit)
    assert [state.result[other].result for other in others] == [2, 2, 2]


def test_an_input_that_cannot_be_unpickled_costs_its_own_task_run_alone():
    kind = task(lambda x: type(x).__name__, name="kind")
    with Flow("brittle") as flow:
        kinds = kind.map([1, Brittle(), 2])
    state = flow.run(executor=LocalDaskExecutor(scheduler="processes", num_workers=1))
    first, brittle, last = state.result[kinds].map_states
    assert (first.result, last.result) == ("int", "int")
    assert "cannot unpickle it" in brittle.message


def test_a_value_that_cannot_be_unpickled_fails_its_task_run():
    broken = task(Broken, name="broken")
    with Flow("broken") as flow:
        value, other = broken(), task(lambda: 1, name="other")()
    state = flow.run(executor=LocalDaskExecutor(scheduler="processes", num_workers=1))
    assert "cannot be unpickled" in state.result[value].message
    assert state.result[other].result == 1


def _chunk_of(state):
    step = Step(0, "s", -1, {})
    chunk = Chunk("key", None, [], [step])
    return unpack(pack(Outcome(0, state), chunk)).state


def test_a_retry_brings_an_exception_that_cannot_be_made_again_as_text():
    state = _chunk_of(Retrying("again", result=TwoArguments(1, "r"), start_time=now()))
    assert type(state) is Retrying
    assert isinstance(state.result, RemoteError)


def test_an_exception_that_is_returned_is_never_replaced():
    state = _chunk_of(Success("done", result=TwoArguments(1, "r")))
    assert type(state) is Failed
    assert "cannot be pickled" in state.message


def test_a_timeout_goes_on_when_one_inside_it_is_over():
    @task(timeout=60)
    def short():
        return 1

    @task(timeout=1)
    def outer():
        with Flow("inner") as inner:
            value = short()
        assert inner.run().result[value].result == 1
        while True:
            pass

    with Flow("outer") as flow:
        limited = outer()
    state = flow.run().result[limited]
    assert type(state) is TimedOut
    assert isinstance(state.result, TaskTimeoutSignal)


@pytest.mark.parametrize("executor", EXECUTORS, ids=str)
def test_a_dict_cannot_be_mapped_over_and_is_named(executor):
    with Flow("keys") as flow:
        table = task(lambda: {"a": 1}, name="table")()
        mapped_over = task(lambda x: x, name="each").map(table)
    state = flow.run(executor=executor).result[mapped_over]
    assert type(state) is Failed
    assert "'table' gave 'each'" in state.message


def test_an_exception_without_text_costs_no_tracked_run_its_other_tasks(tmp_path):
    class MuteAndNotPickled(Mute):
        def __init__(self, one, two):
            super().__init__(one)

    @task
    def fails():
        raise MuteAndNotPickled(1, 2)

    @task
    def works():
        return 1

    with Flow("f") as flow:
        fails()
        works()
    attempt = Attempt(flow, tmp_path)
    end = attempt.run()
    assert (end.type, end.message) == ("Failed", "Some reference tasks failed.")
    assert attempt.types() == {("fails-1", -1): "Failed", ("works-1", -1): "Success"}

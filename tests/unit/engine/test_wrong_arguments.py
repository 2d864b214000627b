"""Arguments of the wrong kind are named where they come in, with the way out."""

from __future__ import annotations

from typing import Any

import pytest

from headrace import Flow, Parameter, Task, task
from headrace.errors import FlowError, ParameterError, TaskTypeError
from headrace.executors import LocalDaskExecutor
from headrace.states import Failed


@task
def one() -> int:
    return 1


with Flow("plain") as flow:
    only = one()
    Parameter("x", default=2)()


@pytest.mark.parametrize(
    ("executor", "says"),
    [("local", "'local', which is none"), (LocalDaskExecutor, "make one: LocalDaskExecutor()")],
)
def test_an_executor_that_is_none(executor: Any, says: str) -> None:
    with pytest.raises(FlowError) as raised:
        flow.run(executor=executor)
    assert says in str(raised.value)


def test_parameters_that_are_no_mapping() -> None:
    with pytest.raises(ParameterError, match=r"are \[1\]; give a dict"):
        flow.run(parameters=[1])  # type: ignore[arg-type]


def test_an_argument_that_is_neither_the_runners_nor_a_parameter() -> None:
    with pytest.raises(ParameterError, match=r"no argument 'y'.*it has: x\."):
        flow.run(y=1)
    assert flow.run(x=1).is_successful()


def test_a_schedule_that_is_none() -> None:
    with pytest.raises(TaskTypeError, match=r"'\* \* \* \* \*'; give one of headrace.schedules"):
        Flow("stars", schedule="* * * * *")  # type: ignore[arg-type]


def test_a_trigger_that_is_none() -> None:
    with pytest.raises(TaskTypeError, match="trigger of task 'odd' is 'all_successful'"):
        Task(name="odd", trigger="all_successful")  # type: ignore[arg-type]


def test_a_handler_that_returns_no_state() -> None:
    def odd(*_: Any) -> int:
        return 3

    with Flow("handled") as handled:
        bad = task(lambda: 1, name="bad", state_handlers=[odd])()
    state = handled.run().result[bad]
    assert isinstance(state, Failed)
    assert "'odd' returned 3; a handler returns a state" in str(state.result)
    with Flow("flow handled", state_handlers=[odd]) as of_flow:
        one()
    assert "returned 3" in str(of_flow.run().context)


def test_parameters_that_are_missing_or_unknown_are_named_before_anything_runs() -> None:
    ran = []

    @task
    def note(x: Any) -> None:
        ran.append(x)

    with Flow("needs x") as needs:
        note(Parameter("x"))
    with pytest.raises(ParameterError, match="not given the required parameter 'x'"):
        needs.run()
    with pytest.raises(ParameterError, match=r"has no parameter 'y'. It has: x\."):
        needs.run(parameters={"x": 1, "y": 2})
    assert not ran

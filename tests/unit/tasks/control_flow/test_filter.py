import logging
import pickle

import pytest

from headrace import FilterTask, Flow, task
from headrace.core.errors import ArgumentError, TaskTypeError
from headrace.signals import FAIL, SKIP
from headrace.states import Failed, Success


@task
def mixed(x):
    match x:
        case 1:
            raise SKIP("not this one")
        case 2:
            raise ValueError("v")
        case 3:
            raise FAIL("f")
        case 4:
            return None
    return x


def test_what_failed_was_skipped_or_gave_nothing_is_left_out():
    with Flow("f") as flow:
        kept = FilterTask()(mixed.map(list(range(7))))
    state = flow.run()
    assert state.result[kept].result == [0, 5, 6]
    assert isinstance(state, Success)


def test_a_function_of_ones_own_sees_every_item():
    with Flow("f") as flow:
        failures = FilterTask(lambda item: isinstance(item, BaseException))(mixed.map([0, 2, 3]))
    kinds = [type(failure) for failure in flow.run().result[failures].result]
    assert kinds == [ValueError, FAIL]


def test_what_was_kept_can_be_mapped_over():
    @task
    def double(x):
        return 2 * x

    with Flow("f") as flow:
        doubled = double.map(FilterTask()(mixed.map([0, 1, 2, 5])))
    assert flow.run().result[doubled].result == [0, 10]


def test_what_was_kept_is_logged_by_a_function_of_ones_own(caplog):
    with Flow("f") as flow:
        FilterTask(log_func=lambda kept: f"kept {len(kept)} of 100 %")(mixed.map([0, 1, 2]))
    with caplog.at_level(logging.INFO, logger="headrace.FilterTask"):
        flow.run()
    assert "kept 1 of 100 %" in [record.getMessage() for record in caplog.records]


def test_what_is_no_list_is_refused_when_it_comes():
    with Flow("f") as flow:
        kept = FilterTask()(mixed(5))
    state = flow.run().result[kept]
    assert isinstance(state, Failed)
    assert isinstance(state.result, ArgumentError)
    assert "filters a list of results, but was given 5, a int" in str(state.result)


@pytest.mark.parametrize("function", [5, [1, 2], mixed])
@pytest.mark.filterwarnings("ignore:A task was given to the constructor")
def test_what_is_no_function_is_refused(function):
    with pytest.raises(TaskTypeError, match="filter_func of a FilterTask"):
        FilterTask(filter_func=function)
    with pytest.raises(TaskTypeError, match="log_func of a FilterTask"):
        FilterTask(log_func=function)


def test_it_can_travel():
    assert pickle.loads(pickle.dumps(FilterTask())).run([1, None]) == [1]

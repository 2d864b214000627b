import pytest

from headrace import Flow, merge, task, unmapped
from headrace.core.errors import NotInFlowError, TaskDefinitionError
from headrace.signals import SKIP
from headrace.states import Failed, Skipped, Success, TriggerFailed
from headrace.tasks import Merge
from headrace.triggers import any_successful


@task
def same(x):
    return x


@task
def boom():
    raise ValueError("boom")


@task
def skip(x=None):
    raise SKIP("not today")


def test_the_first_result_that_is_not_none_counts():
    with Flow("f") as flow:
        merged = merge(skip(), same(None), same(0), same(5))
    assert flow.run().result[merged].result == 0


def test_the_order_is_that_of_the_call_beyond_nine_branches():
    with Flow("f") as flow:
        merged = merge(skip(), *[same(number) for number in range(2, 12)])
    assert flow.run().result[merged].result == 2


def test_no_result_at_all_is_none():
    with Flow("f") as flow:
        merged = merge(same(None), skip())
    state = flow.run().result[merged]
    assert type(state) is Success
    assert state.result is None


def test_all_skipped_is_skipped():
    with Flow("f") as flow:
        merged = merge(skip(), skip())
        after = same(merged)
    state = flow.run()
    assert isinstance(state.result[merged], Skipped)
    assert isinstance(state.result[after], Skipped)
    assert isinstance(state, Success)


def test_a_failed_branch_fails_it():
    with Flow("f") as flow:
        merged = merge(boom(), same(1), skip())
    state = flow.run()
    assert isinstance(state.result[merged], TriggerFailed)
    assert isinstance(state, Failed)


def test_a_value_is_a_branch_that_is_always_taken():
    with Flow("f") as flow:
        merged = merge(skip(), 7)
        values = merge(None, 8, 9)
    state = flow.run()
    assert state.result[merged].result == 7
    assert state.result[values].result == 8


def test_a_list_of_tasks_is_one_branch():
    with Flow("f") as flow:
        merged = merge(skip(), [same(1), same(2)])
    assert flow.run().result[merged].result == [1, 2]


def test_mapped_each_child_merges_its_own():
    with Flow("f") as flow:
        merged = merge(same.map([None, 2, None]), same.map([4, 5, 6]), unmapped(7), mapped=True)
    state = flow.run()
    assert state.result[merged].result == [4, 2, 6]


def test_mapped_the_shortest_branch_decides():
    with Flow("f") as flow:
        merged = merge(same.map([1, 2, 3]), same.map([4]), mapped=True)
    assert flow.run().result[merged].result == [1]


def test_a_merge_of_nothing_is_skipped():
    with Flow("f") as flow:
        merged = merge()
    assert isinstance(flow.run().result[merged], Skipped)


def test_other_settings_of_tasks_may_be_given():
    with Flow("f") as flow:
        merged = merge(boom(), same(1), trigger=any_successful, name="best", tags=["t"])
    assert merged.name == "best"
    assert merged.tags == {"t"}
    assert isinstance(flow.run().result[merged].result, ValueError)


def test_it_may_be_added_to_a_flow_that_is_not_open():
    flow = Flow("f")
    merged = merge(same(1, flow=flow), flow=flow)
    assert flow.run().result[merged].result == 1


def test_being_skipped_with_one_branch_is_refused():
    with pytest.raises(TaskDefinitionError, match="skipped whenever one of its branches is"):
        Merge(skip_on_upstream_skip=True)


def test_it_needs_a_flow():
    with pytest.raises(NotInFlowError):
        merge(1, 2)


def test_run_takes_names_of_any_kind():
    assert Merge().run(b=2, a=None) == 2
    assert Merge().run() is None

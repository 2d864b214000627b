import pytest

from headrace import Flow, ifelse, merge, switch, task, unmapped
from headrace.core.errors import EdgeError, NotInFlowError, TaskTypeError
from headrace.core.parameter import Parameter
from headrace.states import Mapped, Skipped, Success, TriggerFailed
from headrace.tasks import CompareValue


@task
def same(x):
    return x


@task
def inc(x):
    return x + 1


@task
def boom(x=None):
    raise ValueError("boom")


@task
def a_branch():
    return "a"


@task
def b_branch():
    return "b"


def children(state, one):
    """The children's states as (type, result)."""
    mapped = state.result[one]
    assert isinstance(mapped, Mapped)
    return [(type(child).__name__, child.result) for child in mapped.map_states]


class TestSwitch:
    @pytest.mark.parametrize(("key", "result"), [("a", "a"), ("b", "b"), ("c", None)])
    def test_the_task_of_the_value_runs_and_the_others_are_skipped(self, key, result):
        with Flow("f") as flow:
            a, b = a_branch(), b_branch()
            switch(same(Parameter("key")), {"a": a, "b": b})
            merged = merge(a, b)
        state = flow.run(key=key)
        assert isinstance(state.result[a], Success if key == "a" else Skipped)
        assert isinstance(state.result[a], Skipped) is (key != "a")
        assert state.result[merged].result == result
        assert isinstance(state.result[merged], Skipped) is (result is None)

    def test_tasks_that_were_not_called_are_added_themselves(self):
        with Flow("f") as flow:
            switch(same("b"), {"a": a_branch, "b": b_branch})
        state = flow.run()
        assert isinstance(state.result[a_branch], Skipped)
        assert state.result[b_branch].result == "b"

    def test_what_is_upstream_of_a_branch_runs_anyway(self):
        with Flow("f") as flow:
            upstream = same(1)
            left = inc(upstream)
            switch(same("a"), {"b": left})
        state = flow.run()
        assert state.result[upstream].result == 1
        assert isinstance(state.result[left], Skipped)

    def test_of_a_list_only_the_gathering_depends_on_the_condition(self):
        with Flow("f") as flow:
            a, b = a_branch(), b_branch()
            switch(same("x"), {"y": [a, b]})
            (gathered,) = flow.downstream_tasks(a)
        state = flow.run()
        assert isinstance(state.result[gathered], Skipped)
        assert state.result[a].result == "a"

    def test_a_failed_condition_fails_each_branch(self):
        with Flow("f") as flow:
            a, b = a_branch(), b_branch()
            switch(boom(), {"a": a, "b": b})
        state = flow.run()
        assert isinstance(state.result[a], TriggerFailed)
        assert isinstance(state.result[b], TriggerFailed)

    def test_mapped_each_child_goes_by_its_own_condition(self):
        with Flow("f") as flow:
            numbers = same([1, 2, 3])
            ones, twos = same.map(numbers), inc.map(numbers)
            switch(same.map(numbers), {1: ones, 2: twos}, mapped=True)
            merged = merge(ones, twos, mapped=True)
            total = same(merged)
        state = flow.run()
        assert children(state, ones) == [("Success", 1), ("Skipped", None), ("Skipped", None)]
        assert children(state, twos) == [("Skipped", None), ("Success", 3), ("Skipped", None)]
        assert children(state, merged) == [("Success", 1), ("Success", 3), ("Skipped", None)]
        # One child of the merge is skipped, and this task takes all of them.
        assert isinstance(state.result[total], Skipped)

    def test_mapped_over_a_list_and_one_condition_for_all(self):
        with Flow("f") as flow:
            ones = inc.map([10, 20])
            switch(same([1, 2]), {1: ones}, mapped=True)
            twos = inc.map([10, 20])
            switch(unmapped(same(2)), {1: twos})
        state = flow.run()
        assert children(state, ones) == [("Success", 11), ("Skipped", None)]
        assert isinstance(state.result[twos], Skipped)

    def test_none_stands_for_nothing_to_do(self):
        with Flow("f") as flow:
            a = a_branch()
            switch(same("a"), {"a": a, "b": None})
        assert len(flow.get_tasks(task_type=CompareValue)) == 1
        assert flow.run().result[a].result == "a"

    def test_no_cases_add_nothing(self):
        with Flow("f") as flow:
            condition = same("a")
            switch(condition, {})
        assert flow.tasks == {condition}

    def test_the_tasks_it_adds_are_tagged(self):
        with Flow("f") as flow:
            a = a_branch()
            switch(same("a"), {"a": a})
        assert {t.name for t in flow.get_tasks(tags=["switch"])} == {'CompareValue: "a"'}
        assert a.tags == set()

    @pytest.mark.parametrize("branch", [5, "text", [1, 2], print, lambda: 1, unmapped(3)])
    def test_a_branch_that_is_no_task_is_refused(self, branch):
        with Flow("f"):
            condition = same(1)
            with pytest.raises(TaskTypeError, match=r"branch of switch for 'x'.*@task"):
                switch(condition, {"x": branch})

    def test_cases_that_are_no_mapping_are_refused(self):
        with Flow("f"):
            with pytest.raises(TaskTypeError, match="give a dict"):
                switch(same(1), [a_branch()])

    def test_a_parameter_as_a_branch_is_refused(self):
        with Flow("f"):
            parameter = Parameter("p")
            same(parameter)
            with pytest.raises(EdgeError, match="parameters are known before"):
                switch(same(1), {1: parameter})

    def test_a_condition_that_python_has_evaluated_is_warned_of(self):
        with Flow("f"), pytest.warns(UserWarning, match="of switch is the value False"):
            switch(same(1) == same(2), {True: a_branch()})

    def test_it_needs_a_flow(self):
        with pytest.raises(NotInFlowError, match="switch was called outside a flow"):
            switch(same, {1: a_branch})


class TestIfelse:
    @pytest.mark.parametrize("value", [True, 1, "x", [0], False, 0, "", None, []])
    def test_the_branch_is_taken_by_truth(self, value):
        with Flow("f") as flow:
            a, b = a_branch(), b_branch()
            ifelse(same(value), a, b)
            merged = merge(a, b)
        assert flow.run().result[merged].result == ("a" if value else "b")

    @pytest.mark.parametrize("value", [True, False])
    def test_either_branch_may_be_missing(self, value):
        with Flow("f") as flow:
            a, b = a_branch(), b_branch()
            ifelse(same(value), a, None)
            ifelse(same(value), None, b)
        state = flow.run()
        taken, left = (a, b) if value else (b, a)
        assert not isinstance(state.result[taken], Skipped)
        assert isinstance(state.result[left], Skipped)

    def test_no_branches_add_nothing(self):
        with Flow("f") as flow:
            condition = same(True)
            ifelse(condition, None, None)
        assert flow.tasks == {condition}

    def test_mapped_each_child_goes_by_its_own_condition(self):
        with Flow("f") as flow:
            numbers = same([1, 0, 3])
            yes, no = inc.map(numbers), same.map(numbers)
            ifelse(same.map(numbers), yes, no, mapped=True)
            merged = merge(yes, no, mapped=True)
            total = same(merged)
        state = flow.run()
        assert children(state, yes) == [("Success", 2), ("Skipped", None), ("Success", 4)]
        assert state.result[total].result == [2, 0, 4]

    def test_mapped_a_failed_child_fails_its_own_merge(self):
        with Flow("f") as flow:
            numbers = same([1, 0])
            yes, no = boom.map(numbers), same.map(numbers)
            ifelse(same.map(numbers), yes, no, mapped=True)
            merged = merge(yes, no, mapped=True)
        state = flow.run()
        assert [kind for kind, _ in children(state, merged)] == ["TriggerFailed", "Success"]

    def test_a_branch_that_is_no_task_is_refused(self):
        with Flow("f"):
            with pytest.raises(TaskTypeError, match="branch of ifelse for True"):
                ifelse(same(1), 5, None)

    def test_it_needs_a_flow(self):
        with pytest.raises(NotInFlowError, match="ifelse was called outside a flow"):
            ifelse(same, a_branch, b_branch)

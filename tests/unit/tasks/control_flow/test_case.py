import pytest

from headrace import Flow, Parameter, apply_map, case, merge, tags, task
from headrace.core.errors import NotInFlowError, TaskTypeError
from headrace.signals import SKIP
from headrace.states import Failed, Skipped, Success, TriggerFailed
from headrace.tasks import CompareValue
from headrace.triggers import all_finished


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
def skip():
    raise SKIP("not today")


@task(skip_on_upstream_skip=False, trigger=all_finished)
def always(x=None):
    return "always"


def types(flow, *tasks, **parameters):
    """Run a flow; return the names of the types of these tasks' states."""
    state = flow.run(**parameters)
    return [type(state.result[each]).__name__ for each in tasks]


def test_only_the_block_with_the_value_runs():
    with Flow("f") as flow:
        which = same("a")
        with case(which, "a"):
            a = same(1)
            a2 = inc(a)
        with case(which, "b"):
            b = same(10)
            b2 = inc(b)
        merged = merge(a2, b2)
        after = inc(merged)
    state = flow.run()
    assert [state.result[t].result for t in (a2, merged, after)] == [2, 2, 3]
    assert isinstance(state.result[b], Skipped)
    assert isinstance(state.result[b2], Skipped)
    assert isinstance(state, Success)


def test_no_function_of_a_block_that_is_not_taken_is_called():
    called = []

    @task
    def note(x=None):
        called.append(x)

    with Flow("f") as flow, case(same(1), 2):
        note(note(note()))
    flow.run()
    assert called == []


@pytest.mark.parametrize(
    ("value", "expected"), [(1, "Success"), ("1", "Skipped"), (1.0, "Success")]
)
def test_values_are_compared_as_python_does(value, expected):
    with Flow("f") as flow, case(same(1), value):
        inside = same("x")
    assert types(flow, inside) == [expected]


def test_the_condition_hangs_on_what_waits_for_nothing_in_the_block():
    with Flow("f") as flow:
        outside = same(0)
        with case(same(1), 1):
            first = inc(outside)
            second = inc(first)
            both = same([first, outside])
        (condition,) = flow.get_tasks(task_type=CompareValue)
    assert condition.name == "case(1)"
    assert condition in flow.upstream_tasks(first)
    assert flow.upstream_tasks(second) == {first}
    assert condition not in flow.upstream_tasks(both)


def test_parameters_constants_and_tasks_from_outside_do_not_depend_on_the_condition():
    parameter = Parameter("p", default=5)
    with Flow("f") as flow:
        outside = same(1)
        with case(same(1), 2):
            inside = same([outside, parameter, 7])
        plain = same(parameter)
    assert types(flow, parameter, outside, inside, plain) == [
        "Success",
        "Success",
        "Skipped",
        "Success",
    ]


def test_an_empty_block_adds_nothing():
    with Flow("f") as flow:
        which = same(1)
        with case(which, 1):
            pass
    assert flow.tasks == {which}


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        (1, 1, ["Success", "Success", "Skipped", "Success", "Success"]),
        (1, 2, ["Success", "Skipped", "Success", "Success", "Success"]),
        # The merge hangs on the outer condition, too, so not all upstream of it is skipped.
        (1, 3, ["Success", "Skipped", "Skipped", "Success", "Success"]),
        (2, 1, ["Skipped", "Skipped", "Skipped", "Skipped", "Skipped"]),
    ],
)
def test_blocks_nest(outer, inner, expected):
    with Flow("f") as flow:
        one, two = Parameter("one"), Parameter("two")
        with case(one, 1):
            before = same(0)
            with case(two, 1):
                a = same("a")
            with case(two, 2):
                b = same("b")
            merged = merge(a, b)
            after = same(merged)
    assert types(flow, before, a, b, merged, after, one=outer, two=inner) == expected


def test_a_condition_may_be_made_in_the_block_around_it():
    with Flow("f") as flow, case(Parameter("p"), 1):
        inner = same(2)
        with case(inner, 2):
            deep = same("deep")
    assert types(flow, inner, deep, p=1) == ["Success", "Success"]
    assert types(flow, inner, deep, p=0) == ["Skipped", "Skipped"]


def test_a_failed_condition_fails_its_blocks_and_their_merge():
    with Flow("f") as flow:
        which = boom()
        with case(which, 1):
            a = same(1)
        merged = merge(a)
        last = always(merged)
    assert types(flow, which, a, merged, last) == [
        "Failed",
        "TriggerFailed",
        "TriggerFailed",
        "Success",
    ]


def test_a_skipped_condition_skips_its_blocks():
    with Flow("f") as flow:
        which = skip()
        with case(which, 1):
            a = same(1)
        merged = merge(a)
    assert types(flow, a, merged) == ["Skipped", "Skipped"]


def test_a_failure_in_the_block_that_is_taken_is_no_skip():
    with Flow("f") as flow:
        which = same(1)
        with case(which, 1):
            a = boom()
        with case(which, 2):
            b = same(1)
        merged = merge(a, b)
    state = flow.run()
    assert isinstance(state.result[merged], TriggerFailed)
    assert isinstance(state, Failed)


def test_what_ignores_skips_runs_in_a_block_that_is_not_taken():
    with Flow("f") as flow, case(same(1), 2):
        stubborn = always()
        after = same(stubborn)
    assert types(flow, stubborn, after) == ["Success", "Success"]


def test_a_block_may_hold_mapped_tasks():
    with Flow("f") as flow:
        which = same(1)
        with case(which, 1):
            taken = inc.map(same([1, 2]))
        with case(which, 2):
            left = inc.map(same([1, 2]))
        merged = merge(taken, left)
    state = flow.run()
    assert state.result[merged].result == [2, 3]
    assert isinstance(state.result[left], Skipped)


def test_in_apply_map_each_child_goes_its_own_way():
    def halve_if_even(x):
        with case(is_even(x), True):
            halved = x // 2
        return merge(halved, x)

    @task
    def is_even(x):
        return x % 2 == 0

    with Flow("f") as flow:
        mapped = apply_map(halve_if_even, [1, 2, 3, 4])
    state = flow.run()
    assert state.result[mapped].result == [1, 1, 3, 2]


def test_apply_map_in_a_block_depends_on_its_condition():
    with Flow("f") as flow:
        which = Parameter("which")
        with case(which, 1):
            mapped = apply_map(inc, [1, 2])
    assert flow.run(which=1).result[mapped].result == [2, 3]
    assert isinstance(flow.run(which=2).result[mapped], Skipped)


def test_one_case_may_be_entered_again_and_in_itself():
    with Flow("f") as flow:
        is_one = case(same(1), 1)
        with is_one:
            a = same("a")
            with is_one:
                b = same("b")
        with is_one:
            c = same("c")
    assert len(flow.get_tasks(task_type=CompareValue)) == 3
    assert types(flow, a, b, c) == ["Success"] * 3


def test_tags_hold_for_the_condition():
    with Flow("f") as flow, tags("x"), case(same(1), 1):
        same(2)
    assert all(each.tags == {"x"} for each in flow.tasks)


def test_a_task_that_was_replaced_in_the_block_depends_on_nothing():
    with Flow("f") as flow:
        with case(same(1), 1):
            old = same("old")
            new = same.copy()
            flow.replace(old, new)
        assert old not in flow.tasks
    (condition,) = flow.get_tasks(task_type=CompareValue)
    assert condition in flow.upstream_tasks(new)


def test_after_an_error_in_the_block_its_tasks_have_their_condition():
    with Flow("f") as flow:
        try:
            with case(same(1), 2):
                inside = same("x")
                raise KeyError
        except KeyError:
            pass
        outside = same("y")
    assert types(flow, inside, outside) == ["Skipped", "Success"]


def test_a_skipped_branch_says_why():
    with Flow("f") as flow, case(same("red"), "blue"):
        same(1)
    state = flow.run()
    (condition,) = flow.get_tasks(task_type=CompareValue)
    assert state.result[condition].message == "'red' is not 'blue': this branch is not taken."


def test_a_task_as_the_value_is_refused():
    with Flow("f"):
        a, b = same(1), same(2)
        with pytest.raises(TaskTypeError, match=r"case\(a.is_equal\(b\), True\)"):
            case(a, b)


def test_a_condition_that_python_has_evaluated_is_warned_of():
    with Flow("f"):
        a, b = same(1), same(2)
        with pytest.warns(UserWarning, match=r"a.is_equal\(b\)"), case(a == b, True):
            same(1)


def test_a_case_outside_a_flow_is_refused():
    block = case(same, 1)
    with pytest.raises(NotInFlowError, match="outside a flow"), block:
        pass


def test_a_case_shows_its_condition():
    with Flow("f"):
        assert repr(case(same(1), "a")) == "<case: 'same' is 'a'>"

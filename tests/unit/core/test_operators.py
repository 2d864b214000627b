import operator
import pickle

import pytest

from headrace.core.errors import NotInFlowError, TaskTypeError
from headrace.core.function_task import task
from headrace.core.graph import Graph
from headrace.core.no_default import NO_DEFAULT
from headrace.core.operators import OPERATORS, GetAttr, GetItem
from headrace.core.result import Result
from headrace.core.task import Task


@task
def value():
    return 7


BINARY = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
    "Pow": operator.pow,
    "And": operator.and_,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqual": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqual": operator.le,
}
MIRRORED = {
    "GreaterThan": "LessThan",
    "LessThan": "GreaterThan",
    "GreaterThanOrEqual": "LessThanOrEqual",
    "LessThanOrEqual": "GreaterThanOrEqual",
}


@pytest.mark.parametrize("name", BINARY)
def test_an_operator_between_a_task_and_a_value_makes_a_task(name):
    apply = BINARY[name]
    with Graph("g") as graph:
        made = apply(value(), 2)
    assert type(made) is OPERATORS[name]
    assert made.name == name
    assert graph.constants[made] == {"y": 2}
    assert [edge.key for edge in graph.incoming(made)] == ["x"]
    expected = (7 and 2) if name == "And" else apply(7, 2)
    assert made.run(7, 2) == expected


@pytest.mark.parametrize("name", BINARY)
def test_the_value_may_come_first(name):
    with Graph("g") as graph:
        made = BINARY[name](2, value())
    mirrored = MIRRORED.get(name)
    assert type(made) is OPERATORS[mirrored or name]
    assert graph.constants[made] == ({"y": 2} if mirrored else {"x": 2})


@pytest.mark.parametrize("name", BINARY)
def test_both_may_be_tasks(name):
    with Graph("g") as graph:
        a, b = value(), value()
        made = BINARY[name](a, b)
    assert [(e.key, e.upstream_task) for e in graph.incoming(made)] == [("x", a), ("y", b)]


def test_operators_that_python_does_not_leave_to_us_have_names():
    with Graph("g") as graph:
        a = value()
        made = [a.is_equal(1), a.is_not_equal(1), a.or_(1), a.not_()]
    assert [type(t).__name__ for t in made] == ["Equal", "NotEqual", "Or", "Not"]
    assert all(graph.upstream_tasks(t) == {a} for t in made)
    assert [t.run(*([0, 1] if t is not made[3] else [0])) for t in made] == [False, True, 1, True]


def test_operators_outside_a_flow_say_so():
    for apply in (
        lambda t: t + 1,
        lambda t: 1 - t,
        lambda t: t[0],
        lambda t: t.is_equal(1),
        lambda t: t | t,
        lambda t: [t] | t,
    ):
        with pytest.raises(NotInFlowError, match="'value'"):
            apply(value)


class TestItems:
    def test_an_item_is_a_task_named_after_its_key(self):
        with Graph("g") as graph:
            source = value()
            item = source["k"]
            by_task = source[item]
        assert type(item) is GetItem
        assert item.name == "value['k']"
        assert by_task.name == "value[value['k']]"
        assert graph.constants[item] == {"key": "k"}
        assert [e.key for e in graph.incoming(by_task)] == ["task_result", "key"]

    def test_an_item_is_stored_as_its_source_is(self):
        with Graph("g"):
            result = Result()
            source = Task(checkpoint=True, result=result)()
            item = source[0]
        assert item.checkpoint is True
        assert item.result is result

    def test_run(self):
        assert GetItem().run([4, 5], 1) == 5
        assert GetItem().run({"a": 1}, "a") == 1
        with pytest.raises(KeyError):
            GetItem().run({}, "a")
        with pytest.raises(IndexError):
            GetItem().run([], 0)
        assert GetItem(default=3).run({}, "a") == 3
        assert GetItem(default=3).run({}, "a", None) is None
        assert GetItem(default=3).run({}, "a", default=9) == 9

    def test_unpacking_needs_the_number_of_outputs(self):
        @task(nout=2)
        def pair():
            return 1, 2

        with Graph("g"):
            first, second = pair()
            assert [first.name, second.name] == ["pair[0]", "pair[1]"]
            with pytest.raises(TaskTypeError, match="nout"):
                _a, _b = value()
            with pytest.raises(TypeError, match="nout"):
                list(value())
            with pytest.raises(TaskTypeError, match="when the flow runs"):
                3 in value()  # noqa: B015

    def test_a_mapped_task_is_a_list_of_unknown_length(self):
        @task
        def pair(x) -> tuple[int, int]:
            return x, x

        with Graph("g"):
            assert pair(1).nout == 2
            assert pair.map([1]).nout is None
            assert pair.map([1], task_args={"nout": 1}).nout == 1


class TestAttributes:
    def test_run(self):
        assert GetAttr().run(3 + 4j, "real") == 3
        assert GetAttr().run(OSError, "__class__.__name__") == "type"
        with pytest.raises(AttributeError):
            GetAttr().run(3, "nope")
        assert GetAttr(default=1).run(3, "nope") == 1
        assert GetAttr().run(3, "nope", default=None) is None

    def test_it_is_called_like_any_task(self):
        with Graph("g") as graph:
            made = GetAttr(default=0)(value(), "real")
        assert graph.constants[made] == {"attr": "real"}


class TestOrdering:
    def test_a_bar_orders_tasks(self):
        with Graph("g") as graph:
            a, b, c = value(), value(), value()
            assert (a | b | c) is c
        assert graph.upstream_tasks(b) == {a}
        assert graph.upstream_tasks(c) == {b}
        assert all(edge.key is None for edge in graph.edges)

    def test_a_list_may_stand_on_either_side(self):
        with Graph("g") as graph:
            a, b, c = value(), value(), value()
            assert ([a, b] | c) is c
        (gathered,) = graph.upstream_tasks(c)
        assert graph.upstream_tasks(gathered) == {a, b}


def test_no_default_stays_one_object():
    assert pickle.loads(pickle.dumps(NO_DEFAULT)) is NO_DEFAULT
    assert repr(NO_DEFAULT) == "<no default>"

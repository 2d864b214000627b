import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.annotations import unmapped
from headrace.core.collections import Dict, List, Set, Slice, Tuple, as_task, is_constant
from headrace.core.constant import Constant
from headrace.core.errors import ArgumentError, NotInFlowError
from headrace.core.function_task import task
from headrace.core.graph import Graph
from headrace.core.task import Task


@task
def inc(x):
    return x + 1


def only_edge(graph, downstream):
    (edge,) = graph.incoming(downstream)
    return edge


@pytest.mark.parametrize(
    "value",
    [1, "a", None, [1, [2]], (1,), {1, 2}, {"a": [1]}, range(3), [], slice(1, 2), {"a": {"b": ()}}],
)
def test_values_stay_values(value):
    with Graph("g") as graph:
        called = inc(value)
    assert graph.tasks == {called}
    assert graph.constants[called] == {"x": value}
    assert graph.constants[called]["x"] is value


@pytest.mark.parametrize(
    ("collect", "kind", "keys"),
    [
        (lambda a, b: [a, b], List, ["arg_1", "arg_2"]),
        (lambda a, b: (a, b), Tuple, ["arg_1", "arg_2"]),
        (lambda a, b: {a, b}, Set, ["arg_1", "arg_2"]),
    ],
)
def test_collections_that_hold_tasks_become_tasks(collect, kind, keys):
    with Graph("g") as graph:
        a, b = inc(1), inc(2)
        called = inc(collect(a, b))
    edge = only_edge(graph, called)
    made = edge.upstream_task
    assert type(made) is kind
    assert made.auto_generated
    assert edge.key == "x"
    assert [e.key for e in graph.incoming(made)] == keys
    assert graph.upstream_tasks(made) == {a, b}


def test_a_dict_that_holds_tasks_becomes_keys_and_values():
    with Graph("g") as graph:
        a = inc(1)
        called = inc({"one": a, "two": 2})
    made = only_edge(graph, called).upstream_task
    assert type(made) is Dict
    assert graph.constants[made] == {"keys": ["one", "two"]}
    values = only_edge(graph, made).upstream_task
    assert type(values) is List
    assert graph.constants[values] == {"arg_2": 2}
    assert graph.upstream_tasks(values) == {a}


def test_tasks_may_be_keys_of_a_dict():
    with Graph("g") as graph:
        a = inc(1)
        called = inc({a: 1})
    made = only_edge(graph, called).upstream_task
    assert {edge.key for edge in graph.incoming(made)} == {"keys"}


def test_slices_of_tasks_become_tasks():
    with Graph("g") as graph:
        a = inc(1)
        item = inc(2)[a:5]
    made = next(e.upstream_task for e in graph.incoming(item) if e.key == "key")
    assert type(made) is Slice
    assert graph.constants[made] == {"stop": 5, "step": None}


def test_named_tuples_become_plain_tuples():
    Pair = collections.namedtuple("Pair", "a b")  # noqa: PYI024 - the old kind counts, too
    with Graph("g") as graph:
        called = inc(Pair(inc(1), 2))
    assert type(only_edge(graph, called).upstream_task) is Tuple


def test_nested_collections_become_nested_tasks():
    with Graph("g") as graph:
        a = inc(1)
        called = inc([a, [a, 1], 2])
    outer = only_edge(graph, called).upstream_task
    assert graph.constants[outer] == {"arg_3": 2}
    inner = graph.upstream_tasks(outer) - {a}
    assert {type(t) for t in inner} == {List}


def test_the_tasks_gather_in_order():
    numbered = {f"arg_{n}": n for n in range(1, 13)}
    shuffled = dict(sorted(numbered.items()))  # as text, arg_10 comes before arg_2
    assert List().run(**shuffled) == list(range(1, 13))
    assert Tuple().run(**shuffled) == tuple(range(1, 13))
    assert Set().run(arg_1=1, arg_2=1) == {1}
    assert Dict().run(keys=["a", "b"], values=[1, 2]) == {"a": 1, "b": 2}
    assert Slice().run(1, None, 2) == slice(1, None, 2)
    assert List().run() == []


def test_a_dict_needs_as_many_keys_as_values():
    with pytest.raises(ArgumentError, match="2 keys and 1 values"):
        Dict().run(keys=[1, 2], values=[1])


def test_collection_tasks_are_usable_by_hand():
    with Graph("g") as graph:
        made = List()(inc(1), 2)
        assert len(graph.incoming(made)) == 1
        with pytest.raises(ArgumentError, match="by position"):
            List()(x=1)


def test_as_task_leaves_tasks_alone():
    made = Task()
    assert as_task(made) is made
    assert as_task(unmapped(made)) is made


def test_as_task_makes_constants():
    made = as_task([1, 2])
    assert isinstance(made, Constant)
    assert made.run() == [1, 2]
    assert made.auto_generated
    assert as_task(unmapped(3)).value == 3


def test_a_collection_of_tasks_needs_a_flow():
    with pytest.raises(NotInFlowError):
        as_task([Task()])
    graph = Graph("g")
    assert as_task([Task()], flow=graph) in graph.tasks


values = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda children: (
        st.lists(children, max_size=3)
        | st.tuples(children, children)
        | st.dictionaries(st.text(max_size=2), children, max_size=3)
    ),
    max_leaves=10,
)


@given(values, st.randoms())
def test_a_value_is_constant_exactly_if_no_task_is_in_it(value, random):
    assert is_constant(value)

    def planted(inner):
        if isinstance(inner, list) and inner:
            inner = list(inner)
            place = random.randrange(len(inner))
            inner[place] = planted(inner[place])
            return inner
        if isinstance(inner, tuple):
            return (planted(inner[0]), *inner[1:])
        if isinstance(inner, dict) and inner:
            key = random.choice(sorted(inner))
            return {**inner, key: planted(inner[key])}
        return Task()

    assert not is_constant(planted(value))


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1, "1"),
        ("abc", "'abc'"),
        ("abcdefgh", "Constant[str]"),
        ([1, 2], "[1, 2]"),
        ([1, 2, 3], "Constant[list]"),
        (list(range(100)), "Constant[list]"),
        (None, "None"),
        (1.5, "1.5"),
        (range(100), "Constant[range]"),
    ],
)
def test_short_constants_are_named_after_their_value(value, name):
    assert Constant(value).name == name
    assert Constant(value, name="mine").name == "mine"

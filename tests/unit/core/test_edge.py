import pytest

from headrace.core.annotations import flatten, mapped, unmapped
from headrace.core.collections import List
from headrace.core.constant import Constant
from headrace.core.edge import Edge
from headrace.core.errors import CycleError, EdgeError
from headrace.core.graph import Graph
from headrace.core.task import Task


def test_edges_are_values():
    a, b = Task(), Task()
    assert Edge(a, b, key="x") == Edge(a, b, key="x")
    assert len({Edge(a, b), Edge(a, b), Edge(b, a)}) == 2
    for other in (Edge(a, b), Edge(a, b, "y"), Edge(a, b, "x", mapped=True), Edge(b, a, "x")):
        assert Edge(a, b, "x") != other
    assert Edge(a, b, "x", mapped=True) != Edge(a, b, "x", mapped=True, flattened=True)
    assert Edge(a, b) != (a, b)


def test_flags_default_to_false():
    edge = Edge(Task(), Task())
    assert (edge.key, edge.mapped, edge.flattened) == (None, False, False)
    assert edge.tasks == {edge.upstream_task, edge.downstream_task}


@pytest.mark.parametrize(
    ("annotate", "mapped_flag", "flattened_flag"),
    [
        (mapped, True, False),
        (unmapped, False, False),
        (flatten, True, True),
        (lambda t: unmapped(flatten(t)), False, True),
    ],
)
def test_annotations_win_over_arguments(annotate, mapped_flag, flattened_flag):
    task = Task()
    edge = Edge(annotate(task), Task(), mapped=True)
    assert edge.upstream_task is task
    assert (edge.mapped, edge.flattened) == (mapped_flag, flattened_flag)


def test_values_become_constants_and_collections_become_tasks():
    edge = Edge(5, Task())
    assert isinstance(edge.upstream_task, Constant)
    assert edge.upstream_task.auto_generated
    graph = Graph("g")
    edge = Edge([Task(), 1], Task(), flow=graph)
    assert isinstance(edge.upstream_task, List)
    assert edge.upstream_task in graph.tasks


def test_an_edge_needs_two_tasks():
    task = Task(name="self")
    with pytest.raises(CycleError, match="'self' to itself"):
        Edge(task, task)
    with pytest.raises(CycleError, match="'self' to itself"):
        Edge.between(task, task, "x", False)


@pytest.mark.parametrize("key", ["", "1a", "a-b", "class", 3])
def test_a_key_is_the_name_of_a_parameter(key):
    with pytest.raises(EdgeError, match="identifier"):
        Edge(Task(), Task(), key=key)


def test_repr_and_description_name_both_ends():
    edge = Edge(Task(name="a", slug="a-1"), Task(name="b", slug="b-1"), key="x")
    assert repr(edge) == "<Edge(key=x, mapped=False, flattened=False): a to b>"
    assert edge.serialize() == {
        "type": "headrace.core.edge.Edge",
        "upstream_task": {"slug": "a-1"},
        "downstream_task": {"slug": "b-1"},
        "key": "x",
        "mapped": False,
        "flattened": False,
    }

import pytest

from headrace.core.errors import EdgeError, MappingError, NotInFlowError
from headrace.core.function_task import task
from headrace.core.graph import Graph
from headrace.core.mapping import apply_map, flatten, mapped, unmapped
from headrace.core.parameter import Parameter


@task
def inc(x):
    return x + 1


@task
def add(x, y=1):
    return x + y


@task
def numbers():
    return [1, 2, 3]


def inputs(graph, one):
    """What a task takes: {key: (upstream name, mapped, flattened)} and its constants."""
    edges = {e.key: (e.upstream_task.name, e.mapped, e.flattened) for e in graph.incoming(one)}
    return edges, dict(graph.constants.get(one, {}))


class TestMap:
    def test_all_inputs_are_mapped_unless_annotated(self):
        with Graph("g") as graph:
            source = numbers()
            plain = add.map(source, [4, 5])
            whole = add.map(source, y=unmapped(7))
            flat = add.map(flatten(source), y=unmapped(source))
        assert inputs(graph, plain)[0] == {
            "x": ("numbers", True, False),
            "y": ("[4, 5]", True, False),
        }
        assert inputs(graph, whole) == ({"x": ("numbers", True, False)}, {"y": 7})
        assert inputs(graph, flat)[0] == {
            "x": ("numbers", True, True),
            "y": ("numbers", False, False),
        }

    def test_a_call_may_be_mapped_in_whole_or_in_part(self):
        with Graph("g") as graph:
            source = numbers()
            whole = add(source, source, mapped=True)
            part = add(mapped(source), source)
        assert [e.mapped for e in graph.incoming(whole)] == [True, True]
        assert inputs(graph, part)[0] == {
            "x": ("numbers", True, False),
            "y": ("numbers", False, False),
        }

    def test_upstream_tasks_are_mapped_too(self):
        with Graph("g") as graph:
            source, other = numbers(), numbers()
            called = inc.map(source, upstream_tasks=[other, unmapped(source)])
        flags = {(e.key, e.upstream_task): e.mapped for e in graph.incoming(called)}
        assert flags == {("x", source): True, (None, other): True, (None, source): False}

    def test_a_list_of_tasks_is_gathered_and_mapped(self):
        with Graph("g") as graph:
            called = inc.map([inc(1), inc(2)])
        (edge,) = graph.incoming(called)
        assert (edge.upstream_task.name, edge.mapped) == ("List", True)

    @pytest.mark.parametrize("value", [(1, 2), "ab", range(3), {0: "a"}])
    def test_anything_with_items_can_be_mapped_over(self, value):
        with Graph("g") as graph:
            called = inc.map(value)
        (edge,) = graph.incoming(called)
        assert edge.upstream_task.value == value

    @pytest.mark.parametrize("value", [5, None, {1, 2}, 3.5, (n for n in "ab")])
    def test_mapping_over_what_has_no_items_is_an_error(self, value):
        with Graph("g") as graph:
            with pytest.raises(MappingError, match=r"'inc' cannot be mapped over.*unmapped"):
                inc.map(value)
            with pytest.raises(MappingError, match="'add'"):
                add.map([1], y=value)
        assert not graph.tasks

    def test_all_ways_to_map_over_what_has_no_items_are_errors(self):
        graph = Graph("g")
        for wrong in (
            lambda: inc(5, mapped=True, flow=graph),
            lambda: inc(mapped(5), flow=graph),
            lambda: inc.map([1], upstream_tasks=[5], flow=graph),
            lambda: graph.add_edge(5, inc.copy(), key="x", mapped=True),
            lambda: graph.set_dependencies(inc.copy(), keyword_tasks={"x": 5}, mapped=True),
        ):
            with pytest.raises(MappingError, match="'inc' cannot be mapped over 5, a int"):
                wrong()
        assert not graph.tasks

    def test_task_args_reach_the_copy(self):
        with Graph("g"):
            called = inc.map([1], task_args={"name": "many"})
        assert called.name == "many"

    def test_mapping_outside_a_flow_says_so(self):
        with pytest.raises(NotInFlowError):
            inc.map([1])
        graph = Graph("g")
        assert inc.map([1], flow=graph) in graph.tasks


class TestApplyMap:
    def test_all_tasks_of_the_function_are_mapped(self):
        def function(x, y):
            return add(inc(x), y)

        with Graph("g") as graph:
            source = numbers()
            called = apply_map(function, source, unmapped(7))
        (first,) = graph.upstream_tasks(called)
        assert inputs(graph, called) == ({"x": ("inc", True, False)}, {"y": 7})
        assert inputs(graph, first) == ({"x": ("numbers", True, False)}, {})
        assert graph.tasks == {source, first, called}

    def test_values_are_mapped_over(self):
        with Graph("g") as graph:
            called = apply_map(add, [1, 2], y=flatten([[3], [4]]))
        edges = {
            e.key: (e.upstream_task.value, e.mapped, e.flattened) for e in graph.incoming(called)
        }
        assert edges == {"x": ([1, 2], True, False), "y": ([[3], [4]], True, True)}

    def test_unmapped_tasks_are_passed_whole(self):
        with Graph("g") as graph:
            one = inc(1)
            called = apply_map(add, numbers(), unmapped(one))
        assert inputs(graph, called)[0] == {
            "x": ("numbers", True, False),
            "y": ("inc", False, False),
        }

    def test_tasks_that_use_no_input_learn_the_number_of_children(self):
        with Graph("g") as graph:
            called = apply_map(lambda x, y: inc(1), numbers(), unmapped("constant"))
        assert inputs(graph, called) == ({None: ("numbers", True, False)}, {"x": 1})

    def test_equal_values_in_the_function_are_not_taken_for_its_input(self):
        shared = [1, 2]
        with Graph("g") as graph:
            called = apply_map(lambda x: add(x, y=shared), shared)
        edges, constants = inputs(graph, called)
        assert edges == {"x": ("[1, 2]", True, False)}
        assert constants == {"y": [1, 2]}

    def test_tasks_from_outside_are_mapped_when_the_function_uses_them(self):
        with Graph("g") as graph:
            outside = numbers()
            called = apply_map(lambda x: add(x, outside), numbers())
        assert inputs(graph, called)[0]["y"] == ("numbers", True, False)
        assert len(graph.tasks) == 3

    def test_operators_collections_and_items_work_inside(self):
        with Graph("g") as graph:
            called = apply_map(lambda x: inc([x[0], x + 1]), numbers())
        assert all(
            edge.mapped or edge.upstream_task.name == "numbers"
            for edge in graph.edges
            if edge.downstream_task.name != "numbers"
        )
        (gathered,) = graph.upstream_tasks(called)
        assert gathered.name == "List"

    def test_several_results_and_parameters_come_through(self):
        with Graph("g") as graph:
            p = Parameter("p")
            first, second = apply_map(lambda x, y: (inc(x), inc(y)), [1, 2], y=p)
        assert inputs(graph, second)[0]["x"] == ("p", True, False)
        assert {first, second, p} <= graph.tasks

    def test_a_list_that_holds_tasks_is_gathered_once_and_not_mapped_itself(self):
        with Graph("g") as graph:
            called = apply_map(inc, [inc(1), inc(2)])
        (gathered,) = graph.upstream_tasks(called)
        assert gathered.name == "List"
        assert not any(edge.mapped for edge in graph.incoming(gathered))

    def test_a_flow_can_be_named(self):
        graph = Graph("g")

        def function(x, flow):
            return inc(x, flow=flow)

        called = apply_map(function, [1], flow=graph)
        assert called in graph.tasks

    def test_nothing_else_is_mapped_inside(self):
        for function in (
            inc.map,
            lambda x: inc(x, mapped=True),
            lambda x: apply_map(inc, x),
            lambda x: inc.copy().set_upstream(x, mapped=True),
        ):
            with Graph("g"), pytest.raises(EdgeError, match="apply_map"):
                apply_map(function, numbers())

    @pytest.mark.parametrize("value", [5, None, {1: 2}, {1}])
    def test_what_is_no_sequence_is_an_error(self, value):
        with Graph("g"):
            with pytest.raises(MappingError, match="apply_map"):
                apply_map(inc, value)
            with pytest.raises(MappingError, match="apply_map"):
                apply_map(inc, x=value)
            apply_map(add, [1], unmapped(value))

    def test_outside_a_flow_it_says_so(self):
        with pytest.raises(NotInFlowError, match="apply_map"):
            apply_map(inc, [1])

    def test_scopes_around_it_hear_of_its_tasks(self):
        class Listener:
            def __init__(self):
                self.heard = []

            def add_task(self, task, graph):
                self.heard.append((task.name, graph.name))

        with Graph("g") as graph:
            source = numbers()
            listener = Listener()
            graph.open_scope(listener)
            apply_map(lambda x: inc(inc(x)), source)
        assert listener.heard == [("inc", "g"), ("inc", "g")]

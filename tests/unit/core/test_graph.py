import pickle
import sys
from itertools import pairwise

import cloudpickle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.annotations import flatten, mapped, unmapped
from headrace.core.constant import Constant
from headrace.core.edge import Edge
from headrace.core.errors import (
    CycleError,
    DuplicateSlugError,
    EdgeError,
    NotInFlowError,
    ParameterError,
    TaskTypeError,
)
from headrace.core.function_task import task
from headrace.core.graph import Graph
from headrace.core.parameter import Parameter
from headrace.core.settings import AuthoringSettings, set_authoring_settings_source
from headrace.core.task import Task


@task
def inc(x):
    return x + 1


@task
def add(x, y=1):
    return x + y


def named(*names):
    return [Task(name=name) for name in names]


class TestTasks:
    def test_adding_a_task_twice_changes_nothing(self):
        graph = Graph("g")
        (a,) = named("a")
        assert graph.add_task(a) is a
        graph.add_task(a)
        assert graph.tasks == {a}
        assert list(graph) == [a]

    @pytest.mark.parametrize("thing", [5, "a", None, [Task()]])
    def test_only_tasks_can_be_added(self, thing):
        with pytest.raises(TaskTypeError, match="not a task"):
            Graph("g").add_task(thing)

    def test_a_class_is_no_task(self):
        with pytest.raises(TaskTypeError, match=r"make one: Task\(\)"):
            Graph("g").add_task(Task)

    def test_slugs_number_the_tasks_of_one_name_and_tags(self):
        graph = Graph("g")
        made = [Task(name="a"), Task(name="a"), Task(name="b"), Task(name="a", tags=["y", "x"])]
        for one in made:
            graph.add_task(one)
        assert list(graph.slugs.values()) == ["a-1", "a-2", "b-1", "a-x-y-1"]

    def test_a_generated_slug_avoids_the_given_ones(self):
        graph = Graph("g")
        graph.add_task(Task(name="x", slug="a-1"))
        (a,) = named("a")
        graph.add_task(a)
        assert graph.slugs[a] == "a-2"

    def test_two_tasks_cannot_have_one_slug(self):
        graph = Graph("g")
        graph.add_task(Task(name="first", slug="s"))
        with pytest.raises(DuplicateSlugError, match=r"second.*'s'.*first"):
            graph.add_task(Task(name="second", slug="s"))
        with pytest.raises(DuplicateSlugError):
            graph.add_task(Parameter("s"))

    def test_get_tasks_meets_all_conditions(self):
        graph = Graph("g")
        a = Task(name="a", tags=["x", "y"])
        b = Task(name="b", tags=["x"], slug="mine")
        p = Parameter("p")
        for one in (a, b, p):
            graph.add_task(one)
        assert graph.get_tasks() == [a, b, p]
        assert graph.get_tasks(name="a") == [a]
        assert graph.get_tasks(tags=["x"]) == [a, b]
        assert graph.get_tasks(tags="x") == [a, b]
        assert graph.get_tasks(tags=["x", "y"]) == [a]
        assert graph.get_tasks(slug="mine") == [b]
        assert graph.get_tasks(slug="a-x-y-1") == [a]
        assert graph.get_tasks(task_type=Parameter) == [p]
        assert graph.get_tasks(name="a", tags=["z"]) == []

    def test_get_tasks_takes_a_class_not_a_task(self):
        with pytest.raises(TaskTypeError, match="Parameter"):
            Graph("g").get_tasks(task_type=Parameter("p"))


class TestEdges:
    def test_an_edge_adds_both_tasks(self):
        graph = Graph("g")
        a, b = named("a", "b")
        edge = graph.add_edge(a, b)
        assert edge == Edge(a, b)
        assert graph.tasks == {a, b}
        assert graph.edges == {edge}
        assert graph.edges_from(a) == graph.edges_to(b) == {edge}
        assert graph.incoming(b) == graph.outgoing(a) == [edge]
        assert graph.upstream_tasks(b) == {a}
        assert graph.downstream_tasks(a) == {b}
        assert graph.all_upstream_edges() == {a: set(), b: {edge}}
        assert graph.all_downstream_edges() == {a: {edge}, b: set()}

    def test_the_same_edge_twice_is_one_edge(self):
        graph = Graph("g")
        a, b = Task(name="a"), inc.copy()
        for _ in range(2):
            graph.add_edge(a, b, key="x")
            graph.add_edge(a, b)
        assert len(graph.edges) == len(graph.incoming(b)) == len(graph.outgoing(a)) == 2

    def test_annotations_reach_the_edge(self):
        with Graph("g") as graph:
            source = inc(1)
            target = add.map(flatten(source), y=unmapped(source))
            half = add(mapped(source), source)
        flags = {e.key: (e.mapped, e.flattened) for e in graph.edges_to(target)}
        assert flags == {"x": (True, True), "y": (False, False)}
        assert {e.key: e.mapped for e in graph.edges_to(half)} == {"x": True, "y": False}

    def test_values_become_constants_unless_they_are_mapped_or_ordered(self):
        graph = Graph("g")
        a, b, c = add.copy(), add.copy(), add.copy()
        graph.add_edge(1, a, key="x")
        graph.add_edge([1, 2], b, key="x", mapped=True)
        graph.add_edge(3, c)
        assert graph.constants[a] == {"x": 1}
        assert {type(e.upstream_task) for e in graph.edges} == {Constant}
        assert [e.upstream_task.value for e in graph.edges] == [[1, 2], 3]

    def test_a_flattened_value_stays_a_task(self):
        with Graph("g") as graph:
            called = inc(flatten([[1], [2]]))
        (edge,) = graph.edges_to(called)
        assert (edge.mapped, edge.flattened) == (False, True)

    def test_an_argument_is_given_once(self):
        with Graph("g") as graph:
            a, b = inc(1), inc(2)
            target = inc(a)
            for wrong in (
                lambda: graph.add_edge(b, target, key="x"),
                lambda: graph.set_dependencies(target, keyword_tasks={"x": b}),
                lambda: graph.set_dependencies(target, keyword_tasks={"x": 3}),
                lambda: graph.add_edge(3, target, key="x"),
                lambda: graph.add_edge(b, a, key="x"),
                lambda: target.bind(b),
            ):
                with pytest.raises(EdgeError, match="'x'.*already"):
                    wrong()
            graph.add_edge(a, target, key="x")
        assert graph.upstream_tasks(target) == {a}

    def test_a_constant_may_be_given_anew(self):
        graph = Graph("g")
        one = inc.copy()
        one.bind(1, flow=graph)
        one.bind(2, flow=graph)
        assert graph.constants[one] == {"x": 2}

    def test_many_arguments_can_be_given_one_by_one(self):
        @task
        def gather(**items): ...

        graph = Graph("g")
        target = gather.copy()
        for number in range(50):
            graph.add_edge(Task(), target, key=f"a{number}")
        with pytest.raises(EdgeError, match="'a49'"):
            graph.add_edge(Task(), target, key="a49")
        assert len(graph.incoming(target)) == 50

    def test_a_key_is_an_argument_of_the_task(self):
        graph = Graph("g")
        with pytest.raises(EdgeError, match="no argument 'z'"):
            graph.add_edge(Task(), inc.copy(), key="z")
        with pytest.raises(EdgeError, match="no argument 'z'"):
            graph.set_dependencies(inc.copy(), keyword_tasks={"z": 1})
        with pytest.raises(EdgeError, match="identifier"):
            graph.set_dependencies(inc.copy(), keyword_tasks={"a b": 1})

    def test_keywords_that_are_no_identifiers_are_refused_in_calls_too(self):
        @task
        def gather(**items): ...

        with Graph("g"), pytest.raises(EdgeError, match="identifier"):
            gather(**{"a b": 1})

    def test_set_dependencies_connects_all_at_once(self):
        graph = Graph("g")
        a, b, c, target = *named("a", "b", "c"), add.copy()
        graph.set_dependencies(
            target, upstream_tasks=[a], downstream_tasks=[b], keyword_tasks={"x": c, "y": 2}
        )
        assert graph.upstream_tasks(target) == {a, c}
        assert graph.downstream_tasks(target) == {b}
        assert graph.constants[target] == {"y": 2}

    def test_mapped_dependencies_map_everything_upstream(self):
        graph = Graph("g")
        a, b, c, target = *named("a", "b", "c"), add.copy()
        graph.set_dependencies(
            target,
            upstream_tasks=[a],
            downstream_tasks=[b],
            keyword_tasks={"x": c, "y": unmapped(2)},
            mapped=True,
        )
        assert {e.upstream_task: e.mapped for e in graph.edges_to(target)} == {a: True, c: True}
        assert not next(iter(graph.edges_from(target))).mapped
        assert graph.constants[target] == {"y": 2}

    def test_chain(self):
        graph = Graph("g")
        tasks = named("a", "b", "c")
        edges = graph.chain(*tasks)
        assert [(e.upstream_task.name, e.downstream_task.name) for e in edges] == [
            ("a", "b"),
            ("b", "c"),
        ]
        assert graph.sorted_tasks() == tuple(tasks)
        assert graph.chain() == graph.chain(tasks[0]) == []

    @pytest.mark.parametrize(
        "ask",
        [
            lambda g, t: g.edges_to(t),
            lambda g, t: g.edges_from(t),
            lambda g, t: g.upstream_tasks(t),
            lambda g, t: g.downstream_tasks(t),
            lambda g, t: g.replace(t, Task()),
            lambda g, t: g.sorted_tasks([t]),
            lambda g, t: g.set_reference_tasks([t]),
        ],
    )
    def test_questions_about_other_tasks_are_errors(self, ask):
        with pytest.raises(NotInFlowError, match="'?stranger") as caught:
            ask(Graph("home"), Task(name="stranger"))
        assert "home" in str(caught.value)

    def test_a_class_of_tasks_is_no_input(self):
        with Graph("g"), pytest.raises(TaskTypeError, match=r"'x'.*class Parameter"):
            inc(Parameter)


class TestCycles:
    def circle(self):
        graph = Graph("g")
        a, b, c, d = named("a", "b", "c", "d")
        graph.chain(d, a, b, c)
        return graph, a, b, c

    def test_a_cycle_names_its_tasks_in_order(self):
        graph, a, _, c = self.circle()
        graph.add_edge(c, a)
        with pytest.raises(
            CycleError,
            match="'a' -> 'b' -> 'c' -> 'a'|'b' -> 'c' -> 'a' -> 'b'|'c' -> 'a' -> 'b' -> 'c'",
        ) as caught:
            graph.sorted_tasks()
        assert "'d'" not in str(caught.value)
        with pytest.raises(CycleError):
            graph.validate()

    def test_validation_may_be_asked_for_with_each_edge(self):
        graph, a, _, c = self.circle()
        with pytest.raises(CycleError):
            graph.add_edge(c, a, validate=True)
        for validate in (
            lambda g, a, b, c: g.set_dependencies(a, upstream_tasks=[c], validate=True),
            lambda g, a, b, c: g.chain(c, a, validate=True),
            lambda g, a, b, c: g.set_dependencies(c, downstream_tasks=[a], validate=True),
        ):
            with pytest.raises(CycleError):
                validate(*self.circle())

    def test_validation_may_be_configured(self):
        set_authoring_settings_source(lambda: AuthoringSettings(eager_edge_validation=True))
        try:
            graph, a, _, c = self.circle()
            with pytest.raises(CycleError):
                graph.add_edge(c, a)
            graph, a, _, c = self.circle()
            with pytest.raises(CycleError):
                a.bind(upstream_tasks=[c], flow=graph)
            graph, a, _, c = self.circle()
            graph.add_edge(c, a, validate=False)
        finally:
            set_authoring_settings_source(None)

    def test_a_task_cannot_wait_for_itself(self):
        graph = Graph("g")
        one = inc.copy()
        with pytest.raises(CycleError, match="itself"):
            graph.add_edge(one, one)
        with pytest.raises(CycleError, match="itself"):
            one.bind(one, flow=graph)
        with pytest.raises(CycleError, match="itself"):
            one.bind(1, upstream_tasks=[one], flow=graph)


class TestReferenceTasks:
    def test_the_terminal_tasks_count_by_default(self):
        graph = Graph("g")
        a, b, c = named("a", "b", "c")
        graph.chain(a, b)
        graph.add_task(c)
        assert graph.reference_tasks() == graph.terminal_tasks() == {b, c}
        assert graph.root_tasks() == {a, c}
        graph.add_edge(b, c)
        assert graph.reference_tasks() == {c}

    def test_they_can_be_set_and_reset(self):
        graph = Graph("g")
        a, b = named("a", "b")
        graph.chain(a, b)
        graph.set_reference_tasks([a])
        assert graph.reference_tasks() == {a}
        graph.set_reference_tasks([])
        assert graph.reference_tasks() == {b}

    def test_one_task_is_no_list(self):
        graph = Graph("g")
        a = graph.add_task(Task())
        with pytest.raises(TaskTypeError, match="give a list"):
            graph.set_reference_tasks(a)

    def test_resources_do_not_count(self):
        class Init(Task):
            is_resource_init = True

        class Cleanup(Task):
            is_resource_cleanup = True

        graph = Graph("g")
        init, use, cleanup = Init(), Task(), Cleanup()
        graph.chain(init, use, cleanup)
        graph.add_edge(init, cleanup)
        assert graph.reference_tasks() == {use}
        assert graph.terminal_tasks() == {cleanup}


class TestScopes:
    def test_scopes_hear_of_tasks_but_not_of_parameters_and_constants(self):
        class Listener:
            def __init__(self):
                self.heard = []

            def add_task(self, task, graph):
                self.heard.append((task.name, graph.name))

        outer, inner = Listener(), Listener()
        with Graph("g") as graph:
            inc(1)
            graph.open_scope(outer)
            inc.map([1, 2])
            graph.open_scope(inner)
            add(Parameter("p"), 1)
            graph.close_scope(inner)
            inc([inc(2)])
            graph.close_scope(outer)
            inc(3)
        assert inner.heard == [("add", "g")]
        assert outer.heard == [
            ("inc", "g"),
            ("add", "g"),
            ("inc", "g"),
            ("List", "g"),
            ("inc", "g"),
        ]


class TestUpdate:
    def test_everything_of_the_other_graph_is_taken_up(self):
        with Graph("one") as one:
            a = inc(1)
        with Graph("two") as two:
            b = add(2, y=a)
            c = inc.map([1, 2])
        one.update(two)
        assert one.tasks == {a, b, c} | two.tasks
        assert one.edges == two.edges
        assert one.constants[b] == {"x": 2}
        assert one.slugs[a] == "inc-1"
        assert one.slugs[c] == "inc-2"
        one.constants[b]["x"] = 9
        assert two.constants[b] == {"x": 2}

    def test_parameters_of_one_name_are_merged_or_an_error(self):
        def flow(name):
            with Graph(name) as graph:
                inc(Parameter("p"))
            return graph

        one, two = flow("one"), flow("two")
        with pytest.raises(ParameterError, match="merge_parameters"):
            flow("three").update(two)
        one.update(two, merge_parameters=True)
        (parameter,) = one.parameters()
        assert parameter in two.tasks
        assert len(one.edges_from(parameter)) == 2

    def test_reference_tasks_are_merged_on_request(self):
        def flow(name):
            with Graph(name) as graph:
                a = inc(1)
                inc(a)
                graph.set_reference_tasks([a])
            return graph, a

        (one, a), (two, b) = flow("one"), flow("two")
        one.update(two)
        assert one.reference_tasks() == {a}
        one.update(two, merge_reference_tasks=True)
        assert one.reference_tasks() == {a, b}

    def test_updating_with_itself_changes_nothing(self):
        with Graph("g") as graph:
            inc(add(1, 2))
        copy = graph.copy()
        graph.update(graph)
        graph.update(graph, merge_parameters=True)
        assert graph == copy


class TestReplace:
    def test_the_new_task_has_the_place_of_the_old(self):
        with Graph("g") as graph:
            a = inc(1)
            b = add(a, y=5)
            c = inc.map(b)
        graph.set_reference_tasks([b, c])
        new = add.copy(name="new")
        graph.replace(b, new)
        assert b not in graph.tasks
        assert {(e.upstream_task, e.key) for e in graph.edges_to(new)} == {(a, "x")}
        assert {(e.downstream_task, e.mapped) for e in graph.edges_from(new)} == {(c, True)}
        assert graph.constants[new] == {"y": 5}
        assert b not in graph.constants
        assert graph.reference_tasks() == {new, c}

    def test_a_value_needs_nothing_upstream(self):
        with Graph("g") as graph:
            a = inc(1)
            b = inc(a)
            c = inc(b)
            d = inc.map(b)
        graph.replace(b, [1, 2])
        assert graph.constants[c] == {"x": [1, 2]}
        assert graph.edges_from(a) == set()
        (edge,) = graph.edges_to(d)
        assert edge.upstream_task.value == [1, 2]
        assert a in graph.reference_tasks()

    def test_a_value_may_take_the_place_of_a_reference_task(self):
        with Graph("g") as graph:
            a = inc(1)
        graph.set_reference_tasks([a])
        graph.replace(a, 5)
        (made,) = graph.reference_tasks()
        assert made.value == 5
        assert graph.tasks == {made}

    def test_a_parameter_may_be_replaced_by_one_of_its_name(self):
        with Graph("g") as graph:
            p = Parameter("p")
            inc(p)
        new = Parameter("p", default=3)
        graph.replace(p, new)
        assert graph.parameters() == {new}
        assert graph.slugs[new] == "p"

    def test_a_task_that_does_not_fit_changes_nothing(self):
        with Graph("g") as graph:
            b = add(inc(1), y=2)
        copy = graph.copy()
        with pytest.raises(EdgeError, match="no argument"):
            graph.replace(b, Task(name="new"))
        with pytest.raises(EdgeError, match="no argument 'y'"):
            graph.replace(b, inc.copy())
        assert graph == copy

    def test_a_task_replaces_itself(self):
        with Graph("g") as graph:
            a = inc(1)
        graph.replace(a, a)
        assert graph.tasks == {a}

    def test_a_collection_may_be_the_new_task(self):
        with Graph("g") as graph:
            a = inc(1)
            b = inc(a)
            other = inc(2)
        graph.replace(a, [other, 3])
        (edge,) = graph.edges_to(b)
        assert graph.upstream_tasks(edge.upstream_task) == {other}

    def test_a_cycle_that_comes_about_is_an_error(self):
        with Graph("g") as graph:
            a = inc(1)
            b = inc(a)
            c = inc(b)
            d = inc(5)
        graph.add_edge(c, d)
        with pytest.raises(CycleError):
            graph.replace(a, d)


class TestCopy:
    def test_a_copy_changes_apart(self):
        with Graph("g") as graph:
            a = add(1, 2)
            inc(a)
        copy = graph.copy()
        assert copy == graph
        with copy:
            inc(inc(3))
        copy.constants[a]["x"] = 9
        copy.add_edge(Task(), a)
        assert len(graph.tasks) == 2
        assert len(graph.edges) == 1
        assert graph.constants[a] == {"x": 1, "y": 2}
        assert graph.edges_to(a) == set()
        assert copy != graph

    def test_slugs_go_on_where_they_were(self):
        with Graph("g") as graph:
            inc(1)
        copy = graph.copy()
        with copy:
            assert copy.slugs[inc(2)] == "inc-2"

    def test_graphs_differ_by_name_tasks_edges_and_reference_tasks(self):
        a, b = named("a", "b")

        def graph(name="g", edge=True, reference=None):
            made = Graph(name)
            made.add_task(a)
            made.add_task(b)
            if edge:
                made.add_edge(a, b)
            if reference:
                made.set_reference_tasks([reference])
            return made

        assert graph() == graph()
        assert graph() != graph("other")
        assert graph() != graph(edge=False)
        assert graph() != graph(reference=a)
        assert graph() != 5

    def test_graphs_are_no_keys(self):
        with pytest.raises(TypeError, match="unhashable"):
            {Graph("g")}

    @pytest.mark.parametrize("pickler", [pickle, cloudpickle])
    def test_a_pickled_graph_is_the_same(self, pickler):
        graph = Graph("g")
        a, b, p = Task(name="a"), Task(name="b"), Parameter("p")
        graph.chain(p, a, b)
        graph.add_edge(5, a)
        graph.set_reference_tasks([a])
        with graph:
            copy = pickler.loads(pickler.dumps(graph))
        assert not copy.is_open
        assert [t.name for t in copy.sorted_tasks()] == [t.name for t in graph.sorted_tasks()]
        assert list(copy.slugs.values()) == list(graph.slugs.values())
        assert [repr(e) for e in copy.edges] == [repr(e) for e in graph.edges]
        assert [t.name for t in copy.reference_tasks()] == ["a"]
        assert {t.name for t in copy.upstream_tasks(copy.get_tasks("a")[0])} == {"p", "5"}


class TestSorting:
    def test_the_order_of_adding_is_kept_where_edges_allow(self):
        graph = Graph("g")
        a, b, c, d = named("a", "b", "c", "d")
        for one in (a, b, c, d):
            graph.add_task(one)
        assert graph.sorted_tasks() == (a, b, c, d)
        graph.add_edge(d, b)
        assert graph.sorted_tasks() == (a, d, b, c)

    def test_root_tasks_limit_the_order_to_what_they_reach(self):
        graph = Graph("g")
        a, b, c, d = named("a", "b", "c", "d")
        graph.chain(a, b, c)
        graph.add_edge(d, c)
        assert graph.sorted_tasks([b]) == (b, c)
        assert graph.sorted_tasks([d, a]) == (a, b, d, c)
        assert graph.sorted_tasks([]) == graph.sorted_tasks()

    def test_very_deep_graphs_are_sorted_and_copied_and_pickled(self):
        graph = Graph("g")
        tasks = [Task() for _ in range(20_000)]
        graph.chain(*reversed(tasks))
        assert graph.sorted_tasks() == tuple(reversed(tasks))
        assert len(pickle.loads(pickle.dumps(graph.copy())).sorted_tasks()) == 20_000


@st.composite
def plans(draw):
    """Pairs (later, earlier) over some tasks, without a cycle, in any order."""
    count = draw(st.integers(1, 12))
    pairs = draw(
        st.lists(
            st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(
                lambda pair: pair[0] != pair[1]
            ),
            max_size=30,
        )
    )
    order = draw(st.permutations(range(count)))
    return order, [(max(pair), min(pair)) for pair in pairs]


def build(plan):
    order, pairs = plan
    graph = Graph("g")
    tasks = {number: Task(name=str(number)) for number in order}
    for number in order:
        graph.add_task(tasks[number])
    for later, earlier in pairs:
        graph.add_edge(tasks[earlier], tasks[later])
    return graph, tasks


def check_adjacency(graph):
    for one in graph.tasks:
        assert set(graph.incoming(one)) == {e for e in graph.edges if e.downstream_task is one}
        assert set(graph.outgoing(one)) == {e for e in graph.edges if e.upstream_task is one}
        assert len(graph.incoming(one)) == len(set(graph.incoming(one)))
    assert set().union(*(e.tasks for e in graph.edges)) <= graph.tasks
    assert len(set(graph.slugs.values())) == len(graph.slugs)


@given(plans())
def test_every_task_comes_after_its_upstream_tasks(plan):
    graph, _ = build(plan)
    ordered = graph.sorted_tasks()
    assert set(ordered) == graph.tasks
    assert len(ordered) == len(graph.tasks)
    place = {one: index for index, one in enumerate(ordered)}
    assert all(place[e.upstream_task] < place[e.downstream_task] for e in graph.edges)
    assert graph.sorted_tasks() == build_again(graph).sorted_tasks()
    check_adjacency(graph)


def build_again(graph):
    again = Graph("again")
    for one in graph.tasks:
        again.add_task(one)
    for edge in graph.edges:
        again.add_edge(edge.upstream_task, edge.downstream_task)
    return again


@given(plans(), st.data())
def test_root_tasks_reach_exactly_what_is_downstream(plan, data):
    graph, tasks = build(plan)
    roots = data.draw(st.lists(st.sampled_from(list(tasks.values())), min_size=1))
    reached = set(roots)
    while True:
        more = set().union(*(graph.downstream_tasks(one) for one in reached)) - reached
        if not more:
            break
        reached |= more
    ordered = graph.sorted_tasks(roots)
    assert set(ordered) == reached
    assert list(ordered) == [one for one in graph.sorted_tasks() if one in reached]


@given(plans(), st.data())
def test_closing_any_path_makes_a_cycle(plan, data):
    graph, _ = build(plan)
    if not graph.edges:
        return
    first = data.draw(st.sampled_from(list(graph.edges)))
    walk = [first.upstream_task, first.downstream_task]
    while graph.outgoing(walk[-1]) and data.draw(st.booleans()):
        walk.append(data.draw(st.sampled_from(graph.outgoing(walk[-1]))).downstream_task)
    graph.add_edge(walk[-1], walk[0])
    with pytest.raises(CycleError) as caught:
        graph.validate()
    shown = str(caught.value).split(": ", 1)[1].split(". ")[0].split(" -> ")
    assert shown[0] == shown[-1]
    names = {(e.upstream_task.name, e.downstream_task.name) for e in graph.edges}
    circle = [name.strip("'") for name in shown]
    assert all(pair in names for pair in pairwise(circle))


@given(plans())
def test_copies_and_pickles_are_equal(plan):
    graph, tasks = build(plan)
    copy = graph.copy()
    assert copy == graph
    assert list(copy.tasks) == list(graph.tasks)
    assert copy.sorted_tasks() == graph.sorted_tasks()
    check_adjacency(copy)
    copy.add_edge(Task(), tasks[0])
    check_adjacency(graph)
    check_adjacency(pickle.loads(pickle.dumps(graph)))


@given(plans(), st.data())
def test_replacing_keeps_the_shape(plan, data):
    graph, tasks = build(plan)
    before = {(e.upstream_task.name, e.downstream_task.name) for e in graph.edges}
    old = data.draw(st.sampled_from(list(tasks.values())))
    references = data.draw(st.lists(st.sampled_from(list(tasks.values()))))
    graph.set_reference_tasks(references)
    expected = {t.name for t in graph.reference_tasks()}
    new = Task(name=old.name)
    graph.replace(old, new)
    check_adjacency(graph)
    assert old not in graph.tasks
    assert new in graph.tasks
    assert {(e.upstream_task.name, e.downstream_task.name) for e in graph.edges} == before
    assert {t.name for t in graph.reference_tasks()} == expected


@given(plans(), plans(), st.booleans())
def test_an_update_is_a_union(plan, other_plan, share):
    one, tasks = build(plan)
    two, others = build(other_plan)
    if share:
        two.add_edge(tasks[0], others[0])
    before_tasks, before_edges = one.tasks.copy(), one.edges.copy()
    other = two.copy()
    one.update(two)
    assert one.tasks == before_tasks | two.tasks
    assert one.edges == before_edges | two.edges
    assert two == other
    check_adjacency(one)


def test_large_graphs_are_built_in_linear_time():
    # Calls are counted, not seconds: that says the same on a busy machine.
    def calls(count):
        made = 0

        def note(frame, event, argument):
            nonlocal made
            made += event in ("call", "c_call")

        sys.setprofile(note)
        try:
            with Graph("g") as graph:
                mapped_to = [inc(number) for number in range(count)]
                gathered = inc(mapped_to)
            assert len(graph.sorted_tasks()) == count + 2
            assert len(graph.incoming(gathered)) == 1
            graph.copy()
        finally:
            sys.setprofile(None)
        return made

    # Eight times the tasks take about eight times the calls; a quadratic step would take 64.
    assert calls(4_000) < 9 * calls(500)

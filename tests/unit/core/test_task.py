import datetime
import gc
import inspect
import logging
import pickle

import cloudpickle
import pytest

from headrace.core.caching import duration_only, never_use
from headrace.core.errors import (
    ArgumentError,
    NotInFlowError,
    TaskDefinitionError,
    TaskTypeError,
)
from headrace.core.function_task import task
from headrace.core.graph import Graph
from headrace.core.result import Result
from headrace.core.settings import AuthoringSettings, set_authoring_settings_source
from headrace.core.states import Failed, Running, Success
from headrace.core.tags import tags
from headrace.core.task import Task
from headrace.core.triggers import all_successful, always_run

MINUTE = datetime.timedelta(minutes=1)


class Add(Task[int]):
    def run(self, x: int, y: int = 1) -> int:
        return x + y


@task
def inc(x):
    return x + 1


def test_a_bare_task_has_the_documented_defaults():
    made = Task()
    assert made.name == "Task"
    assert made.slug is None
    assert made.tags == set()
    assert (made.max_retries, made.retry_delay, made.retry_on) == (0, None, None)
    assert made.timeout is None
    assert made.trigger is all_successful
    assert made.skip_on_upstream_skip
    assert made.cache_for is None
    assert made.cache_validator is never_use
    assert made.cache_key is None
    assert made.checkpoint is None
    assert made.state_handlers == []
    assert not made.log_stdout
    assert (made.result, made.target, made.task_run_name, made.nout) == (None, None, None, None)
    assert not made.auto_generated
    assert made.run() is None


def test_subclasses_are_named_after_their_class():
    assert Add().name == "Add"
    assert Add(name="plus").name == "plus"
    assert repr(Add(name="plus")) == "<Task: plus>"


def test_a_task_logs_under_its_name():
    assert Add(name="plus").logger is logging.getLogger("headrace.plus")


def test_a_task_may_have_a_logger_of_its_own():
    made = Add()
    made.logger = logging.getLogger("mine")
    assert made.copy().logger.name == "mine"


class TestOptions:
    def test_tags_are_a_set_of_their_own(self):
        given = ["a", "b", "a"]
        made = Task(tags=given)
        assert made.tags == {"a", "b"}

    def test_one_string_is_no_tags(self):
        with pytest.raises(TaskTypeError, match="'nightly'"):
            Task(tags="nightly")

    def test_retries_need_a_delay(self):
        with pytest.raises(TaskDefinitionError, match="retry_delay"):
            Task(max_retries=2)
        with pytest.raises(TaskDefinitionError, match="max_retries"):
            Task(retry_delay=MINUTE)
        with pytest.raises(TaskDefinitionError, match="retry_on"):
            Task(retry_on=ValueError)
        with pytest.raises(TaskDefinitionError, match="negative"):
            Task(max_retries=-1, retry_delay=MINUTE)
        with pytest.raises(TaskTypeError, match="timedelta"):
            Task(max_retries=1, retry_delay=5)
        with pytest.raises(TaskTypeError, match="whole number"):
            Task(max_retries="two", retry_delay=MINUTE)

    def test_retry_on_takes_one_type_or_several(self):
        def retry_on(value):
            return Task(max_retries=1, retry_delay=MINUTE, retry_on=value).retry_on

        assert retry_on(OSError) == {OSError}
        assert retry_on([OSError, KeyError]) == {OSError, KeyError}
        assert retry_on(None) is None
        for wrong in (OSError(), [int], "OSError", [OSError()]):
            with pytest.raises(TaskTypeError, match="exception type"):
                retry_on(wrong)

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            (3, 3),
            (0.5, 0.5),
            (datetime.timedelta(minutes=2), 120),
            (datetime.timedelta(milliseconds=1500), 1.5),
            (None, None),
        ],
    )
    def test_timeouts_are_kept_in_seconds(self, given, kept):
        timeout = Task(timeout=given).timeout
        assert timeout == kept
        assert type(timeout) is type(kept)

    def test_a_timeout_is_a_positive_duration(self):
        with pytest.raises(TaskTypeError, match="seconds"):
            Task(timeout="3s")
        with pytest.raises(TaskTypeError, match="seconds"):
            Task(timeout=True)
        with pytest.raises(TaskDefinitionError, match="negative"):
            Task(timeout=-1)

    def test_the_cache_validator_follows_the_duration(self):
        assert Task(cache_for=MINUTE).cache_validator is duration_only
        with pytest.warns(UserWarning, match="cache_for"):
            Task(cache_validator=duration_only)
        assert Task(cache_validator=never_use).cache_validator is never_use

    def test_a_target_is_where_the_result_goes(self):
        result = Result()
        made = Task(result=result, target="{task_name}.pkl")
        assert made.result.location == "{task_name}.pkl"
        assert result.location is None
        with pytest.warns(UserWarning, match="target is used"):
            Task(result=Result(location="other"), target="mine")

    def test_state_handlers_are_a_list_of_their_own(self):
        given = [print]
        made = Task(state_handlers=given)
        made.state_handlers.append(repr)
        assert given == [print]
        with pytest.raises(TaskTypeError, match="list of functions"):
            Task(state_handlers=print)

    def test_on_failure_is_called_for_failed_states_only(self):
        seen = []
        made = Task(on_failure=lambda task, state: seen.append((task, state)))
        (handler,) = made.state_handlers
        failed = Failed("no")
        assert handler(made, Running(), failed) is failed
        handler(made, Running(), Success())
        assert seen == [(made, failed)]

    def test_configured_defaults_fill_in_what_is_not_said(self):
        set_authoring_settings_source(
            lambda: AuthoringSettings(max_retries=2, retry_delay=MINUTE, timeout=9)
        )
        try:
            made = Task()
            own = Task(max_retries=0, timeout=1)
        finally:
            set_authoring_settings_source(None)
        assert (made.max_retries, made.retry_delay, made.timeout) == (2, MINUTE, 9)
        assert (own.max_retries, own.retry_delay, own.timeout) == (0, None, 1)


class TestSubclasses:
    def test_a_run_with_varargs_is_refused_when_the_class_is_made(self):
        with pytest.raises(TaskDefinitionError, match="Bad"):

            class Bad(Task):
                def run(self, *args): ...

    def test_a_run_with_a_reserved_name_is_refused_when_the_class_is_made(self):
        with pytest.raises(TaskDefinitionError, match="named 'flow'"):

            class Bad(Task):
                def run(self, flow): ...

    def test_static_class_and_inherited_runs_are_bound_as_they_are_called(self):
        class Static(Task):
            @staticmethod
            def run(x):
                return x

        class OfClass(Task):
            @classmethod
            def run(cls, x):
                return x

        class Child(Add):
            pass

        with Graph("g") as graph:
            for made in (Static(), OfClass(), Child()):
                assert graph.constants[made(7)] == {"x": 7}

    def test_a_run_set_on_the_instance_is_the_one_that_is_bound(self):
        class Late(Task):
            def __init__(self, fn):
                super().__init__()
                self.run = fn

        with Graph("g") as graph:
            assert graph.constants[Late(lambda p, q: 0)(1, q=2)] == {"p": 1, "q": 2}

    def test_a_run_replaced_on_the_class_is_the_one_that_is_bound(self, monkeypatch):
        made = Add()
        monkeypatch.setattr(Add, "run", lambda self, only: only)
        with Graph("g") as graph, pytest.raises(ArgumentError, match="'x'"):
            made(x=1)
        with graph:
            made(only=1)

    def test_attributes_that_task_overwrites_are_warned_of(self):
        class Before(Task):
            def __init__(self):
                self.tags = {"lost"}
                super().__init__()

        class OnClass(Task):
            timeout = 3

        with pytest.warns(UserWarning, match="Before sets the attributes tags"):
            Before()
        with pytest.warns(UserWarning, match="OnClass sets the attributes timeout"):
            OnClass()

    def test_a_task_as_constructor_argument_is_warned_of(self):
        class Configured(Task):
            def __init__(self, size=None, **kwargs):
                self.size = size
                super().__init__(**kwargs)

        with pytest.warns(UserWarning, match="constructor of Configured"):
            Configured(Task())
        with pytest.warns(UserWarning, match="constructor of Configured"):
            Configured(size=Task())
        Configured(size=1)


class TestCalling:
    def test_a_call_adds_a_copy_and_returns_it(self):
        add = Add()
        with Graph("g") as graph:
            called = add(1, y=2)
        assert called is not add
        assert graph.tasks == {called}
        assert graph.constants[called] == {"x": 1, "y": 2}

    def test_a_flow_can_be_named_instead_of_opened(self):
        graph = Graph("g")
        called = Add()(1, flow=graph)
        assert called in graph.tasks

    def test_a_named_flow_wins_over_the_open_one(self):
        named = Graph("named")
        with Graph("open") as opened:
            called = inc(1, flow=named)
            assert (called in named.tasks, called in opened.tasks) == (True, False)

    def test_a_call_outside_a_flow_says_so(self):
        with pytest.raises(NotInFlowError, match=r"inc.*outside a flow.*inc\.run"):
            inc(1)

    def test_arguments_are_checked_before_the_flow(self):
        with pytest.raises(ArgumentError, match="'inc' was called without 'x'"):
            inc()

    def test_arguments_that_do_not_fit_add_nothing(self):
        with Graph("g") as graph:
            with pytest.raises(ArgumentError):
                inc(1, 2)
            with pytest.raises(ArgumentError):
                inc(nope=Task()())
        assert all(made.name != "inc" for made in graph.tasks)

    def test_task_args_change_the_copy(self):
        with Graph("g"):
            called = inc(
                1,
                task_args={
                    "name": "plus",
                    "tags": ["a"],
                    "timeout": MINUTE,
                    "trigger": always_run,
                    "retry_on": OSError,
                    "state_handlers": (print,),
                },
            )
        assert (called.name, called.tags, called.timeout) == ("plus", {"a"}, 60)
        assert called.trigger is always_run
        assert called.retry_on == {OSError}
        assert called.state_handlers == [print]
        assert inc.name == "inc"

    def test_task_args_that_do_not_exist_are_an_error(self):
        with Graph("g"), pytest.raises(AttributeError, match="'colour'"):
            inc(1, task_args={"colour": "red"})

    def test_bind_adds_the_task_itself(self):
        add = Add()
        graph = Graph("g")
        assert add.bind(1, flow=graph) is add
        assert graph.tasks == {add}

    def test_upstream_tasks_come_first_without_passing_a_result(self):
        with Graph("g") as graph:
            first = inc(1)
            second = inc(2, upstream_tasks=[first])
        (edge,) = graph.edges
        assert (edge.upstream_task, edge.downstream_task, edge.key) == (first, second, None)

    def test_one_task_is_no_list_of_upstream_tasks(self):
        with Graph("g"), pytest.raises(TaskTypeError, match="give a list"):
            inc(1, upstream_tasks=inc(2))

    def test_keyword_arguments_of_any_name_reach_a_run_that_takes_them(self):
        @task
        def gather(**kwargs):
            return kwargs

        with Graph("g") as graph:
            one = inc(1)
            called = gather(a=one, b=2)
        assert {edge.key for edge in graph.edges_to(called)} == {"a"}
        assert graph.constants[called] == {"b": 2}

    def test_tags_blocks_reach_tasks_made_outside_of_them(self):
        with Graph("g"), tags("night"):
            called = inc(1)
            bound = inc.copy().bind(2)
        assert called.tags == bound.tags == {"night"}
        assert inc.tags == set()


class TestCopying:
    def test_a_copy_shares_nothing_that_changes(self):
        original = Task(tags=["a"], state_handlers=[print])
        copy = original.copy()
        copy.tags.add("b")
        copy.state_handlers.append(repr)
        assert original.tags == {"a"}
        assert original.state_handlers == [print]
        assert type(copy) is Task

    def test_the_slug_of_a_copy_differs(self):
        original = Task(slug="mine")
        assert original.copy().slug == "mine-copy"
        assert original.copy(slug="yours").slug == "yours"
        assert original.copy(name="other").slug == "mine-copy"

    def test_copying_a_task_with_edges_in_the_open_flow_warns(self):
        with Graph("g"):
            called = inc(inc(1))
            with pytest.warns(UserWarning, match="copy does not have them"):
                called(2)

    def test_a_target_given_to_a_copy_moves_its_result(self):
        original = Task(result=Result())
        assert original.copy(target="there").result.location == "there"
        assert original.result.location is None

    def test_python_copy_makes_a_task_with_no_change(self):
        import copy

        original = Task(slug="mine", tags=["a"])
        assert copy.copy(original).slug == "mine"


class TestUnused:
    def test_tasks_made_in_a_block_and_not_used_are_warned_of(self):
        with pytest.warns(UserWarning, match="not added to it: <Task: lost>"), Graph("g"):
            Task(name="lost")

    def test_tasks_that_are_called_added_or_copied_are_used(self):
        with Graph("g") as graph:
            Add()(1)
            graph.add_task(Task())
            Add().copy().bind(3)

    def test_a_copy_that_is_not_used_is_warned_of(self):
        with pytest.warns(UserWarning, match="not added"), Graph("g"):
            Add().copy(name="lost")

    def test_an_error_in_the_block_is_not_hidden_by_a_warning(self):
        with pytest.raises(KeyError), Graph("g"):
            Task()
            raise KeyError


class TestDependencies:
    def test_set_upstream_and_downstream(self):
        with Graph("g") as graph:
            a, b, c, d = (Task(name=n) for n in "abcd")
            assert b.set_upstream(a) is b
            assert b.set_downstream(c) is b
            made = inc.copy()
            made.set_upstream(d, key="x", mapped=True)
        assert graph.upstream_tasks(b) == {a}
        assert graph.downstream_tasks(b) == {c}
        (edge,) = graph.edges_to(made)
        assert (edge.upstream_task, edge.key, edge.mapped) == (d, "x", True)

    def test_set_downstream_with_a_key(self):
        graph = Graph("g")
        made = inc.copy()
        Task(name="a").set_downstream(made, flow=graph, key="x")
        (edge,) = graph.edges
        assert (edge.downstream_task, edge.key) == (made, "x")

    def test_only_tasks_come_downstream(self):
        with Graph("g"), pytest.raises(TaskTypeError, match="not a task"):
            inc(1).set_downstream(5)

    def test_dependencies_need_a_flow(self):
        for connect in (
            lambda: Task().set_upstream(Task()),
            lambda: Task().set_downstream(Task()),
            lambda: Task().set_dependencies(upstream_tasks=[Task()]),
        ):
            with pytest.raises(NotInFlowError, match="No flow was given"):
                connect()

    def test_pipe_calls_the_next_task_with_this_one(self):
        from headrace.core.annotations import flatten

        with Graph("g") as graph:
            one = inc(1)
            two = one.pipe(Add(), y=5)
            assert one.pipe(flatten) is one
        (edge,) = graph.edges
        assert (edge.upstream_task, edge.downstream_task, edge.key) == (one, two, "x")
        assert graph.constants[two] == {"y": 5}


class TestIntrospection:
    def test_inputs_and_outputs_follow_the_annotations(self):
        assert Add().inputs() == {
            "x": {"type": int, "required": True, "default": None},
            "y": {"type": int, "required": False, "default": 1},
        }
        assert Add().outputs() is int

    def test_the_call_signature_has_what_every_call_takes(self):
        names = list(inspect.signature(inc).parameters)
        assert names == ["x", "mapped", "task_args", "upstream_tasks", "flow"]

        @task
        def gather(a, **kwargs): ...

        assert list(inspect.signature(gather).parameters)[-1] == "kwargs"

    def test_the_class_signature_is_that_of_its_constructor(self):
        class Configured(Task):
            def __init__(self, size=1):
                super().__init__()

        assert list(inspect.signature(Configured).parameters) == ["size"]

    def test_serialize_is_plain_data(self):
        import json

        made = Add(tags=["b", "a"], max_retries=1, retry_delay=MINUTE, cache_for=MINUTE)
        described = made.serialize()
        assert json.loads(json.dumps(described)) == described
        assert described["tags"] == ["a", "b"]
        assert described["retry_delay"] == 60
        assert described["trigger"] == "all_successful"
        assert described["inputs"]["x"] == {"required": True, "type": "<class 'int'>"}
        assert described["type"].endswith("Add")


def test_tasks_travel_to_other_processes():
    original = Add(tags=["a"], max_retries=1, retry_delay=MINUTE)
    copy = cloudpickle.loads(cloudpickle.dumps(original))
    assert copy.__dict__.keys() == original.__dict__.keys()
    assert copy.run(1) == 2
    assert pickle.loads(pickle.dumps(Task(name="plain"))).name == "plain"
    assert cloudpickle.loads(cloudpickle.dumps(inc)).run(1) == 2


def test_truth_is_that_of_an_object_not_of_a_result():
    # A task stands for a result that is not there yet, so `if task:` cannot ask for it.
    assert bool(inc)
    with Graph("g"):
        assert bool(inc(-1))


def test_tasks_compare_by_identity():
    made = Add()
    assert made == made  # noqa: PLR0124
    assert Add() != Add()
    assert len({made, made, Add()}) == 2


def test_tasks_are_freed_with_their_graph():
    import weakref

    graph = Graph("g")
    seen = weakref.ref(inc(1, flow=graph))
    del graph
    gc.collect()
    assert seen() is None

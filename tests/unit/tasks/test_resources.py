import os
import signal
import threading
import time

import cloudpickle
import pytest

from headrace import Flow, Parameter, apply_map, case, merge, resource_manager, task
from headrace.core.errors import (
    ArgumentError,
    FlowError,
    NotInFlowError,
    TaskDefinitionError,
    TaskTypeError,
)
from headrace.debug import raise_on_exception
from headrace.executors import LocalDaskExecutor
from headrace.signals import SKIP
from headrace.states import (
    Cancelled,
    Failed,
    Mapped,
    Pending,
    Resume,
    Running,
    Skipped,
    Success,
    TriggerFailed,
)
from headrace.tasks import ResourceManager, pause_task, resource_cleanup_trigger
from headrace.triggers import all_finished, all_successful


class Resource:
    """Notes what is done to it; each step may be told to fail."""

    log: list

    def __init__(self, name="r", init=None, setup=None, cleanup=None):
        self.name, self.errors = name, {"setup": setup, "cleanup": cleanup}
        self.note("init", init)

    def note(self, what, error):
        self.log.append(f"{what} {self.name}")
        if error is not None:
            raise error

    def setup(self):
        self.note("setup", self.errors["setup"])
        return self.name.upper()

    def cleanup(self, resource):
        self.note(f"cleanup {resource} of", self.errors["cleanup"])


class WithoutSetup:
    log: list

    def __init__(self, name="r", init=None):
        self.name = name
        self.log.append(f"init {name}")
        if init is not None:
            raise init

    def cleanup(self, resource):
        self.log.append(f"cleanup {resource} of {self.name}")


@pytest.fixture
def log():
    Resource.log = WithoutSetup.log = []
    return Resource.log


@pytest.fixture
def Managed():
    return ResourceManager(Resource, "Managed")


@task
def same(x):
    return x


@task
def boom(x=None):
    raise ValueError("boom")


@task
def skip(x=None):
    raise SKIP("not today")


@task(skip_on_upstream_skip=False, trigger=all_finished)
def always(x=None):
    return "always"


def names_of(tasks):
    return {each.name for each in tasks}


def outcome(flow, state):
    """The types of all states, by slug."""
    return {flow.slugs[one]: type(each).__name__ for one, each in state.result.items()}


class TestOrder:
    def test_the_block_stands_between_set_up_and_clean_up(self, Managed, log):
        with Flow("f") as flow, Managed("db") as resource:
            used = same(resource)
            same(used)
            other = same(1)
        state = flow.run()
        assert log == ["init db", "setup db", "cleanup DB of db"]
        assert state.result[used].result == "DB"
        (cleanup,) = flow.get_tasks(name="Managed.cleanup")
        assert flow.upstream_tasks(other) == {resource}
        assert names_of(flow.upstream_tasks(cleanup)) == {"Managed", "Managed.setup", "same"}
        assert used not in flow.upstream_tasks(cleanup)

    def test_without_a_setup_there_is_nothing_to_wait_for(self, log):
        manager = ResourceManager(WithoutSetup)
        with Flow("f") as flow, manager("tmp") as resource:
            used = same(1)
        assert resource is None
        assert flow.upstream_tasks(used) == set()
        assert flow.run().is_successful()
        assert log == ["init tmp", "cleanup None of tmp"]

    def test_an_inner_resource_lives_within_the_outer_one(self, Managed, log):
        with Flow("f") as flow, Managed("a") as outer:
            same(outer)
            with Managed("b") as inner:
                same([outer, inner])
        assert flow.run().is_successful()
        assert log == [
            "init a",
            "setup a",
            "init b",
            "setup b",
            "cleanup B of b",
            "cleanup A of a",
        ]

    def test_tasks_of_an_inner_block_without_set_up_wait_for_the_outer_one(self, Managed, log):
        inner = ResourceManager(WithoutSetup)
        with Flow("f") as flow, Managed("a", setup=ValueError()) as outer, inner("b"):
            used = same(1)
        assert flow.upstream_tasks(used) == {outer}
        assert isinstance(flow.run().result[used], TriggerFailed)

    def test_several_resources_may_be_entered_at_once(self, Managed, log):
        with Flow("f") as flow, Managed("a") as a, Managed(a) as b:
            both = same([a, b])
        assert flow.run().result[both].result == ["A", "A"]

    def test_a_resource_made_before_the_block_around_it_is_used_within_both(self, Managed, log):
        @task
        def use(*, one, two):
            log.append(f"use {one} {two}")

        with Flow("f") as flow:
            first, second = Managed("a"), Managed("b")
            with first as a, second as b:
                use(one=a, two=b)
        assert flow.run().is_successful()
        assert log.index("use A B") < log.index("cleanup A of a")
        assert log.index("use A B") < log.index("cleanup B of b")

    def test_arguments_may_be_tasks_and_parameters(self, Managed, log):
        with Flow("f") as flow, Managed(name=Parameter("name")) as resource:
            used = same(resource)
        assert flow.run(name="x").result[used].result == "X"

    def test_a_resource_in_a_flow_that_is_not_open(self, Managed, log):
        flow = Flow("f")
        context = Managed("x", flow=flow)
        with context as resource:
            same(resource, flow=flow)
        flow.run()
        assert log == ["init x", "setup x", "cleanup X of x"]
        assert context.setup_task is resource
        assert names_of([context.init_task, context.cleanup_task]) == {"Managed", "Managed.cleanup"}

    def test_apply_map_gives_each_child_its_own(self, Managed, log):
        def load(name):
            with Managed(name) as resource:
                return same(resource)

        with Flow("f") as flow:
            loaded = apply_map(load, ["a", "b"])
        assert flow.run().result[loaded].result == ["A", "B"]
        assert sorted(log) == sorted(
            f"{step} {name}"
            for name in "ab"
            for step in ("init", "setup", f"cleanup {name.upper()} of")
        )


class TestWhatBecomesOfIt:
    @pytest.mark.parametrize("in_block", [boom, skip, always])
    def test_it_is_cleaned_up_however_the_block_ends(self, Managed, log, in_block):
        with Flow("f") as flow, Managed("db") as resource:
            same(in_block(resource))
        state = flow.run()
        assert log[-1] == "cleanup DB of db"
        assert state.is_failed() is (in_block is boom)

    @pytest.mark.parametrize("error", [ValueError(), SKIP("no need")])
    @pytest.mark.parametrize("step", ["init", "setup"])
    def test_without_a_resource_there_is_nothing_to_clean_up(self, Managed, log, step, error):
        with Flow("f") as flow, Managed("db", **{step: error}) as resource:
            same(resource)
        state = flow.run()
        (cleanup,) = flow.get_tasks(name="Managed.cleanup")
        assert isinstance(state.result[cleanup], Skipped)
        assert "nothing to clean up" in state.result[cleanup].message
        assert not any("cleanup" in line for line in log)
        assert state.is_failed() is isinstance(error, ValueError)

    def test_a_failed_clean_up_does_not_fail_the_flow(self, Managed, log):
        with Flow("f") as flow, Managed("db", cleanup=ValueError()) as resource:
            same(resource)
        state = flow.run()
        (cleanup,) = flow.get_tasks(name="Managed.cleanup")
        assert isinstance(state.result[cleanup], Failed)
        assert isinstance(state, Success)

    def test_a_failed_clean_up_fails_the_flow_if_it_is_a_reference_task(self, Managed, log):
        with Flow("f") as flow:
            context = Managed("db", cleanup=ValueError())
            with context as resource:
                used = same(resource)
        flow.set_reference_tasks([used, context.cleanup_task])
        assert flow.run().is_failed()

    def test_the_tasks_of_the_block_decide_the_final_state(self, Managed, log):
        with Flow("f") as flow, Managed("db") as resource:
            first = same(resource)
            last = same(first)
            alone = same(1)
        assert flow.reference_tasks() == {last, alone}

    def test_of_an_empty_block_the_set_up_decides(self, Managed, log):
        with Flow("f") as flow, Managed("db", setup=ValueError()) as resource:
            pass
        assert flow.reference_tasks() == {resource}
        assert flow.run().is_failed()

    @pytest.mark.parametrize(
        ("outer", "inner", "cleaned"),
        [
            ({}, {"setup": ValueError()}, ["A of a"]),
            ({}, {"cleanup": ValueError()}, ["B of b", "A of a"]),
            ({"setup": ValueError()}, {}, []),
            ({"init": ValueError()}, {}, []),
            ({"cleanup": ValueError()}, {}, ["B of b", "A of a"]),
        ],
    )
    def test_nested_each_is_cleaned_up_if_it_was_set_up(self, Managed, log, outer, inner, cleaned):
        with Flow("f") as flow, Managed("a", **outer) as a, Managed("b", **inner) as b:
            same([a, b])
        flow.run()
        assert [line.removeprefix("cleanup ") for line in log if "cleanup" in line] == cleaned

    def test_in_a_branch_that_is_not_taken_nothing_is_set_up(self, Managed, log):
        with Flow("f") as flow:
            with case(same(1), 2), Managed("db") as resource:
                used = same(resource)
            merged = merge(used, 7)
        state = flow.run()
        assert log == []
        assert state.result[merged].result == 7

    def test_branches_may_be_taken_in_the_block(self, Managed, log):
        with Flow("f") as flow, Managed("db") as resource:
            with case(same(1), 1):
                one = same(resource)
            with case(same(1), 2):
                two = boom(resource)
            merged = merge(one, two)
        state = flow.run()
        assert state.result[merged].result == "DB"
        assert log[-1] == "cleanup DB of db"

    def test_mapped_tasks_of_the_block_are_waited_for(self, Managed, log):
        @task
        def use(x):
            log.append(f"use {x}")
            return 1 // x

        with Flow("f") as flow, Managed("db"):
            use.map([1, 0, 2])
        assert flow.run().is_failed()
        assert log == ["init db", "setup db", "use 1", "use 0", "use 2", "cleanup DB of db"]


class TestRunsThatGoOn:
    def test_set_up_and_clean_up_run_again(self, Managed, log):
        with Flow("f") as flow, Managed("db") as resource:
            used = same(resource)
            last = boom(used)
        before = flow.run().result
        log.clear()
        flow.run(task_states={one: state for one, state in before.items() if one is not last})
        assert log == ["init db", "setup db", "cleanup DB of db"]

    def test_mapped_they_run_again_too(self, Managed, log):
        def load(name):
            with Managed(name) as resource:
                return same(resource)

        with Flow("f") as flow:
            loaded = apply_map(load, ["a"])
        before = flow.run().result
        log.clear()
        again = flow.run(task_states=before)
        assert log == ["init a", "setup a", "cleanup A of a"]
        assert isinstance(again.result[loaded], Mapped)

    def test_a_paused_block_keeps_its_resource(self, Managed, log):
        @task
        def ask():
            pause_task("go on?")

        with Flow("f") as flow:
            context = Managed("db")
            with context:
                asked = ask()
        state = flow.run()
        assert isinstance(state, Running)
        assert isinstance(state.result[context.cleanup_task], Pending)
        assert log == ["init db", "setup db"]
        resumed = flow.run(task_states={**state.result, asked: Resume()})
        assert resumed.is_successful()
        assert log[-1] == "cleanup DB of db"


@task
def interrupt(x=None):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(10)


class TestCancelled:
    def test_what_was_set_up_is_cleaned_up(self, Managed, log):
        with Flow("f") as flow:
            a, never = Managed("a"), Managed("never")
            with a:
                with Managed("b") as resource:
                    before = same(resource)
                    stopped = interrupt(before)
                    after = same(stopped)
            never.setup_task.set_upstream(after)
        state = flow.run()
        assert isinstance(state, Cancelled)
        assert isinstance(state.result[before], Success)
        assert isinstance(state.result[stopped], Cancelled)
        assert isinstance(state.result[after], Cancelled)
        assert isinstance(state.result[a.cleanup_task], Success)
        assert isinstance(state.result[never.setup_task], Cancelled)
        assert isinstance(state.result[never.cleanup_task], Skipped)
        assert log[-2:] == ["cleanup B of b", "cleanup A of a"]

    def test_so_is_each_child_of_a_mapped_resource(self, Managed, log):
        @task
        def stop_at_b(x):
            return interrupt.run() if x == "B" else x

        def load(name):
            with Managed(name) as resource:
                return stop_at_b(resource)

        with Flow("f") as flow:
            loaded = apply_map(load, ["a", "b", "c"])
        state = flow.run()
        kinds = [type(child) for child in state.result[loaded].map_states]
        assert kinds == [Success, Cancelled, Cancelled]
        assert [line for line in log if "cleanup" in line] == ["cleanup A of a", "cleanup B of b"]

    def test_an_interrupted_clean_up_is_begun_again(self, Managed, log):
        class Slow(Resource):
            def cleanup(self, resource):
                super().cleanup(resource)
                if len(self.log) == 3:
                    interrupt.run()

        with Flow("f") as flow, ResourceManager(Slow)("db") as resource:
            used = same(resource)
        state = flow.run()
        assert log == ["init db", "setup db", "cleanup DB of db", "cleanup DB of db"]
        assert isinstance(state, Cancelled)
        assert isinstance(state.result[used], Success)

    def test_a_second_interrupt_ends_the_cleaning_up(self, Managed, log):
        class Endless(Resource):
            def cleanup(self, resource):
                super().cleanup(resource)
                interrupt.run()

        with Flow("f") as flow:
            context = ResourceManager(Endless)("db")
            with context:
                interrupt()
        state = flow.run()
        assert isinstance(state, Cancelled)
        assert isinstance(state.result[context.cleanup_task], Cancelled)
        assert log == ["init db", "setup db", "cleanup DB of db"]

    def test_an_error_that_is_raised_to_the_caller_leaves_nothing_behind(self, Managed, log):
        with Flow("f") as flow, Managed("db") as resource:
            boom(resource)
        with pytest.raises(ValueError, match="boom"), raise_on_exception():
            flow.run()
        assert log == ["init db", "setup db", "cleanup DB of db"]

    @pytest.mark.parametrize("scheduler", ["threads", "processes"])
    def test_on_an_executor_it_is_cleaned_up_by_the_flows_process(self, tmp_path, scheduler):
        file = tmp_path / "notes"

        def note(text):
            with file.open("a") as notes:
                notes.write(f"{text} {os.getpid()}\n")

        @resource_manager
        class Noted:
            def setup(self):
                note("setup")
                return "it"

            def cleanup(self, resource):
                note(f"cleanup {resource}")

        @task
        def use(resource):
            note("use")
            for _ in range(200):
                time.sleep(0.05)

        executor = LocalDaskExecutor(scheduler=scheduler, num_workers=2)
        with Flow("f", executor=executor) as flow, Noted() as resource:
            used = use(resource)

        def interrupt_when_used():
            while not (file.exists() and "use" in file.read_text()):
                time.sleep(0.02)
            os.kill(os.getpid(), signal.SIGINT)

        watcher = threading.Thread(target=interrupt_when_used)
        watcher.start()
        state = flow.run()
        watcher.join()
        assert isinstance(state, Cancelled)
        assert isinstance(state.result[used], Cancelled)
        assert file.read_text().splitlines()[-1] == f"cleanup it {os.getpid()}"

    def test_a_clean_up_that_is_retried_is_retried(self, log):
        class Flaky(Resource):
            def cleanup(self, resource):
                self.note("cleanup", None if self.log[-1] == "cleanup db" else ValueError())

        import datetime

        manager = ResourceManager(
            Flaky, cleanup_task_kwargs={"max_retries": 1, "retry_delay": datetime.timedelta(0)}
        )
        with Flow("f") as flow:
            context = manager("db")
            with context:
                interrupt()
        state = flow.run()
        assert isinstance(state.result[context.cleanup_task], Success)
        assert log[-2:] == ["cleanup db", "cleanup db"]


class TestDefinition:
    def test_as_a_decorator_without_arguments(self):
        @resource_manager
        class Thing:
            def cleanup(self, resource): ...

        assert isinstance(Thing, ResourceManager)
        assert Thing.name == "Thing"
        assert repr(Thing) == "<ResourceManager: Thing>"

    def test_as_a_decorator_with_arguments(self):
        @resource_manager(
            name="db",
            init_task_kwargs={"tags": ["i"]},
            setup_task_kwargs={"name": "start", "checkpoint": True},
            cleanup_task_kwargs={"name": "stop", "trigger": all_successful},
        )
        class Thing:
            def setup(self): ...

            def cleanup(self, resource): ...

        with Flow("f") as flow:
            context = Thing()
        assert names_of(flow.tasks) == {"db", "start", "stop"}
        assert context.init_task.tags == {"i"}
        assert context.setup_task.checkpoint is True
        assert context.cleanup_task.checkpoint is False
        assert context.cleanup_task.trigger is all_successful
        assert context.cleanup_task.skip_on_upstream_skip is False
        assert repr(context) == "<ResourceContext: db>"

    def test_a_function_that_makes_an_instance_will_do(self, log):
        def make(name):
            return WithoutSetup(name)

        manager = ResourceManager(make, name="made")
        with Flow("f") as flow, manager("x"):
            same(1)
        flow.run()
        assert log == ["init x", "cleanup None of x"]

    def test_the_tasks_say_what_they_are(self, Managed):
        with Flow("f"):
            context = Managed()
        assert context.init_task.is_resource_init
        assert context.cleanup_task.is_resource_cleanup
        assert all(
            each.always_runs
            for each in (context.init_task, context.setup_task, context.cleanup_task)
        )

    def test_its_tasks_can_travel(self, Managed, log):
        with Flow("f"):
            context = Managed("x")
        travelled = cloudpickle.loads(cloudpickle.dumps(context.init_task))
        assert travelled.run(name="y").name == "y"

    def test_a_class_without_clean_up_is_refused(self):
        with pytest.raises(TaskDefinitionError, match="'Thing' has no method `cleanup"):

            @resource_manager
            class Thing:
                def setup(self): ...

    @pytest.mark.parametrize("thing", [5, "db", same])
    def test_what_is_no_class_is_refused(self, thing):
        with pytest.raises(TaskTypeError, match="made from a class"):
            resource_manager(thing)

    def test_arguments_that_do_not_fit_are_refused(self, Managed):
        with pytest.raises(ArgumentError, match="no argument 'size'"), Flow("f"):
            Managed(size=3)

    def test_it_needs_a_flow(self, Managed):
        with pytest.raises(NotInFlowError, match="'Managed' was called outside a flow"):
            Managed("x")

    def test_a_block_of_another_flow_is_refused(self, Managed):
        with Flow("one"):
            context = Managed("x")
        with Flow("other"), pytest.raises(FlowError, match="same flow"), context:
            pass

    def test_a_block_that_is_open_is_not_entered_again(self, Managed):
        with Flow("f"):
            context = Managed("x")
            with context, pytest.raises(FlowError, match="open already"), context:
                pass

    def test_after_an_error_in_the_block_its_tasks_are_still_between(self, Managed, log):
        with Flow("f") as flow:
            try:
                with Managed("x"):
                    used = same(1)
                    raise KeyError
            except KeyError:
                pass
        assert names_of(flow.upstream_tasks(used)) == {"Managed.setup"}
        assert names_of(flow.downstream_tasks(used)) == {"Managed.cleanup"}

    def test_the_trigger_waits_for_all(self):
        from headrace import Edge

        done, open_ = Edge(same, boom), Edge(skip, boom)
        with pytest.raises(BaseException, match="'skip' is not finished"):
            resource_cleanup_trigger({done: Success(), open_: Pending()})
        assert resource_cleanup_trigger({done: Failed()})

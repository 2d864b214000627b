import json
import logging
from datetime import timedelta

import pytest

from headrace.config import set_temporary_config
from headrace.core.context import context
from headrace.core.edge import Edge
from headrace.core.errors import (
    CycleError,
    FlowError,
    NotInFlowError,
    ParameterError,
    RegistrationError,
    ServerUnreachable,
    TaskTypeError,
)
from headrace.core.function_task import task
from headrace.core.graph import Graph
from headrace.core.parameter import Parameter
from headrace.core.result import Result
from headrace.core.schedules.clocks import IntervalClock
from headrace.core.schedules.schedule import Schedule
from headrace.core.states import Failed, Pending, Running, Success
from headrace.core.task import Task
from headrace.executors.local import LocalExecutor
from headrace.flow import Flow
from headrace.storage import Local


@task
def inc(x):
    return x + 1


class Storage:
    """Knows flows by name; has what `serialize(build=True)` asks of a storage."""

    def __init__(self):
        self.flows = {}
        self.built = 0

    def __contains__(self, name):
        return name in self.flows

    def add_flow(self, flow):
        self.flows[flow.name] = flow

    def build(self):
        self.built += 1
        return self

    def serialize(self):
        return {"type": "Storage", "flows": sorted(self.flows)}


class TestConstructor:
    def test_all_that_is_said_about_a_flow_is_kept(self):
        executor, schedule, result = LocalExecutor(), Schedule(clocks=[]), Result()
        a, b = Task(name="a"), Task(name="b")
        handler, terminal = (lambda flow, old, new: new), (lambda flow, state, states: None)
        flow = Flow(
            "f",
            schedule=schedule,
            executor=executor,
            run_config="config",
            storage="storage",
            tasks=[a],
            edges=[Edge(a, b)],
            reference_tasks=[a],
            state_handlers=[handler],
            result=result,
            terminal_state_handler=terminal,
        )
        assert flow.name == "f"
        assert (flow.schedule, flow.executor, flow.result) == (schedule, executor, result)
        assert (flow.run_config, flow.storage) == ("config", "storage")
        assert flow.tasks == {a, b}
        assert flow.edges == {Edge(a, b)}
        assert flow.reference_tasks() == {a}
        assert flow.state_handlers == [handler]
        assert flow.terminal_state_handler is terminal
        assert flow.logger is logging.getLogger("headrace.f")
        assert repr(flow) == '<Flow: name="f">'

    @pytest.mark.parametrize("name", ["", None])
    def test_a_flow_needs_a_name(self, name):
        with pytest.raises(FlowError, match="needs a name"):
            Flow(name)

    def test_an_executor_is_an_instance(self):
        with pytest.raises(TaskTypeError, match=r"make one: LocalExecutor\(\)"):
            Flow("f", executor=LocalExecutor)

    def test_one_task_is_no_list(self):
        with pytest.raises(TaskTypeError, match="give a list"):
            Flow("f", tasks=inc)

    def test_edges_are_checked_on_request(self):
        a, b = Task(), Task()
        edges = [Edge(a, b), Edge(b, a)]
        Flow("f", edges=edges)
        with pytest.raises(CycleError):
            Flow("f", edges=edges, validate=True)

    def test_reference_tasks_are_tasks_of_the_flow(self):
        with pytest.raises(NotInFlowError, match="'stranger'|stranger"):
            Flow("f", reference_tasks=[Task(name="stranger")])

    def test_on_failure_hears_of_failures(self):
        seen = []
        flow = Flow("f", on_failure=lambda flow, state: seen.append((flow.name, state)))
        failed = Failed()
        (handler,) = flow.state_handlers
        handler(flow, Running(), failed)
        handler(flow, Running(), Success())
        assert seen == [("f", failed)]


class TestRun:
    def flow(self):
        with Flow("f") as flow:
            self.parameter = Parameter("p", default=1)
            self.last = inc(inc(self.parameter))
        return flow

    def test_the_state_holds_the_states_of_all_tasks(self):
        flow = self.flow()
        state = flow.run()
        assert state.is_successful()
        assert state.result[self.last].result == 3
        assert state.result.keys() == flow.tasks

    def test_parameters_are_given_in_a_dict_or_by_name(self):
        flow = self.flow()
        assert flow.run({"p": 5}).result[self.last].result == 7
        assert flow.run(p=6).result[self.last].result == 8

    def test_unknown_parameters_are_errors(self):
        with pytest.raises(ParameterError, match="nope"):
            self.flow().run({"nope": 1})

    def test_an_open_flow_does_not_run(self):
        with Flow("f") as flow:
            inc(1)
            with pytest.raises(FlowError, match=r"flow\.run\(\).*after the block"):
                flow.run()
            with pytest.raises(FlowError, match=r"flow\.register\(\)"):
                flow.register()
        assert flow.run().is_successful()

    def test_a_cycle_is_an_error_before_anything_runs(self):
        ran = []
        first = Task(name="a")
        first.run = lambda: ran.append(1)
        flow = Flow("f")
        flow.chain(first, Task(name="b"), Task(name="c"))
        b, c = flow.get_tasks("b")[0], flow.get_tasks("c")[0]
        flow.add_edge(c, b)
        with pytest.raises(CycleError):
            flow.run()
        assert ran == []

    def test_a_file_being_loaded_runs_and_registers_nothing(self):
        flow = self.flow()
        with context(loading_flow=True):
            with pytest.warns(UserWarning, match="loaded"):
                state = flow.run()
            with pytest.warns(UserWarning, match="loaded"):
                assert flow.register() is None
        assert type(state) is Pending

    def test_a_copy_runs_apart(self):
        flow = self.flow()
        copy = flow.copy()
        assert type(copy) is Flow
        with copy:
            more = inc(self.last)
        assert copy.run().result[more].result == 4
        assert more not in flow.run().result
        copy.state_handlers.append(print)
        assert flow.state_handlers == []


class TestRegistration:
    """What is said without a server; with one: tests/integration/registration."""

    @pytest.fixture(autouse=True)
    def nowhere(self, tmp_path):
        with set_temporary_config({"api_url": "http://127.0.0.1:9", "home_dir": str(tmp_path)}):
            yield

    def test_no_server(self):
        with pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1:9.*headrace server start"):
            Flow("f").register("project")

    def test_no_project(self):
        for project in (None, "", 3):
            with pytest.raises(RegistrationError, match="headrace project create"):
                Flow("f").register(project)

    def test_what_would_fail_is_said_before_the_server_is_asked(self):
        flow = Flow("f", schedule=Schedule([IntervalClock(interval=timedelta(hours=1))]))
        flow.add_task(Parameter("day"))
        with pytest.raises(RegistrationError, match=r"(?s)required 'day'.*preflight=False"):
            flow.register("project")
        with pytest.raises(ServerUnreachable):
            flow.register("project", preflight=False)

    def test_a_storage_without_the_flow(self, tmp_path):
        flow = Flow("f", storage=Local(tmp_path))
        with pytest.raises(RegistrationError, match=r"not in its Local storage.*build=False"):
            flow.register("project", build=False)
        flow.storage.add_flow(flow)
        with pytest.raises(ServerUnreachable):
            flow.register("project", build=False)

    def test_arguments_of_the_default_storage(self, tmp_path):
        flow = Flow("f")
        with pytest.raises(ServerUnreachable):
            flow.register("project", directory=str(tmp_path / "own"))
        assert flow.storage.directory == str(tmp_path / "own")
        with pytest.raises(RegistrationError, match="cannot be made"):
            Flow("g").register("project", folder="x")


class TestRecovery:
    def test_by_default(self):
        flow = Flow("f")
        assert (flow.max_recoveries, flow.on_disconnect, flow.lost_after) == (3, "continue", 300.0)

    def test_a_copy_keeps_it(self):
        flow = Flow("f", max_recoveries=0, on_disconnect="hold", lost_after=timedelta(minutes=1))
        copy = flow.copy()
        assert (copy.max_recoveries, copy.on_disconnect, copy.lost_after) == (0, "hold", 60.0)

    @pytest.mark.parametrize(
        ("argument", "error"),
        [
            ({"max_recoveries": -1}, FlowError),
            ({"max_recoveries": 1.5}, TaskTypeError),
            ({"max_recoveries": True}, TaskTypeError),
            ({"on_disconnect": "stop"}, FlowError),
            ({"lost_after": 0}, FlowError),
            ({"lost_after": float("inf")}, FlowError),
            ({"lost_after": float("nan")}, FlowError),
            ({"lost_after": "5 minutes"}, TaskTypeError),
        ],
    )
    def test_out_of_range(self, argument, error):
        with pytest.raises(error, match=f"{next(iter(argument))} of flow 'f'"):
            Flow("f", **argument)


class TestSerialize:
    def flow(self, names=("a", "b")):
        with Flow("f", executor=LocalExecutor()) as flow:
            one = inc(Parameter("p", default=1), task_args={"name": names[0]})
            inc.map([1, 2], upstream_tasks=[one], task_args={"name": names[1]})
        flow.set_reference_tasks([one])
        return flow

    def test_it_is_plain_data(self):
        described = self.flow().serialize()
        assert json.loads(json.dumps(described)) == described
        assert described["name"] == "f"
        assert [t["slug"] for t in described["tasks"]] == ["[1, 2]-1", "a-1", "b-1", "p"]
        assert [p["default"] for p in described["parameters"]] == [1]
        assert described["reference_tasks"] == [{"slug": "a-1"}]
        assert {
            (e["upstream_task"]["slug"], e["downstream_task"]["slug"], e["key"], e["mapped"])
            for e in described["edges"]
        } == {
            ("p", "a-1", "x", False),
            ("[1, 2]-1", "b-1", "x", True),
            ("a-1", "b-1", None, True),
        }
        assert "executor" not in described
        assert (described["schedule"], described["storage"], described["run_config"]) == (
            None,
            None,
            None,
        )

    def test_it_leaves_the_tasks_as_they_are(self):
        flow = self.flow()
        flow.serialize()
        assert all(one.slug is None for one in flow.get_tasks("a"))

    def test_the_parts_describe_themselves(self):
        import datetime

        flow = self.flow()
        flow.schedule = Schedule(clocks=[IntervalClock(datetime.timedelta(hours=1))])
        flow.run_config = object()
        described = flow.serialize()
        assert described["schedule"] == json.loads(json.dumps(flow.schedule.serialize()))
        assert described["run_config"] == {"type": "builtins.object"}

    def test_a_cycle_is_an_error(self):
        a, b = Task(), Task()
        flow = Flow("f", edges=[Edge(a, b), Edge(b, a)])
        with pytest.raises(CycleError):
            flow.serialize()

    def test_building_asks_the_storage(self):
        flow = self.flow()
        with pytest.raises(FlowError, match="no storage"):
            flow.serialize(build=True)
        flow.storage = storage = Storage()
        assert flow.serialize()["storage"] == {"type": "Storage", "flows": []}
        assert flow.serialize(build=True)["storage"] == {"type": "Storage", "flows": ["f"]}
        flow.serialize(build=True)
        assert (storage.flows, storage.built) == ({"f": flow}, 2)

    def test_the_hash_changes_with_the_flow_alone(self):
        first = self.flow().serialized_hash()
        assert len(first) == 64
        assert first == self.flow().serialized_hash()
        assert first != self.flow(names=("a", "c")).serialized_hash()
        flow = self.flow()
        flow.executor = None
        assert flow.serialized_hash() == first
        flow.add_task(Task())
        assert flow.serialized_hash() != first


def test_a_flow_is_a_graph_and_equal_only_to_flows():
    assert isinstance(Flow("f"), Graph)
    assert Flow("f") == Flow("f")
    assert Flow("f") != Graph("f")
    assert Flow("f") != Flow("g")

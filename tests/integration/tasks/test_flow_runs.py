"""Flows of flows: a flow that starts, follows and reads others, with a real server and agent."""

import datetime
import os
import subprocess
import sys
from pathlib import Path

import pytest

from headrace import Flow
from headrace.client import Client
from headrace.config import set_temporary_config
from headrace.core.errors import (
    ArgumentError,
    CallNotOfferedError,
    NotFound,
    NotInTime,
    Refused,
    ResultNotFound,
    TaskTypeError,
)
from headrace.states import Cancelled, Failed, Paused, Resume, Scheduled, Success
from headrace.tasks import (
    CancelFlowRun,
    Constant,
    RenameFlowRun,
    StartFlowRun,
    create_flow_run,
    get_task_run_result,
    wait_for_flow_run,
)
from headrace.tasks.flow_runs.views import FlowRunView, FlowView, TaskRunView
from headrace.tasks.flow_runs.watching import watch_flow_run
from tests.support.agents import running_agent
from tests.support.servers import headrace, running_server

CHILD = """
from headrace import Flow, Parameter, task
from headrace.tasks import RenameFlowRun, create_flow_run, wait_for_flow_run

@task
def numbers(n):
    return list(range(n))

@task
def check(x):
    print("checking", x)
    if x == 5:
        raise ValueError("five")
    return x * 10

@task
def total(xs):
    return sum(xs)

with Flow("child") as child:
    total(check.map(numbers(Parameter("n", default=3))))

with Flow("parent") as parent:
    wait_for_flow_run(
        create_flow_run(flow_name="child", project_name="etl"), raise_final_state=True
    )

with Flow("named") as named:
    RenameFlowRun(flow_run_name="named by itself")()
"""


@pytest.fixture(scope="module")
def server(shared_database_url, tmp_path_factory):
    folder = tmp_path_factory.mktemp("flows")
    (folder / "flows.py").write_text(CHILD)
    with running_server(shared_database_url) as server, Client(server.url, "") as client:
        client.create_project("etl")
        headrace("register", "-p", str(folder / "flows.py"), "--project", "etl", env=server.env)
        labels = client.flows("etl", "child")[0].labels
        with running_agent(server, *labels):
            yield server


@pytest.fixture(autouse=True)
def _settings(server):
    home = str(server.home)
    with set_temporary_config({"api_url": server.url, "api_key": "", "home_dir": home}):
        yield


@pytest.fixture
def client(server):
    with Client() as client:
        yield client


def run(build):
    """Run a flow of what `build` puts into it here; return the state of what it returns."""
    with Flow("here") as flow:
        last = build()
    return flow.run().result[last]


def test_a_flow_starts_another_waits_for_it_and_takes_its_values(client):
    with Flow("here") as flow:
        child = create_flow_run(flow_name="child", project_name="etl", parameters={"n": 4})
        done = wait_for_flow_run(child, stream_logs=True)
        value = get_task_run_result(child, "total-1", upstream_tasks=[done])
        each = get_task_run_result(child, "check-1", upstream_tasks=[done])
        one = get_task_run_result(child, "check-1", 2, upstream_tasks=[done])
        renamed = RenameFlowRun(flow_run_name="another name")(flow_run_id=child)
    states = flow.run().result
    assert [states[t].result for t in (value, each, one, renamed)] == [
        60,
        [0, 10, 20, 30],
        20,
        True,
    ]
    view = states[done].result
    assert isinstance(view, FlowRunView)
    assert isinstance(view.state, Success)
    assert client.get_flow_run(view.flow_run_id).name == "another name"
    assert any("checking" in line.message for line in view.get_logs())
    assert next(type(state).__name__ for state in view.states) == "Scheduled"
    assert view.get_flow_metadata().name == "child"
    assert len(view.get_all_task_runs()) == 8
    assert {run.map_index for run in view.get_task_runs(["check-1"])} == {-1, 0, 1, 2, 3}
    task_run = view.get_task_run(task_slug="check-1", map_index=3)
    assert TaskRunView.from_task_run_id(task_run.task_run_id).get_result() == 30
    assert view.get_latest().name == "another name"


def test_a_tracked_run_starts_another_once(client):
    parent = client.create_flow_run("parent", "etl", name="mother")
    assert client.wait_for_flow_run(parent.id, timeout=120).state == "Success"
    (child,) = [run for run in client.flow_runs(limit=9) if run.name == "mother-child"]
    assert child.idempotency_key == f"{parent.id}/create_flow_run-1"
    assert child.state == "Success"


def test_a_tracked_run_names_itself(client):
    made = client.create_flow_run("named", "etl")
    ended = client.wait_for_flow_run(made.id, timeout=120)
    assert (ended.state, ended.name) == ("Success", "named by itself")


def test_a_child_that_fails_fails_its_parent(client):
    state = run(StartFlowRun("child", "etl", parameters={"n": 6}, wait=True))
    assert isinstance(state, Failed)
    assert isinstance(state.result, FlowRunView)
    child = state.result.flow_run_id
    assert child in state.message
    state = run(lambda: wait_for_flow_run(child, raise_final_state=True))
    assert isinstance(state, Failed)
    assert isinstance(run(lambda: wait_for_flow_run(child)), Success)
    for slug, kind in (("total-1", Refused), ("nothing-1", NotFound)):
        assert isinstance(run(lambda slug=slug: get_task_run_result(child, slug)).result, kind)


def test_starting_cancelling_and_waiting_too_long(client):
    later = datetime.timedelta(days=1)
    made = run(lambda: create_flow_run(flow_name="child", scheduled_start_time=later)).result
    left = client.get_flow_run(made).scheduled_start_time - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(hours=23) < left < datetime.timedelta(hours=25)
    with pytest.raises(NotInTime, match="Scheduled"):
        list(watch_flow_run(made, max_duration=datetime.timedelta(seconds=0.1)))
    assert isinstance(run(lambda: CancelFlowRun()(flow_run_id=made)), Success)
    assert "task 'CancelFlowRun'" in client.get_flow_run(made).message
    state = run(lambda: wait_for_flow_run(made, raise_final_state=True))
    assert isinstance(state, Failed)
    assert "Cancelled" in state.message


def test_a_value_that_cannot_be_reached_says_so(client, tmp_path):
    made = client.create_flow_run("child", "etl")
    client.wait_for_flow_run(made.id, timeout=120)
    with set_temporary_config({"home_dir": str(tmp_path)}):
        with pytest.raises(ResultNotFound, match="cannot be read here.*target"):
            FlowRunView.from_flow_run_id(made.id).get_task_run("total-1").get_result()


@pytest.mark.parametrize(
    ("build", "kind"),
    [
        (create_flow_run, ArgumentError),
        (lambda: create_flow_run(flow_name="a", flow_id="b"), ArgumentError),
        (lambda: create_flow_run(flow_name="nothing"), NotFound),
        (lambda: create_flow_run(flow_id="nothing"), NotFound),
        (lambda: create_flow_run(flow_name="child", parameters={"m": 1}), Refused),
        (StartFlowRun(), ArgumentError),
        (StartFlowRun("child"), ArgumentError),
        (RenameFlowRun(flow_run_name="x"), ArgumentError),
        (lambda: RenameFlowRun()(flow_run_id="x"), ArgumentError),
        (CancelFlowRun(), ArgumentError),
        (lambda: get_task_run_result("x", ""), ArgumentError),
        (lambda: wait_for_flow_run("nothing"), NotFound),
    ],
)
def test_wrong_input_fails_the_task_with_a_reason(build, kind):
    assert isinstance(run(build).result, kind)


def test_a_task_among_the_parameters_is_refused_at_once():
    with pytest.raises(TaskTypeError, match="'n' of StartFlowRun is a task"):
        StartFlowRun("child", "etl", parameters={"n": Constant(1)})


def test_views_of_flows(client):
    flow = client.flows("etl", "child")[0]
    for view in (
        FlowView.from_id(flow.id),
        FlowView.from_id(flow.version_group_id),
        FlowView.from_flow_id(flow.id),
        FlowView.from_flow_group_id(flow.version_group_id),
        FlowView.from_flow_name("child", "etl"),
    ):
        assert (view.flow_id, view.name, view.project_name) == (flow.id, "child", "etl")
    client.create_project("other")
    client.register(Flow("child"), "other", preflight=False)
    with pytest.raises(Refused, match="project_name"):
        FlowView.from_flow_name("child")
    assert FlowView.from_flow_name("child", last_updated=True).project_name == "other"
    with pytest.raises(NotFound, match="There is no project 'elt'. Did you mean 'etl'"):
        FlowView.from_flow_name("child", "elt")
    with pytest.raises(NotFound, match="There is no flow 'kid' in the project 'etl'"):
        FlowView.from_flow_name("kid", "etl")
    client.delete_project("other")


def test_prefects_client(server):
    """In a process of its own, as importing it installs the alias."""
    code = (
        f"from tests.integration.tasks import {Path(__file__).stem} as cases; cases.use_prefects()"
    )
    environment = {**os.environ, **server.env, "HEADRACE_API_KEY": ""}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def use_prefects():
    from headrace.compat.prefect.client import Client as Old

    client = Client()

    old = Old()
    assert old.create_project("etl") == client.get_project("etl").id
    flow = client.flows("etl", "child")[0]
    start = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    made = old.create_flow_run(
        flow_id=flow.id, parameters={"n": 1}, run_name="old", scheduled_start_time=start
    )
    info = old.get_flow_run_info(made)
    assert (info.name, info.flow_id, info.project.name) == ("old", flow.id, "etl")
    assert isinstance(info.state, Scheduled)
    assert old.set_flow_run_name(made, "new") is True
    assert isinstance(old.set_flow_run_state(made, Paused()), Paused)
    assert isinstance(old.set_flow_run_state(made, Resume()), Scheduled)
    assert isinstance(old.set_flow_run_state(made, Cancelled("no")), Cancelled)
    assert isinstance(old.get_flow_run_state(made), Cancelled)
    # It is due at once, so the agent may have it before it is looked at.
    assert not isinstance(old.set_flow_run_state(made, Scheduled()), Cancelled)
    assert old.cancel_flow_run(made) is True
    made = old.create_flow_run(version_group_id=flow.version_group_id)
    client.wait_for_flow_run(made, timeout=120)
    task_run = old.get_task_run_info(made, "check-1", 1)
    assert (task_run.id, task_run.task_slug) == (f"{made}/check-1[1]", "check-1")
    assert isinstance(old.get_task_run_state(task_run.id), Success)
    for refused, words in [
        (lambda: old.graphql("query { flow_run_by_pk(id: 1) { id } }"), "get_flow_run"),
        (lambda: old.graphql({"query": {"flow": {"id"}}}), "GET /api/flows"),
        (lambda: old.set_flow_run_state(made, Success()), "Only the run"),
        (lambda: old.write_run_logs([{"flow_run_id": "x", "message": "y"}]), "context.logger"),
    ]:
        with pytest.raises(CallNotOfferedError, match=words):
            refused()
    with pytest.raises(AttributeError, match="get_available_tenants.*headrace.client.Client"):
        old.get_available_tenants()


def test_a_flow_file_of_prefect_1_speaks_to_the_server(server, tmp_path):
    (tmp_path / "old.py").write_text(
        "import headrace.compat.prefect\n"
        "import prefect\n"
        "from prefect import Client, Flow\n"
        "from prefect.backend import FlowRunView\n"
        "from prefect.tasks.prefect import create_flow_run, wait_for_flow_run\n"
        "with Flow('old') as flow:\n"
        "    done = wait_for_flow_run(create_flow_run(flow_name='child', project_name='etl'))\n"
        "view = flow.run().result[done].result\n"
        "print(view.state, isinstance(view, FlowRunView))\n"
        "print(prefect.Client().get_flow_run_state(view.flow_run_id).is_successful())\n"
    )
    done = subprocess.run(
        [sys.executable, "old.py"],
        cwd=tmp_path,
        env={**os.environ, **server.env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [
        '<Success: "All reference tasks succeeded."> True',
        "True",
    ]

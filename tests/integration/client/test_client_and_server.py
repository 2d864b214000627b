"""The client and a real server: every method once, on both databases, the run's side included."""

import datetime
import time

import pytest

from headrace import Flow, Parameter, task
from headrace.client import Client
from headrace.core.errors import Conflict, NotAuthorized, NotFound, Refused, VersionMismatch
from headrace.schedules import CronSchedule
from headrace.wire.claims import Activate, Claim, Deploying, Exited
from headrace.wire.events import EventBatch, FlowState, LogLine, TaskState
from headrace.wire.flow_runs import CreateFlowRun
from tests.support.servers import running_server


@task
def add(x):
    return x


with Flow("sums", schedule=CronSchedule("0 6 * * *")) as flow:
    add.map(Parameter("n", default=[1, 2]))


@pytest.fixture
def client(database_url):
    with running_server(database_url) as server, Client(server.url, "") as client:
        yield client


def claimed(client, **more):
    """Take the one run that there is, as an agent and its process do; return what they know."""
    answer = client.claim(Claim(agent="a-1", name="rack", kind="local", wait=60, **more))
    (run,) = answer.runs
    mine = Activate(attempt=run.attempt, nonce="n", host="here", pid=7)
    client.deploying(run.id, Deploying(attempt=run.attempt, agent="a-1"))
    activated = client.activate(run.id, mine, run.token)
    assert activated.refused is None
    assert client.activate(run.id, mine, run.token).refused is None
    return run


def test_from_a_project_to_the_logs_of_a_run(client):
    began = datetime.datetime.now(datetime.UTC)
    assert client.server().wire == 1
    assert client.projects() == []
    project = client.create_project("a/b ü", "What it is for")
    assert client.get_project("a/b ü") == project == client.create_project("a/b ü", exists_ok=True)
    with pytest.raises(Conflict, match="a/b ü"):
        client.create_project("a/b ü")

    flow_id = client.register(flow, "a/b ü", preflight=False)
    (listed,) = client.flows("a/b ü")
    assert (listed.id, listed.name, listed.version, listed.graph) == (flow_id, "sums", 1, None)
    shown = client.get_flow(flow_id)
    assert len(shown.graph["tasks"]) == 2
    assert shown.next_run > began
    client.set_schedule(shown.version_group_id, False)
    assert client.get_flow(flow_id).schedule_active is False
    client.set_overrides(shown.version_group_id, parameters={"n": [5]}, labels=["x"])
    assert client.get_flow(flow_id).overrides == {"parameters": {"n": [5]}, "labels": ["x"]}
    client.set_overrides(shown.version_group_id, reset=True)

    for wrong in ({"m": 1}, {"n": 1, "m": 2}):
        with pytest.raises(Refused, match="no parameter 'm'"):
            client.create_flow_run("sums", "a/b ü", parameters=wrong)
    with pytest.raises(NotFound, match="Did you mean 'sums'"):
        client.create_flow_run("sum", "a/b ü")
    made = client.create_flow_run(
        "sums", "a/b ü", parameters={"n": [3]}, name="first", labels=["l"], idempotency_key="k"
    )
    again = client.create_flow_run("sums", "a/b ü", idempotency_key="k")
    assert (again.id, made.is_new, again.is_new) == (made.id, True, False)
    run = client.get_flow_run(made.id)
    assert (run.state, run.parameters, run.labels) == ("Scheduled", {"n": [3]}, ["l"])
    assert "label l" in run.waiting.reason
    assert client.rename_flow_run(made.id, "second").name == "second"

    got = claimed(client, labels=["l", "more"])
    assert (got.id, got.name, got.project_name) == (made.id, "second", "a/b ü")
    (agent,) = client.agents()
    assert (agent.name, agent.labels, agent.is_online) == ("rack", ["l", "more"], True)
    now = time.time()
    events = [
        LogLine(at=now, message="hello", slug="add-1", map_index=0),
        LogLine(at=now, message="beware", level=30),
        TaskState(at=now, slug="add-1", type="Mapped", children=1),
        TaskState(at=now, slug="add-1", map_index=0, type="Success", location="there"),
    ]
    batch = EventBatch(attempt=1, nonce="n", first=1, events=events)
    assert client.events(made.id, batch, got.token).stored == 4
    assert client.events(made.id, batch, got.token).stored == 4
    (child,) = client.task_runs(made.id, state="Success")
    assert (child.slug, child.map_index, child.location) == ("add-1", 0, "there")
    assert client.get_task_run(made.id, "add-1", 0) == child
    assert [each.state for each in client.task_run_states(made.id, "add-1", 0)] == ["Success"]
    assert client.task_run_counts(made.id).tasks["add-1"] == {"Success": 1}
    assert [each.message for each in client.logs(made.id)] == ["hello", "beware"]
    assert [each.message for each in client.logs(made.id, level=30)] == ["beware"]
    assert [each.message for each in client.logs(made.id, task="add-1")] == ["hello"]

    end = EventBatch(attempt=1, nonce="n", first=5, events=[FlowState(at=now, type="Success")])
    client.events(made.id, end, got.token)
    assert client.wait_for_flow_run(made.id, timeout=60).state == "Success"
    assert list(client.logs(made.id, follow=True))[-1].message == "beware"
    history = [entry.state for entry in client.flow_run_states(made.id)]
    assert history[0] == "Scheduled"
    assert history[-1] == "Success"
    assert client.flow_runs(project_name="a/b ü", state="Success")[0].id == made.id

    client.delete_flow_run(made.id)
    with pytest.raises(NotFound, match=made.id):
        client.get_flow_run(made.id)
    client.archive_flow(flow_id)
    assert client.flows() == []
    assert len(client.flows(archived=True)) == 1
    client.delete_flow(flow_id)
    client.delete_agent(agent.id)
    client.delete_project("a/b ü")
    assert client.projects() == client.agents() == []


def test_orders_and_a_process_that_ends(client):
    client.create_project("p")
    client.register(flow, "p", preflight=False, set_schedule_active=False)
    requests = [CreateFlowRun(flow_name="sums", project_name="p", name=name) for name in "ab"]
    first, second = client.create_flow_runs(requests)
    assert client.pause_flow_run(first.id, "lunch").state == "Paused"
    assert "lunch" in client.get_flow_run(first.id).waiting.reason
    assert client.resume_flow_run(first.id).state == "Scheduled"
    cancelled = client.cancel_flow_run(first.id, "wrong day")
    assert (cancelled.state, cancelled.is_finished) == ("Cancelled", True)
    assert client.restart_flow_run(first.id).state == "Scheduled"
    client.cancel_flow_run(first.id)

    got = claimed(client, labels=client.get_flow_run(second.id).labels)
    assert got.id == second.id
    assert client.cancel_flow_run(second.id, "no more").state == "Cancelling"
    answer = client.events(second.id, EventBatch(attempt=1, nonce="n"), got.token)
    assert "no more" in answer.cancel
    with pytest.raises(NotAuthorized):
        Client(client.api_url, got.token).projects()
    client.exited(second.id, Exited(attempt=1, reason="killed by SIGKILL"), got.token)
    ended = client.wait_for_flow_run(second.id, timeout=60)
    assert ended.state == "Cancelled"


def test_slugs_may_hold_what_paths_do_not(client):
    client.create_project("p")
    with Flow("slashes") as odd:
        task(lambda: 1, name="s3://a/50%2F b?#ü")()
    client.register(odd, "p", preflight=False)
    made = client.create_flow_run("slashes", "p")
    (run,) = client.task_runs(made.id)
    assert "/50%2F b?#ü" in run.slug
    assert client.get_task_run(made.id, run.slug) == run
    assert client.task_run_states(made.id, run.slug) == []
    (same,) = client.task_runs(made.id, slug=run.slug)
    assert same == run


def test_keys(client):
    assert client.keys() == []
    admin = client.create_key("me", "admin")
    with pytest.raises(NotAuthorized, match="HEADRACE_API_KEY"):
        client.keys()
    mine = Client(client.api_url, admin.secret)
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    reader = mine.create_key("you", "read", until)
    theirs = Client(client.api_url, reader.secret)
    assert theirs.projects() == []
    with pytest.raises(NotAuthorized):
        theirs.create_project("p")
    known = mine.keys()
    assert [key.name for key in known] == ["me", "you"]
    mine.revoke_key(reader.key.id)
    with pytest.raises(NotAuthorized, match="revoked"):
        theirs.projects()
    with pytest.raises(NotAuthorized):
        Client(client.api_url, "hr_wrong").projects()


def test_what_a_server_refuses_as_a_whole(tmp_path, monkeypatch):
    with running_server(home=tmp_path) as server, Client(server.url, "") as client:
        with pytest.raises(Refused, match="8") as caught:
            client.create_project("big", "x" * 9_000_000)
        assert caught.value.status == 413
        with pytest.raises(Refused, match="typo"):
            client._transport.request("POST", "/projects", {"name": "a", "typo": 1})
        with pytest.raises(Refused):
            client._transport.request("POST", "/projects", b"{")
        with pytest.raises(NotFound, match="/api/nothing"):
            client._transport.request("GET", "/nothing")
        assert client.projects() == []
        monkeypatch.setattr("headrace.client.transport.WIRE_VERSION", 2)
        with pytest.raises(VersionMismatch, match="version 2 .* version 1. Upgrade the server"):
            Client(server.url, "").projects()

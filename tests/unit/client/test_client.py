"""The client's methods: what each asks for, and how long it waits."""

import datetime
import json
import subprocess
import sys

import msgspec
import pytest

from headrace.client import Client
from headrace.config import set_temporary_config
from headrace.core.errors import ArgumentError, NotFound, NotInTime, NotJsonError, ServerUnreachable
from headrace.run_configs import LocalRun
from headrace.wire.claims import Claim
from headrace.wire.events import EventBatch, RawEventBatch
from headrace.wire.flow_runs import FlowRun, FlowRunPage
from headrace.wire.logs import Log, LogPage
from tests.support.answering import Answer, answering

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
RUN = FlowRun(
    id="1",
    name="brave-otter",
    flow_id="f",
    flow_name="etl",
    flow_version=1,
    project_name="p",
    state="Running",
    message="It runs.",
    state_since=NOW,
    is_finished=False,
    created=NOW,
    created_by="me",
)
DONE = msgspec.structs.replace(RUN, state="Success", is_finished=True)


def said(value):
    return Answer(msgspec.json.encode(value))


def test_the_settings_say_which_server_and_which_key():
    with answering(Answer(b"[]")) as server:
        with set_temporary_config({"api_url": server.url, "api_key": "", "cloud.api_key": "old"}):
            client = Client()
            assert client.api_url == server.url
            client.projects()
        with set_temporary_config({"api_url": server.url, "api_key": "new", "cloud.api_key": "o"}):
            Client().projects()
        Client(server.url, "given").projects()
    sent = [asked.headers.get("authorization") for asked in server.asked]
    assert sent == ["Bearer old", "Bearer new", "Bearer given"]


def test_names_are_quoted_in_paths():
    with answering(Answer(status=200)) as server:
        Client(server.url, "").delete_project("a/b ?#ü")
    assert server.asked[0].target == "/api/projects/a%2Fb%20%3F%23%C3%BC"


def test_a_flow_run_is_made_of_what_is_given():
    with answering(said({"id": "1", "name": "x"})) as server, Client(server.url, "") as client:
        client.create_flow_run(
            "etl",
            "p",
            parameters={"n": 1},
            labels=["a"],
            run_config=LocalRun(env={"A": "1"}),
            start_time=NOW,
            idempotency_key="k",
        )
        with pytest.raises(NotJsonError):
            client.create_flow_run("etl", "p", parameters={"n": {1}})
        with pytest.raises(NotJsonError):
            client.create_flow_run("etl", "p", context={"n": {1}})
        with pytest.raises(ArgumentError, match=r"labels=\['gpu'\]"):
            client.create_flow_run("etl", "p", labels="gpu")
    (asked,) = server.asked
    assert json.loads(asked.body) == {
        "flow_name": "etl",
        "project_name": "p",
        "parameters": {"n": 1},
        "labels": ["a"],
        "run_config": LocalRun(env={"A": "1"}).serialize(),
        "start_time": "2026-01-01T00:00:00Z",
        "idempotency_key": "k",
    }


@pytest.mark.parametrize(("key", "times"), [(None, 1), ("k", 3)])
def test_only_a_creation_with_a_key_is_repeated(key, times):
    with answering(Answer(cut=0)) as server:
        with pytest.raises(ServerUnreachable):
            Client(server.url, "").create_flow_run("etl", "p", idempotency_key=key)
    assert len(server.asked) == times


def test_claims_are_not_repeated():
    with answering(Answer(cut=0)) as server:
        with pytest.raises(ServerUnreachable):
            Client(server.url, "").claim(Claim(agent="a", name="a", kind="local"))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "batch",
    [
        EventBatch(attempt=1, nonce="n"),
        RawEventBatch(attempt=1, nonce="n", events=[msgspec.Raw(b'{"at":1}')]),
        b'{"attempt":1,"nonce":"n","events":[]}',
    ],
)
def test_events_are_repeated_and_may_be_bytes(batch):
    answers = iter([Answer(cut=0), said({"stored": 3})])
    with answering(lambda _asked: next(answers)) as server:
        answer = Client(server.url, "").events("run", batch, "token")
    assert answer.stored == 3
    assert [asked.target for asked in server.asked] == ["/api/runs/run/events"] * 2
    assert server.asked[1].headers["authorization"] == "Bearer token"
    assert server.asked[0].body == server.asked[1].body


def test_a_project_that_exists_may_be_content():
    exists = Answer(b'{"code":"exists","message":"There is one."}', 409)
    project = {"id": "1", "name": "a", "description": "", "created": "2026-01-01T00:00:00Z"}

    def reply(asked):
        return exists if asked.method == "POST" else said(project)

    with answering(reply) as server:
        assert Client(server.url, "").create_project("a", exists_ok=True).id == "1"


def test_flow_runs_come_over_as_many_pages_as_it_takes():
    pages = iter([FlowRunPage(items=[RUN] * 200, next="p2"), FlowRunPage(items=[RUN] * 100)])
    with answering(lambda _asked: said(next(pages))) as server:
        assert len(Client(server.url, "").flow_runs(state="Running", limit=300)) == 300
    assert [asked.target for asked in server.asked] == [
        "/api/flow-runs?state=Running&limit=200",
        "/api/flow-runs?state=Running&limit=100&after=p2",
    ]


def test_waiting_asks_until_the_run_is_over_and_bears_a_server_that_is_away():
    answers = iter([said(RUN), said(RUN), Answer(cut=0), Answer(cut=0), Answer(cut=0), said(DONE)])
    with answering(lambda _asked: next(answers)) as server:
        assert Client(server.url, "").wait_for_flow_run("1").state == "Success"
    assert "state=Running" in server.asked[1].target


def test_waiting_ends_when_the_time_is_over():
    with answering(said(RUN)) as server:
        with pytest.raises(NotInTime, match="'brave-otter'.* after 0.05 s: it is Running. It runs"):
            Client(server.url, "").wait_for_flow_run("1", timeout=0.05)


def test_waiting_for_what_is_not_there_is_an_error():
    gone = Answer(b'{"code":"not_found","message":"There is no flow run 1."}', 404)
    with answering(gone) as server, pytest.raises(NotFound, match="no flow run 1"):
        Client(server.url, "").wait_for_flow_run("1")


def test_patience_ends():
    answers = iter([said(RUN)])
    with answering(lambda _asked: next(answers, Answer(cut=0))) as server:
        with pytest.raises(ServerUnreachable):
            Client(server.url, "").wait_for_flow_run("1", patience=0.1)


def line(text):
    return Log(at=NOW, level=20, logger="a", message=text, attempt=1)


def test_logs_are_read_to_their_present_end():
    pages = iter(
        [
            LogPage(items=[line("a"), line("b")], next="1:2"),
            LogPage(items=[line("c")], next="1:3"),
            LogPage(items=[], next="1:3"),
        ]
    )
    with answering(lambda _asked: said(next(pages))) as server:
        lines = list(Client(server.url, "").logs("1", level=30, task="t-1"))
    assert [each.message for each in lines] == ["a", "b", "c"]
    assert server.asked[0].target == "/api/flow-runs/1/logs?level=30&task=t-1"
    assert "after=1%3A2" in server.asked[1].target
    assert "wait" not in server.asked[2].target


def test_following_logs_waits_for_the_end_of_the_run():
    pages = iter(
        [
            LogPage(items=[line("a")], next="1:1"),
            LogPage(items=[], next="1:1"),
            LogPage(items=[line("b")], next="1:2"),
            LogPage(items=[], next="1:2", is_finished=True),
        ]
    )
    with answering(lambda _asked: said(next(pages))) as server:
        lines = list(Client(server.url, "").logs("1", follow=True))
    assert [each.message for each in lines] == ["a", "b"]
    assert all("wait=25.0" in asked.target for asked in server.asked[1:])


def test_what_registers_itself_is_given_the_client():
    class Registers:
        def register(self, project_name, *, client, **options):
            return project_name, client, options

    client = Client("http://127.0.0.1:1", "")
    assert client.register(Registers(), "p", force=True) == ("p", client, {"force": True})


def test_a_client_is_light():
    """Every supervisor holds one: nothing of the engine, the server or their libraries comes along."""
    program = (
        "import sys, headrace.client\n"
        "heavy = ('litestar', 'sqlalchemy', 'click', 'rich', 'cloudpickle', 'asyncio', 'croniter',\n"
        "         'headrace.server', 'headrace.storage')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")

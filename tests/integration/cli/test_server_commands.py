"""The commands that ask a server, and what they say of wrong input."""

import datetime
import json
import re
import sys

import pytest

from headrace import Flow, Parameter, task
from headrace.cli.app import run
from headrace.client import Client
from headrace.config import set_temporary_config
from headrace.schedules import CronSchedule
from headrace.wire.claims import Activate, Claim
from headrace.wire.events import EventBatch, FlowState, LogLine, TaskState
from tests.integration.components.server import free_ports
from tests.support.servers import headrace, running_server


@task
def load(x):
    return x


with Flow("nightly", schedule=CronSchedule("0 6 * * *")) as flow:
    load.map(Parameter("day", default=["a"]))
with Flow("yearly") as other:
    load(1)


@pytest.fixture(scope="module")
def server(shared_database_url):
    with running_server(shared_database_url) as server:
        with Client(server.url, "") as client:
            client.create_project("etl", "Nightly loads")
            for each in (flow, other):
                client.register(each, "etl", preflight=False, set_schedule_active=False)
        yield server


@pytest.fixture(scope="module")
def client(server):
    with Client(server.url, "") as client:
        yield client


@pytest.fixture
def call(server, capsys, monkeypatch):
    """Calls a command; returns its exit code, what it has printed, and what it has complained of."""
    monkeypatch.setattr("warnings.showwarning", lambda *args, **kwargs: None)

    def call(*args):
        capsys.readouterr()
        with set_temporary_config({"api_url": server.url, "api_key": ""}):
            code = run(args)
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def made(call):
    """Makes a flow run, and returns what `--json` says of it."""

    def made(*args):
        code, out, err = call("run", "--project", "etl", "-n", "nightly", "--json", *args)
        assert (code, err) == (0, "")
        return json.loads(out)

    return made


def taken(client, run_id, label):
    """Begin a flow run as its agent and its process do; return how to report its events."""
    (got,) = client.claim(Claim(agent="a", name="rack", kind="local", labels=[label], wait=60)).runs
    assert got.id == run_id
    client.activate(run_id, Activate(attempt=1, nonce="n", host="box", pid=7), got.token)

    def report(*events):
        client.events(
            run_id,
            EventBatch(attempt=1, nonce="n", first=report.first, events=list(events)),
            got.token,
        )
        report.first += len(events)

    report.first = 1
    return report


def test_projects(call):
    assert call("project", "create", "two words", "--description", "d")[:2] == (
        0,
        "There is a project 'two words'.\n",
    )
    code, _, err = call("project", "create", "two words")
    assert code == 2
    assert "'two words'" in err
    assert call("project", "create", "two words", "--exists-ok")[0] == 0
    listed = call("project", "list")[1]
    assert re.search(r"^NAME +FLOWS +CREATED +DESCRIPTION$", listed, re.MULTILINE)
    assert re.search(r"^etl +2 +\S+ \S+ +Nightly loads$", listed, re.MULTILINE)
    assert [each["name"] for each in json.loads(call("project", "list", "--json")[1])] == [
        "etl",
        "two words",
    ]
    assert "nightly" in call("project", "show", "etl")[1]
    code, _, err = call("project", "show", "elt")
    assert (code, "Did you mean 'etl'" in err) == (2, True)
    code, _, err = call("project", "delete", "two words")
    assert (code, "--yes" in err) == (2, True)
    assert call("project", "delete", "two words", "--yes")[0] == 0


def test_flows(call, client):
    listed = call("flow", "list", "--project", "etl")[1]
    assert re.search(r"^etl +nightly +1 .* off ", listed, re.MULTILINE)
    shown = call("flow", "show", "nightly")[1]
    assert re.search(r"^schedule +off$", shown, re.MULTILINE)
    assert re.search(r'^day +no +\["a"\]$', shown, re.MULTILINE)
    assert json.loads(call("flow", "show", "nightly", "--json")[1])["graph"]["tasks"]

    assert call("flow", "schedule", "on", "nightly")[1] == (
        "The schedule of the flow 'nightly' is on.\n"
    )
    assert client.flows("etl", "nightly")[0].schedule_active
    call("flow", "schedule", "off", "nightly")
    code, _, err = call("flow", "schedule", "on", "yearly")
    assert (code, "has no schedule" in err) == (2, True)

    assert call("flow", "overrides", "nightly", "-p", "day=[1]", "-l", "gpu")[0] == 0
    assert '"labels":["gpu"]' in call("flow", "show", "nightly")[1]
    assert call("flow", "overrides", "nightly", "--reset")[0] == 0
    assert '"gpu"' not in call("flow", "show", "nightly")[1]
    for wrong in ((), ("--run-config", "{"), ("--run-config", "[]"), ("-p", "x")):
        code, _, err = call("flow", "overrides", "nightly", *wrong)
        assert (code, err.count("\n")) == (2, 1), wrong
    code, _, err = call("flow", "show", "nigtly")
    assert (code, "Did you mean 'nightly'" in err) == (2, True)


def test_a_run_is_made_looked_at_and_ordered_about(call, made):
    start = (datetime.datetime.now() + datetime.timedelta(days=2)).isoformat(timespec="minutes")
    first = made(
        *("-p", "day=[1]", "--run-name", "one", "-l", "gpu", "--at", start, "--priority", "3"),
        *("--idempotency-key", "k"),
    )
    again = made("--idempotency-key", "k")
    assert (again["id"], again["is_new"]) == (first["id"], False)
    said = call("run", "--project", "etl", "-n", "nightly", "--idempotency-key", "k")[1]
    assert said.startswith("No new flow run: the idempotency key 'k' is that of 'one'. Watch it: ")

    for name in ("one", first["id"], first["id"][:8]):
        assert json.loads(call("flow-run", "show", name, "--json")[1])["id"] == first["id"]
    shown = call("flow-run", "show", "one")[1]
    assert re.search(r"^one  Scheduled  since ", shown)
    for line in (r"Waiting: .+", r"Whose turn: .+"):
        assert re.search(f"^  {line}$", shown, re.MULTILINE), shown
    for line in (r'parameters +\{"day":\[1\]\}', "labels +gpu", "priority +3", "project +etl"):
        assert re.search(f"^{line}$", shown, re.MULTILINE), shown

    assert "is Paused" in call("flow-run", "pause", "one", "--reason", "lunch")[1]
    shown = call("flow-run", "show", "one")[1]
    assert re.search(r"^  Waiting: .*lunch", shown, re.MULTILINE)
    assert re.search(rf"^  What to do: headrace flow-run resume {first['id']}", shown, re.MULTILINE)
    assert "is Scheduled" in call("flow-run", "resume", "one")[1]
    assert "is Cancelled" in call("flow-run", "cancel", "one", "--wait", "--reason", "no")[1]
    assert "is Scheduled" in call("flow-run", "restart", "one")[1]
    assert "is Cancelled" in call("flow-run", "cancel", "one")[1]
    history = json.loads(call("flow-run", "states", "one", "--json")[1])
    assert [entry["state"] for entry in history] == [
        *("Scheduled", "Paused", "Scheduled", "Cancelled", "Scheduled", "Cancelled"),
    ]
    assert re.search(
        r"Cancelled +0 +anonymous +.*: no\b", call("flow-run", "states", "one")[1], re.MULTILINE
    )
    listed = json.loads(call("flow-run", "list", "--state", "cancelled", "--json")[1])
    assert first["id"] in [each["id"] for each in listed]
    assert call("flow-run", "watch", "one")[0] == 130
    assert call("flow-run", "delete", "one", "--yes")[0] == 0
    code, _, err = call("flow-run", "show", first["id"])
    assert (code, first["id"] in err) == (2, True)


@pytest.mark.parametrize(("ending", "code"), [("Success", 0), ("Failed", 1), ("Cancelled", 130)])
def test_a_run_is_watched_to_its_end(call, made, client, ending, code):
    label = f"watched-{ending}"
    run_id = made("-l", label, "--run-name", label)["id"]
    report = taken(client, run_id, label)
    at = datetime.datetime.now().timestamp()
    report(
        LogLine(at=at, message="hello", slug="load-1", map_index=0),
        LogLine(at=at, message="beware", level=30),
        TaskState(at=at, slug="load-1", type="Mapped", children=2),
        TaskState(at=at, slug="load-1", map_index=0, type="Success", place="box:7"),
        TaskState(at=at, slug="load-1", map_index=1, type="Failed", message="It is too much."),
    )
    assert "runs on" in call("flow-run", "show", label)[1]
    report(FlowState(at=at, type=ending, message="That was it."))
    watched, out, _ = call("flow-run", "watch", label)
    assert watched == code
    assert re.search(r"INFO     load-1\[0\]: hello$", out, re.MULTILINE)
    verdict = {"Success": "succeeded", "Failed": "failed", "Cancelled": "was cancelled"}[ending]
    assert f"Flow run {label!r} of 'nightly' {verdict}" in out
    assert out.endswith("1 Failed, 1 Success\n") or "task runs: " in out

    events = [
        json.loads(line) for line in call("flow-run", "watch", label, "--json")[1].splitlines()
    ]
    assert {event["event"] for event in events} == {"state", "log", "end"}
    assert events[-1]["flow_run"]["state"] == ending

    assert call("flow-run", "logs", label)[1].count("\n") == 2
    assert call("flow-run", "logs", label, "--follow", "--level", "warning")[1].count("\n") == 1
    (line,) = call("flow-run", "logs", label, "--task", "load-1", "--json")[1].splitlines()
    assert json.loads(line)["message"] == "hello"

    (failed,) = json.loads(call("task-run", "list", label, "--state", "failed", "--json")[1])
    assert (failed["slug"], failed["map_index"]) == ("load-1", 1)
    assert "It is too much." in call("task-run", "list", label)[1]
    shown = call("task-run", "show", label, "load-1[0]")[1]
    assert re.search(r"^ran on +box:7$", shown, re.MULTILINE)
    assert "There are more than 1" in call("task-run", "list", label, "--limit", "1")[2]
    assert "rack" in call("agent", "list")[1]


def test_what_a_run_may_not_be_told(call):
    tracked = ("run", "--project", "etl", "--name", "nightly")
    for args, complaint in [
        ((*tracked, "etl.py"), "'etl.py' does not go with --project"),
        ((*tracked, "--executor", "local"), "--executor does not go with --project"),
        ((*tracked, "--schedule"), "headrace flow schedule on"),
        ((*tracked, "-p", "day=[1,"), "begins like JSON, but is none"),
        ((*tracked, "-p", "dya=1"), "no parameter 'dya'"),
        ((*tracked, "--at", "tomorrow"), "--at 'tomorrow' is no moment"),
        (("run", "--project", "etl", "--name", "nigthly"), "Did you mean 'nightly'"),
        (("run", "--project", "elt", "--name", "nightly"), "elt"),
        (("run", "--project", "etl"), "Choose one with --name: 'nightly', 'yearly'"),
        (("run", "--project", "elt"), "Did you mean 'etl'"),
        (("run", "x.py", "--watch"), "--watch is for tracked runs"),
        (("run", "x.py", "--priority", "0"), "--priority is for tracked runs"),
        (("flow-run", "show", "nobody"), "There is no flow run 'nobody'"),
        (("flow-run", "list", "--state", "faild"), "Did you mean 'Failed'"),
        (("flow-run", "lst"), "Did you mean 'list'"),
        (("task-run", "show", "x", "load-1[x]"), "'load-1[x]' names no task run"),
        (("agent", "forget", "nobody"), "nobody"),
        (("auth", "revoke-key", "nobody"), "There is no key 'nobody'"),
    ]:
        code, out, err = call(*args)
        assert (code, out, err.count("\n")) == (2, "", 1), (args, err)
        assert complaint in err, (args, err)


def test_a_name_that_several_runs_have_is_not_guessed_at(call, made):
    ids = {made("--run-name", "twin", "--at", "3d")["id"] for _ in range(2)}
    code, _, err = call("flow-run", "show", "twin")
    assert code == 2
    assert all(each in err for each in ids)
    for each in ids:
        call("flow-run", "cancel", each)


def test_names_that_are_not_there_are_no_empty_lists(call, made):
    made("--run-name", "named", "--at", "9h")
    for command, said in (
        (("flow-run", "list", "--project", "etk"), "no project 'etk'"),
        (("flow-run", "list", "--flow", "nightli"), "Did you mean 'nightly'?"),
        (("flow-run", "logs", "named", "--task", "laod-1"), "no task run 'laod-1'"),
        (("agent", "forget", "nobody"), "no agent 'nobody'"),
    ):
        code, out, err = call(*command)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert said in err
    assert call("flow-run", "list", "--flow", "yearly")[0] == 0
    assert "no such log lines" in call("flow-run", "logs", "named", "--task", "load-1")[2]
    call("flow-run", "delete", "named", "--yes")


def test_an_agent_is_forgotten_by_its_name(call, client):
    client.claim(Claim(agent="x1", name="old box", kind="local", labels=[], wait=0))
    assert "'old box' is forgotten" in call("agent", "forget", "old box")[1]
    assert "old box" not in call("agent", "list")[1]


def test_a_moment_that_is_over_is_said_to_be(call):
    code, out, err = call("run", "--project", "etl", "-n", "nightly", "--at", "2020-01-01")
    assert code == 0
    assert "is made" in out
    assert err == "--at 2020-01-01 is over: the run starts now.\n"
    call("flow-run", "cancel", out.split("'")[1])


def test_what_a_file_raises_is_shown_from_its_own_code_on(call, tmp_path):
    file = tmp_path / "broken.py"
    file.write_text("1 / 0")
    code, out, err = call("register", "--project", "etl", "-p", str(file))
    assert (code, out) == (1, "")
    assert err.startswith(f'Traceback (most recent call last):\n  File "{file}", line 1')
    assert f"{file} raised ZeroDivisionError while it was loaded" in err


def test_a_file_for_prefect_is_told_the_option(call, tmp_path):
    file = tmp_path / "old.py"
    file.write_text("import prefect")
    code, _, err = call("register", "--project", "etl", "-p", str(file))
    assert code == 1
    assert err.endswith(
        "No module named 'prefect'. If it was written for Prefect 1, add --prefect1.\n"
    )


@pytest.mark.parametrize(
    "command",
    [("project", "show", ""), ("run", "--project", "", "-n", "nightly"), ("flow", "show", "")],
)
def test_an_empty_name_names_nothing(call, command):
    code, out, err = call(*command)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "versions" not in err


def test_no_server_is_one_line(capsys):
    (port,) = free_ports(1)
    with set_temporary_config({"api_url": f"http://127.0.0.1:{port}"}):
        assert run(["flow-run", "list"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "headrace server start" in err


def test_keys(tmp_path):
    with running_server(home=tmp_path) as server:
        env = server.env

        def call(*args, key="", check=True):
            return headrace("auth", *args, env={**env, "HEADRACE_API_KEY": key}, check=check)

        assert "not asked for" in call("status")
        made = json.loads(
            call("create-key", "--local", "--scope", "admin", "--name", "me", "--json")
        )
        # A server that runs hears of a key that another process has made within seconds.
        server.restart()
        admin = made["secret"]
        assert call("status", check=False).count("refused") == 1
        assert "accepted" in call("status", key=admin)
        assert admin not in call("status", key=admin)
        reader = json.loads(
            call("create-key", "--scope", "read", "--expires", "90d", "--json", key=admin)
        )
        assert re.search(r"^read +read ", call("list-keys", key=admin), re.MULTILINE)
        assert json.loads(call("status", "--json", key=reader["secret"]))["is_accepted"] is True
        call("revoke-key", "read", key=admin)
        assert json.loads(call("status", "--json", key=reader["secret"], check=False)) == {
            **json.loads(call("status", "--json", key=reader["secret"], check=False)),
            "is_accepted": False,
        }


def test_the_first_key_is_an_admins_and_says_that_others_need_one(tmp_path, capsys):
    with (
        running_server(home=tmp_path) as server,
        set_temporary_config({"api_url": server.url}),
    ):
        assert run(["auth", "create-key"]) == 2
        assert "The first key has to be an admin's" in capsys.readouterr().err
        assert run(["auth", "create-key", "--scope", "admin"]) == 0
        out, err = capsys.readouterr()
        assert "Agents need one, too" in err
        key = re.search(r"hr_\S+", out)
        with set_temporary_config({"api_key": key[0]}):
            assert run(["auth", "create-key", "--scope", "agent"]) == 0
        assert "Agents need one" not in capsys.readouterr().err


def test_a_terminal_gets_a_table(call, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    out = call("project", "list")[1]
    assert "etl" in out
    assert "─" in out


def test_a_narrow_terminal_shows_ids_in_one_piece(call, made, monkeypatch):
    run = made("--run-name", "narrow", "--at", "9h")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    for columns, shown in (("200", run["id"]), ("60", run["id"][:8])):
        monkeypatch.setenv("COLUMNS", columns)
        out = call("flow-run", "list", "--flow", "nightly")[1]
        assert re.search(rf"\b{shown} *$", out, re.MULTILINE), out
    call("flow-run", "delete", "narrow", "--yes")

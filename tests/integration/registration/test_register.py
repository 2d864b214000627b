"""Registration with a real server, on SQLite and on PostgreSQL."""

import datetime
import json
import os
import signal
import subprocess
import time

import pytest
from sqlalchemy import create_engine, inspect, text

from headrace import Flow, Parameter, task
from headrace.client import Client
from headrace.core.errors import ClientError, RegistrationError
from headrace.executors import DaskExecutor
from headrace.registration import register
from headrace.run_configs import LocalRun
from headrace.schedules import IntervalSchedule
from headrace.storage import Git, Local
from tests.support.git_server import git_host
from tests.support.servers import PROGRAM, headrace, running_server

SECRET = "hunter2-of-the-closure"
ADDRESS = "tcp://private:8786"


@pytest.fixture
def server(database_url):
    with running_server(database_url) as running:
        yield running


@pytest.fixture
def client(server):
    with Client(server.url, api_key="") as client:
        client.create_project("etl")
        yield client


@pytest.fixture(scope="module")
def small_server():
    """For tests of what the database takes no part in."""
    with running_server() as running:
        yield running


@pytest.fixture
def small_client(small_server):
    with Client(small_server.url, api_key="") as client:
        client.create_project("etl")
        yield client
        client.delete_project("etl")


def private_flow(constant="v1", cluster=ADDRESS):
    password = SECRET

    @task
    def load(day, mode):
        return len(password)

    with Flow("private", executor=DaskExecutor(cluster)) as flow:
        load(Parameter("day", default="2026-01-01"), mode=f"constant-{constant}-{SECRET}")
        load.map(["mapped-constant-of-mine"], mode=f"{SECRET}")
    return flow


def every_table(url):
    """Return all that is in a database, as text."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    lines = []
    with engine.connect() as connection:
        tables = inspect(engine).get_table_names()
        assert {"flows", "version_groups", "projects"} <= set(tables)
        for table in tables:
            rows = connection.execute(text(f'SELECT * FROM "{table}"')).all()
            lines += [
                f"{table}: {bytes(v) if isinstance(v, memoryview) else v!r}"
                for row in rows
                for v in row
            ]
    engine.dispose()
    return "\n".join(lines)


def test_neither_executor_nor_secrets_are_in_the_database(server, client, database_url, tmp_path):
    flow = private_flow()
    flow.storage = Local(directory=tmp_path / "flows")
    registered = register(flow, "etl", client=client)
    assert registered.is_new
    client.create_flow_run(flow_id=registered.id)
    dumped = every_table(database_url)
    assert "private" in dumped and "2026-01-01" in dumped
    for hidden in (
        ADDRESS,
        "private:8786",
        "DaskExecutor",
        SECRET,
        "constant-v1",
        "mapped-constant",
    ):
        assert hidden not in dumped, hidden
    for leaf in server.home.rglob("*"):
        if leaf.is_file():
            assert SECRET.encode() not in leaf.read_bytes(), leaf
    # The user's own storage holds it, and the run gets it from there.
    assert flow.storage.get_flow("private").executor.address == ADDRESS


def test_an_unchanged_flow_is_no_new_version(client, tmp_path):
    def once(force=False, **change):
        flow = private_flow(**change)
        flow.storage = Local(directory=tmp_path / "flows")
        return register(flow, "etl", client=client, force=force)

    first, second = once(), once()
    assert (first.version, first.is_new) == (1, True)
    assert (second.id, second.version, second.is_new) == (first.id, 1, False)
    # A constant, and the executor, are code: the server never sees them, and yet it notices.
    changed = once(constant="v2")
    assert (changed.version, changed.is_new) == (2, True)
    assert changed.version_group_id == first.version_group_id
    assert once(constant="v2", cluster="tcp://other:8786").version == 3
    assert client.get_flow(first.id).is_archived
    assert once(force=True, constant="v2", cluster="tcp://other:8786").version == 4


def test_what_the_server_is_told(small_client, tmp_path):
    @task
    def extract(day):
        return day

    later = datetime.datetime(2040, 1, 1, tzinfo=datetime.UTC)
    schedule = IntervalSchedule(later, datetime.timedelta(hours=1))
    with Flow(
        "told",
        schedule=schedule,
        run_config=LocalRun(env={"A": "1"}, labels=["from-run-config"]),
        storage=Local(directory=tmp_path, labels=["from-storage"], add_default_labels=False),
        max_recoveries=7,
        on_disconnect="hold",
        lost_after=datetime.timedelta(minutes=2),
    ) as flow:
        extract(Parameter("day", default=datetime.date(2026, 1, 1)))
    flow_id = flow.register("etl", labels=["given"], client=small_client, set_schedule_active=False)
    known = small_client.get_flow(flow_id)
    assert known.labels == ["from-run-config", "from-storage", "given"]
    assert known.run_config["type"] == "LocalRun"
    assert known.storage["type"] == "Local"
    assert known.schedule["clocks"]
    assert not known.schedule_active
    assert (known.max_recoveries, known.on_disconnect, known.lost_after) == (7, "hold", 120.0)
    assert {task["slug"] for task in known.graph["tasks"]} == {"day", "extract-1"}
    assert any("'day'" in note and "no JSON" in note for note in known.notes)
    assert flow.run_config.labels == {"from-run-config"}


def test_a_commit_is_pinned(small_client, tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    code = "from headrace import Flow, task\n@task\ndef f(): pass\nwith Flow('git') as flow: f()\n"
    with git_host(tmp_path) as host:
        repository = host.repository()

        def once():
            with Flow("git") as flow:
                task(lambda: None, name="f")()
            flow.storage = Git("flow.py", "company/flows", repo_host=host.url, branch_name="main")
            return register(flow, "etl", client=small_client)

        first = repository.push({"flow.py": code})
        registered = once()
        assert small_client.get_flow(registered.id).storage["commit"] == first
        assert not once().is_new
        second = repository.push({"flow.py": code + "# changed\n"})
        changed = once()
        assert changed.is_new
        assert small_client.get_flow(changed.id).storage["commit"] == second


def test_what_cannot_be_loaded_back_is_said(small_client, tmp_path, caplog):
    file = tmp_path / "nightly.py"
    file.write_text(LOADED.format(module="json"))
    with Flow("nightly", storage=Local(path=str(file), stored_as_script=True)) as flow:
        task(lambda: None, name="f")()

    def once(**options):
        caplog.clear()
        registered = register(flow, "etl", client=small_client, **options)
        said = [line.getMessage() for line in caplog.records]
        return registered, [line for line in said if "loaded back" in line]

    assert once()[1] == []
    file.write_text(LOADED.format(module="nowhere_to_be_found"))
    registered, said = once()
    assert registered.is_new
    assert "No module named 'nowhere_to_be_found'" in said[0]
    assert "--import-path" in said[0]
    assert registered.warnings[-1:] == said
    assert once()[1] == []  # nothing has changed, so it was said already
    assert once(force=True, preflight=False)[1] == []


LOADED = """
import {module}
from headrace import Flow, task
@task
def f(): pass
with Flow("nightly") as flow: f()
"""


def test_what_cannot_be_registered_leaves_nothing(client, tmp_path, database_url):
    @task
    def load(day):
        return day

    with Flow("nightly", storage=Local(directory=tmp_path)) as flow:
        load(Parameter("day"))
    with pytest.raises(ClientError, match="'elt'"):
        register(flow, "elt", client=client)
    with pytest.raises(RegistrationError, match="headrace project create"):
        flow.register(client=client)
    flow.schedule = IntervalSchedule(interval=datetime.timedelta(hours=1))
    with pytest.raises(RegistrationError, match=r"no value for the required 'day'"):
        register(flow, "etl", client=client)
    flow.schedule = None
    with pytest.raises(RegistrationError, match="does not take 'directory'"):
        flow.register("etl", client=client, directory=str(tmp_path))
    flow.storage = "a string"
    with pytest.raises(RegistrationError, match="a string"):
        register(flow, "etl", client=client)
    assert client.flows("etl") == []


def test_the_command(small_server, small_client, tmp_path):
    flows = tmp_path / "flows"
    flows.mkdir()
    good = "from headrace import Flow, task\nimport beside\n@task\ndef f(): return beside.X\n"
    (flows / "beside.py").write_text("X = 1\n")
    (flows / "two.py").write_text(good + "".join(f"with Flow('{n}') as {n}: f()\n" for n in "ab"))
    (flows / "raises.py").write_text("raise RuntimeError('no such database')\n")

    def call(*arguments, project="etl"):
        return subprocess.run(
            [PROGRAM, "register", "--project", project, "--json", *arguments],
            env={**os.environ, **small_server.env},
            capture_output=True,
            text=True,
            check=False,
        )

    done = call("-p", str(flows))
    results = {result["flow"]: result for result in json.loads(done.stdout)}
    assert done.returncode == 1
    assert results["a"]["version"] == results["b"]["version"] == 1
    assert "no such database" in results[None]["error"]
    assert {flow.name for flow in small_client.flows("etl")} == {"a", "b"}
    (flows / "raises.py").unlink()
    for names in ([], ["-n", "b"]):
        assert not any(r["is_new"] for r in json.loads(call("-p", str(flows), *names).stdout))
    done = call("-p", str(flows), "--label", "gpu", "-n", "a")
    assert done.returncode == 0
    (only,) = json.loads(done.stdout)
    assert (only["flow"], only["version"], only["is_new"]) == ("a", 2, True)
    assert any("gpu" in warning for warning in only["warnings"])
    assert call("-p", str(flows), "-n", "c").returncode == 1
    assert call("-p", str(flows / "beside.py")).returncode == 1
    other = call("-p", str(flows), project="new")
    assert other.returncode == 2
    assert "headrace project create new" in other.stderr
    headrace(
        "register", "--project", "new", "-p", str(flows), "--create-project", env=small_server.env
    )
    assert {flow.name for flow in small_client.flows("new")} == {"a", "b"}


def test_watching(small_server, small_client, tmp_path):
    file = tmp_path / "watched.py"
    code = "from headrace import Flow, task\n@task\ndef f(): return {}\nwith Flow('w') as w: f()\n"
    file.write_text(code.format(1))
    log = tmp_path / "log"
    with log.open("w") as output:
        watching = subprocess.Popen(
            [PROGRAM, "register", "--project", "etl", "-p", str(file), "--watch"],
            env={**os.environ, **small_server.env},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + 120
        for version in (1, 2):
            while [flow.version for flow in small_client.flows("etl")] != [version]:
                assert time.monotonic() < until, log.read_text()
                assert watching.poll() is None, log.read_text()
                time.sleep(0.05)
            file.write_text(code.format(2))
    finally:
        os.killpg(watching.pid, signal.SIGKILL)
        watching.wait()

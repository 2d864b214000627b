"""Flows in files on Git hosts, registered, looked at before, and run by an agent."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from headrace import context
from headrace.client import Client
from headrace.flow import Flow
from headrace.registration import preflight
from headrace.registration.preflight import check_loading
from tests.integration.components.code_host import TOKEN
from tests.support.code_hosts import PATH, code_host, variables
from tests.support.servers import PROGRAM, headrace, running_server

FLOW = """
from headrace import Flow, context, task
from headrace.storage import GitHub

@task
def check():
    context.logger.info("this is version {version}")

storage = GitHub("company/flows", "flows/nightly.py", ref="main", base_url={url!r})
with Flow("nightly", storage=storage) as flow:
    check()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables({"GITHUB_ACCESS_TOKEN": TOKEN}).items():
        monkeypatch.setenv(name, value)
    with code_host("github", tmp_path / "host") as running:
        running.api.is_private = True
        yield running


@pytest.fixture
def deployed(place):
    with running_server() as server:
        environ = {**os.environ, **server.env}
        agent = subprocess.Popen(
            [PROGRAM, "agent", "local", "start"], env=environ, stdout=subprocess.DEVNULL
        )
        try:
            yield server
        finally:
            agent.terminate()
            agent.wait(60)


def test_a_run_loads_what_was_registered(deployed, place):
    repository = place.api.repository()
    file = repository.work / PATH

    def push(version):
        return repository.push({PATH: FLOW.format(version=version, url=place.api.url)})

    def register():
        return headrace("register", "--project", "p", "-p", str(file), env=deployed.env)

    def said(client):
        run = client.create_flow_run("nightly", "p")
        end = client.wait_for_flow_run(run.id, timeout=120)
        lines = [line.message for line in client.logs(run.id)]
        assert end.state == "Success", lines
        return [line for line in lines if line.startswith("this is version")]

    first = push(1)
    headrace("project", "create", "p", env=deployed.env)
    register()
    assert "has not changed" in register()
    # Nor does it change when something else is pushed: its file is all that it is made of.
    repository.push({"flows/README.md": "more about it"})
    assert "has not changed" in register()
    with Client(deployed.url, api_key="") as client:
        (flow,) = client.flows("p", "nightly")
        assert (flow.version, flow.storage["ref"]) == (1, first)
        assert TOKEN not in repr(flow)
        second = push(2)
        assert said(client) == ["this is version 1"]
        register()
        (flow,) = client.flows("p", "nightly")
        assert (flow.version, flow.storage["ref"]) == (2, second)
        assert said(client) == ["this is version 2"]
    # Neither the server nor the runs have kept the token.
    kept = {}
    for path in Path(deployed.env["HEADRACE_HOME"]).rglob("*"):
        with suppress(FileNotFoundError, IsADirectoryError):  # the agent clears away meanwhile
            kept[path] = path.read_bytes() if path.is_file() else b""
    assert any(path.name == "headrace.db" for path in kept)
    assert [path for path, content in kept.items() if TOKEN.encode() in content] == []


def test_a_preflight_loads_the_file_back(place):
    repository = place.api.repository()

    def found(text):
        repository.push({PATH: text})
        flow = Flow("nightly", storage=place.storage())
        return [finding for finding in preflight(flow) if finding.subject == "storage"]

    assert found("from headrace import Flow\nFlow('nightly')\n")[0].level == "error"
    assert found("from headrace import Flow\nflow = Flow('nightly')\n") == []
    (other,) = found(FLOW.format(version=1, url=place.api.url))
    assert (other.level, "check-1" in other.message) == ("warning", True)
    (neighbour,) = found("import a_neighbour\n")
    assert "a_neighbour" in neighbour.message
    assert "use Git storage" in neighbour.remedy
    with context(secrets={}):
        (missing,) = check_loading(Flow("nightly", storage=place.storage(path="no.py")))
    assert "no file no.py in repository company/flows" in missing.message

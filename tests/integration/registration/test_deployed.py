"""Flows that are registered, and run by an agent that knows nothing but what the server says."""

import os
import subprocess
import sys
import tempfile
import time

import pytest

from headrace.client import Client
from tests.support.git_server import git_host
from tests.support.servers import PROGRAM, headrace, running_server

IN_GIT = """
import near
from headrace import Flow, task
from headrace.storage import Git

@task
def check():
    assert near.COMMIT == "first", near.COMMIT

storage = Git("flows/nightly.py", "company/flows", repo_host={host!r})
with Flow("in git", storage=storage) as flow:
    check()
"""
OF_PREFECT_1 = """
import prefect
from prefect import Flow, task

@task
def check():
    assert prefect.context.flow_name == "of prefect 1"

with Flow("of prefect 1") as flow:
    check()
"""
PICKLED = """
from headrace import Flow, task

@task
def check():
    assert __name__ == "__main__"

with Flow("pickled") as flow:
    check()
flow.register("deployed")
"""


@pytest.fixture
def deployed(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    # Where checkouts are: an agent's runs have it from the agent.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
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


def test_each_storage_to_the_end(deployed, tmp_path):
    def register(*arguments):
        headrace("register", "--project", "deployed", *arguments, env=deployed.env)

    headrace("project", "create", "deployed", env=deployed.env)
    old, pickled = tmp_path / "old.py", tmp_path / "pickled.py"
    old.write_text(OF_PREFECT_1)
    pickled.write_text(PICKLED)
    with git_host(tmp_path / "host") as host:
        repository = host.repository()
        files = {"flows/nightly.py": IN_GIT.format(host=host.url)}
        repository.push({**files, "flows/near.py": "COMMIT = 'first'\n"})
        register("-p", str(repository.work / "flows" / "nightly.py"))
        # What is pushed later is not what was registered.
        repository.push({"flows/near.py": "COMMIT = 'second'\n"})
        register("--prefect1", "-p", str(old))
        subprocess.run(
            [sys.executable, str(pickled)], env={**os.environ, **deployed.env}, check=True
        )
        with Client(deployed.url, api_key="") as client:
            names = ["in git", "of prefect 1", "pickled"]
            runs = [client.create_flow_run(name, "deployed") for name in names]
            ends = [client.wait_for_flow_run(run.id, timeout=150) for run in runs]
            said = [[line.message for line in client.logs(run.id)] for run in runs]
    assert [end.state for end in ends] == ["Success"] * 3, said
    until = time.monotonic() + 60
    while left := list(
        tmp_path.glob("headrace-git-*")
    ):  # a run is over before its process has gone
        assert time.monotonic() < until, left
        time.sleep(0.05)

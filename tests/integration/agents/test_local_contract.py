"""The local launcher against the contract, with a real server and the real `headrace execute`."""

import signal
import uuid

import pytest

from headrace.agents.fork_client import ForkClient
from headrace.agents.local import LocalLauncher
from headrace.client import Client
from headrace.engine.run_directory import RunDirectory, RunSpec, SupervisorRecord
from headrace.testing import LauncherContract, LauncherPlatform
from headrace.wire.claims import Claim
from tests.support.servers import headrace, running_server

FLOWS = """
import os, time
from headrace import Flow, task

@task
def fail():
    os._exit(3)

@task
def wait():
    time.sleep(600)

with Flow("succeed") as succeed:
    pass

with Flow("fail") as fails:
    fail()

with Flow("wait") as waits:
    wait()
"""


@pytest.fixture(scope="module")
def server():
    with running_server() as server:
        file = server.home / "flows.py"
        file.write_text(FLOWS)
        register = ("register", "--project", "p", "--create-project", "--path", str(file))
        headrace(*register, env=server.env)
        yield server


@pytest.fixture(scope="module")
def agent_folder(tmp_path_factory):
    """One for all tests, and so is the fork server in it."""
    folder = tmp_path_factory.mktemp("agent")
    yield folder
    ForkClient(folder).retire()


class LocalMachine(LauncherPlatform):
    def __init__(self, server, home, folder):
        self._server = server
        self._home = home
        self._folder = folder

    def launcher(self):
        return LocalLauncher(str(self._home), self._folder, self._server.url)

    def run(self, does, run_config=None):
        agent = f"contract-{uuid.uuid4()}"
        with Client(self._server.url, api_key="") as client:
            client.create_flow_run(does, "p", labels=[agent], run_config=run_config)
            claim = Claim(agent=agent, name="contract", kind="local", labels=[agent], wait=30.0)
            (run,) = client.claim(claim).runs
        return run

    def is_running(self, deployment):
        record = RunDirectory(deployment.handle).read(SupervisorRecord)
        if record is None or not record.process.is_alive():
            return False
        return record.activated and record.runner is not None

    def kill(self, deployment):
        RunDirectory(deployment.handle).read(SupervisorRecord).process.signal(signal.SIGKILL)

    def marks(self, deployment):
        spec = RunDirectory(deployment.handle).read(RunSpec)
        return [spec.flow_run_id, str(spec.attempt), spec.agent]

    def impossible(self):
        return self.run("succeed", {"type": "LocalRun", "working_dir": "/nowhere"})


class TestLocalLauncher(LauncherContract):
    patience = 90.0

    @pytest.fixture
    def platform(self, server, tmp_path, agent_folder):
        return LocalMachine(server, tmp_path, agent_folder)

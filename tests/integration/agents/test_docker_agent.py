"""Flow runs in containers of a real engine: how they end, why, and what comes after."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from headrace.client import Client
from headrace.testing import LauncherContract
from tests.integration.components.base_image import build_image, build_tiny_image
from tests.integration.components.registry import running_registry
from tests.support.agents import running_agent
from tests.support.servers import PROGRAM, headrace, running_server

#: What a run's state and reason may take to show what has happened to its container, in seconds.
_SOON = 2.0

_FLOW = """
import os, time
from pathlib import Path
import headrace
from headrace import Flow, Parameter, task
from headrace.results import LocalResult

@task
def first(folder):
    with open(f"{folder}/first", "a") as file:
        file.write(f"{os.getpid()}\\n")
    headrace.context.logger.info("the first task speaks")
    print("the first task prints")
    return 1

@task
def second(value, folder, does):
    with open(f"{folder}/second", "a") as file:
        file.write(f"{os.environ.get('STAGE')} {os.getpid()}\\n")
    attempts = len(Path(f"{folder}/second").read_text().splitlines())
    if does == "eat" and attempts == 1:
        time.sleep(1)
        held = [bytearray(os.urandom(1 << 20)) for _ in range(1000)]
    while does in ("wait", "talk") and attempts == 1:
        time.sleep(0.05)
        if does == "talk":
            print("on and on")
    return value + 1

with Flow("in a container", result=LocalResult("@FOLDER@/results")) as flow:
    folder = Parameter("folder")
    second(first(folder), folder, Parameter("does", default="end"))
"""


class Scene:
    """A server, the engine, and runs of one flow."""

    def __init__(self, server, client, engine, shared):
        self.server = server
        self.client = client
        self.engine = engine
        self.shared = shared
        self._started = []

    def options(self, *options):
        return [
            *("--base-url", self.engine.url, "--env", "STAGE=agent"),
            *("--env", "HEADRACE__FLOWS__CHECKPOINTING=true"),
            *("--volume", f"{self.shared}:{self.shared}", *options),
        ]

    def agent(self, *options, env=None):
        return running_agent(self.server, options=self.options(*options), kind="docker", env=env)

    def start(self, does="end", **run_config):
        folder = self.shared / uuid.uuid4().hex
        folder.mkdir()
        run = self.client.create_flow_run(
            "in a container",
            "p",
            parameters={"folder": str(folder), "does": does},
            run_config={"type": "DockerRun", "labels": [], **run_config},
            labels=[],
        )
        self._started.append(run.id)
        return run.id, folder

    def ended(self, run_id, state="Success", timeout=40):
        self.until(lambda: self.client.get_flow_run(run_id).is_finished, "it does not end", timeout)
        run = self.client.get_flow_run(run_id)
        assert run.state == state, run.message
        return run

    def states(self, run_id):
        return [(state.state, state.message) for state in self.client.flow_run_states(run_id)]

    def says(self, run_id, *words):
        return any(all(word in (said or "") for word in words) for _, said in self.states(run_id))

    def begins_second(self, run_id, folder):
        """Wait until the second task runs, and the server knows that the first has succeeded."""
        self.until((folder / "second").exists, "it does not begin")
        self.until(
            lambda: any(each.state == "Success" for each in self.client.task_runs(run_id)),
            "the first task is not known to be done",
        )

    def container(self, run_id, attempt=1):
        return self.engine.client.containers.get(f"headrace-{run_id}-{attempt}")

    def gone(self):
        """Wait until no container of these runs is left; the engine may have others' containers."""
        self.until(lambda: not self._left(), "containers are left", 10)

    def _left(self):
        names = [each["Names"][0] for each in self.engine.client.api.containers(all=True)]
        return [name for name in names if any(run in name for run in self._started)]

    @staticmethod
    def until(condition, what, timeout=40):
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, what
            time.sleep(0.02)


@pytest.fixture(scope="module")
def scene(docker_engine, headrace_image, tmp_path_factory):
    shared = tmp_path_factory.mktemp("shared")
    (shared / "flow.py").write_text(textwrap.dedent(_FLOW).replace("@FOLDER@", str(shared)))
    with running_server() as server, Client(server.url) as client:
        headrace(
            *("register", "--project", "p", "--create-project", "--path", str(shared / "flow.py")),
            env=server.env,
        )
        yield Scene(server, client, docker_engine, shared)


@pytest.fixture
def agent(scene):
    with scene.agent() as running:
        yield running
    scene.engine.remove_containers()


# -- a run, from its beginning to its end -----------------------------------------------------------


def test_a_run_in_a_container(scene):
    with scene.agent("--show-flow-logs") as agent:
        run_id, folder = scene.start(env={"STAGE": "run"})
        run = scene.ended(run_id)
        scene.until(lambda: "the first task prints" in agent.log, "its output is not shown")
        scene.gone()

    assert (folder / "second").read_text().split()[0] == "run"
    assert run.agent == "docker"
    logs = "\n".join(line.message for line in scene.client.logs(run_id))
    assert "the first task speaks" in logs
    assert "the first task prints" in logs
    # What its container prints are the run's log lines.
    assert f"{run_id} | " in agent.log
    assert "INFO - headrace.first | the first task speaks" in agent.log
    assert "token" not in agent.log


def test_tokens_and_variables_are_in_the_environment_of_the_container_only(scene):
    variable = "only-for-the-eyes-of-runs"
    env = {"MINE": variable, "HEADRACE__LOGGING__LEVEL": "DEBUG"}
    with scene.agent("--keep", "--show-flow-logs", "--env", "MINE", env=env) as agent:
        run_id, folder = scene.start(does="wait")
        scene.begins_second(run_id, folder)
        commands = []
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it has ended meanwhile
                commands.append(command.read_bytes())
        assert any(b"--show-flow-logs" in command for command in commands)
        found = scene.container(run_id).attrs
        scene.container(run_id).kill()
        scene.ended(run_id)

        variables = dict(each.split("=", 1) for each in found["Config"]["Env"])
        assert variables["MINE"] == variable
        held = {name: found["Config"][name] for name in ("Labels", "Cmd", "Entrypoint")}
        told = [scene.states(run_id), [line.message for line in scene.client.logs(run_id)], held]
        files = [file.read_bytes() for file in scene.server.home.rglob("*") if file.is_file()]
        for secret in (variable, variables["HEADRACE_RUN_TOKEN"]):
            assert secret not in json.dumps(told)
            assert secret not in agent.log + scene.server.log
            assert not any(secret.encode() in data for data in [*commands, *files])
    scene.engine.remove_containers()


def test_the_container_is_as_asked(scene):
    with scene.agent("--keep"):
        run_id, _ = scene.start(
            ports=[18080], host_config={"mem_limit": "512m", "dns": ["127.0.0.1"]}
        )
        scene.ended(run_id)
        kept = f"headrace-{run_id}-1-over"
        api = scene.engine.client.api
        scene.until(lambda: api.containers(all=True, filters={"name": kept}), "it is not kept")
        found = api.inspect_container(kept)
        time.sleep(0.2)
    with scene.agent("--keep") as again:
        said = len(again.log)
        scene.until(lambda: " asks " in again.log[said:], "it does not start")
        time.sleep(1.0)
        said_again = again.log[said:]
    scene.engine.remove_containers()

    assert found["HostConfig"]["Memory"] == 512 << 20
    assert found["HostConfig"]["Dns"] == ["127.0.0.1"]
    assert found["HostConfig"]["NetworkMode"] == "host"  # the server is on loopback
    assert "18080/tcp" in found["Config"]["ExposedPorts"]
    labels = found["Config"]["Labels"]
    assert (labels["io.headrace.flow-run"], labels["io.headrace.attempt"]) == (run_id, "1")
    # A container that is kept is nothing to an agent that is started again.
    assert run_id not in said_again


# -- ends from outside ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("kill", ("killed by SIGKILL", "137")),
        ("remove", ("SIGKILL", "137")),
        ("stop", ("SIGTERM",)),
    ],
)
def test_a_container_that_is_ended_from_outside(scene, agent, how, words):
    run_id, folder = scene.start("wait")
    scene.begins_second(run_id, folder)
    container = scene.container(run_id)

    if how == "kill":
        container.kill()
    elif how == "remove":
        container.remove(force=True)
    else:
        container.stop(timeout=10)
    at = time.monotonic()
    scene.until(lambda: scene.says(run_id, *words), f"{words}: {scene.states(run_id)}", 10)
    took = time.monotonic() - at
    run = scene.ended(run_id)

    assert took < _SOON
    assert (run.attempt, run.recoveries) == (2, 1)
    # What was finished has not run again.
    assert len((folder / "first").read_text().splitlines()) == 1
    assert len((folder / "second").read_text().splitlines()) == 2
    scene.gone()


def test_a_run_that_is_out_of_memory(scene, agent):
    run_id, folder = scene.start("eat", host_config={"mem_limit": "300m", "memswap_limit": "300m"})
    run = scene.ended(run_id, timeout=60)

    assert scene.says(run_id, "out of memory"), scene.states(run_id)
    assert (run.attempt, run.recoveries) == (2, 1)
    assert len((folder / "first").read_text().splitlines()) == 1


def test_a_program_that_never_speaks_to_the_server(scene, agent):
    """Its reason is its exit code, and what it has printed is in the run's logs."""
    run_id, _ = scene.start(env={"HEADRACE__RUNS__FLUSH_TIMEOUT": "no number"})

    def logs():
        return "\n".join(line.message for line in scene.client.logs(run_id))

    scene.until(lambda: "no number" in logs(), f"its output is not there: {logs()}")
    scene.until(lambda: scene.says(run_id, "exit code"), f"{scene.states(run_id)}", 10)
    scene.client.cancel_flow_run(run_id)
    scene.ended(run_id, "Cancelled")


# -- what cannot be deployed ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run_config", "words"),
    [
        ({"image": "127.0.0.1:9/none:1"}, ("127.0.0.1:9/none:1", "refused")),
        ({"image": "Not an image"}, ("Not an image",)),
        ({"host_config": {"mem_limit": "much"}}, ("much",)),
        ({"host_config": {"no_such_thing": 1}}, ("no_such_thing",)),
        ({"host_config": {"restart_policy": {"Name": "always"}}}, ("restart_policy",)),
        ({"host_config": {"network_mode": "nowhere"}}, ("nowhere",)),
        ({"host_config": {"binds": ["/no/such/folder:relative"]}}, ("relative",)),
    ],
)
def test_what_cannot_be_deployed_says_why(scene, agent, run_config, words):
    run_id, _ = scene.start(**run_config)

    scene.until(lambda: scene.says(run_id, *words), f"{scene.states(run_id)}", 20)
    if "refused" in words:  # a registry that is away may come back
        scene.client.cancel_flow_run(run_id)
        scene.ended(run_id, "Cancelled")
    else:
        scene.ended(run_id, "Failed", timeout=5)
    assert agent.is_running
    scene.gone()


def test_images_come_from_registries_with_the_credentials_of_docker_login(scene, tmp_path):
    images = scene.engine.client.images
    account = {"username": "somebody", "password": "a secret of a registry"}
    with running_registry(*account.values()) as registry:
        name = f"{registry.address}/tiny:1"
        build_tiny_image(scene.engine, name)
        images.push(name, auth_config=account)
        images.remove(name)
        with scene.agent(env={"DOCKER_CONFIG": str(tmp_path)}) as agent:
            refused, _ = scene.start(image=name)
            scene.ended(refused, "Failed")
            missing, _ = scene.start(image=f"{registry.address}/none:1")
            scene.ended(missing, "Failed")
            registry.write_docker_config(tmp_path)
            absent, _ = scene.start(image=f"{registry.address}/none:1")
            scene.ended(absent, "Failed")
            pulled, _ = scene.start(image=name)
            scene.ended(pulled, "Failed")
        with scene.agent("--no-pull") as stays:
            images.remove(name, force=True)
            unpulled, _ = scene.start(image=name)
            scene.ended(unpulled, "Failed")

    assert scene.says(refused, name, "no basic auth credentials")
    assert scene.says(absent, "none:1", "not found"), scene.states(absent)
    # It was pulled: there is nothing in it that could be run.
    assert scene.says(pulled, f"{name} has no program headrace", "executable file not found")
    assert scene.says(unpulled, "--no-pull")
    assert account["password"] not in agent.log + stays.log + json.dumps(scene.states(pulled))


def test_a_network_that_is_not_there_is_told_at_the_start(scene):
    command = [PROGRAM, "agent", "docker", "start", "--base-url", scene.engine.url]
    done = subprocess.run(
        [*command, "--network", "nosuch"],
        env={**os.environ, **scene.server.env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"Error: The Docker engine at {scene.engine.url} has no network 'nosuch': make it by "
        "`docker network create nosuch`, or name one of `docker network ls`.\n"
    )
    with scene.agent("--network", "host"):
        run_id, _ = scene.start()
        scene.ended(run_id)
        scene.gone()


# -- twins, and agents and engines that go away -----------------------------------------------------


def test_a_deployment_that_is_started_twice_runs_once(scene, agent):
    run_id, folder = scene.start("wait")
    scene.until((folder / "second").exists, "it does not begin")
    first = scene.container(run_id).attrs["Config"]

    twin = scene.engine.client.containers.run(
        first["Image"],
        first["Cmd"],
        environment=first["Env"],
        network_mode="host",
        volumes=[f"{scene.shared}:{scene.shared}"],
        detach=True,
    )
    assert twin.wait(timeout=30)["StatusCode"] == 11  # the server did not let it begin
    twin.remove()
    scene.client.cancel_flow_run(run_id)
    scene.ended(run_id, "Cancelled")

    assert len((folder / "second").read_text().splitlines()) == 1


def test_an_agent_that_is_killed_finds_its_containers(scene):
    with scene.agent() as agent:
        goes_on, folder = scene.start("wait")
        ends, other = scene.start("wait")
        scene.until((folder / "second").exists, "it does not begin")
        scene.until((other / "second").exists, "it does not begin")
        agent.kill()
        scene.container(ends).kill()
        agent.start()
        scene.until(lambda: scene.says(ends, "SIGKILL"), f"{scene.states(ends)}", 15)
        scene.ended(ends)
        assert f"Found flow run {goes_on} (attempt 1) again" in agent.log
        scene.container(goes_on).kill()
        scene.ended(goes_on)
        scene.gone()


def test_an_engine_that_is_not_there_yet_is_waited_for(scene):
    scene.engine.stop()
    try:
        with scene.agent("--network", "host") as agent:
            scene.until(lambda: "does not answer" in agent.log, "nothing is said", 10)
            run_id, _ = scene.start()
            scene.engine.start()
            scene.ended(run_id)
            scene.gone()
    finally:
        if not scene.engine.answers():
            scene.engine.start()
    assert f"the Docker engine at {scene.engine.url} does not answer" in agent.log
    assert "Traceback" not in agent.log


def test_an_engine_that_goes_away_is_waited_for(scene):
    """A run that is due meanwhile says why it waits; what the engine ends is run again."""
    try:
        with scene.agent() as agent:
            goes_on, folder = scene.start("wait")
            scene.begins_second(goes_on, folder)
            scene.engine.kill()
            run_id, _ = scene.start()

            def waiting():
                run = scene.client.get_flow_run(run_id)
                return "the Docker engine at" in f"{run.message} {run.waiting}"

            scene.until(waiting, "it does not say why it waits")
            scene.engine.start()  # which ends what has gone on without it
            scene.ended(run_id)
            scene.ended(goes_on)
            scene.gone()
    finally:
        if not scene.engine.answers():
            scene.engine.start()
    assert len((folder / "first").read_text().splitlines()) == 1
    assert "Traceback" not in agent.log


def test_what_a_container_could_not_tell_is_told_by_its_agent(scene):
    """A server that is away when the run ends; nobody in the container waits for it."""
    try:
        with scene.agent("--env", "HEADRACE__RUNS__FLUSH_TIMEOUT=0.5") as agent:
            run_id, folder = scene.start("talk")
            scene.begins_second(run_id, folder)
            scene.server.stop()
            time.sleep(0.5)
            container = scene.container(run_id)
            container.stop(timeout=20)
            assert container.wait()["StatusCode"] == 14
            time.sleep(0.5)
            scene.server.start()
            run = scene.ended(run_id, timeout=60)
            scene.gone()
    finally:
        if not scene.server.answers():
            scene.server.start()
    assert scene.says(run_id, "SIGTERM"), scene.states(run_id)
    assert run.attempt == 2
    assert len((folder / "first").read_text().splitlines()) == 1
    assert "Traceback" not in agent.log
    assert "later" in agent.log


def test_a_cancelled_run_whose_process_has_not_begun_is_ended(scene, agent, tmp_path):
    """Its program hangs before it asks to begin."""
    (tmp_path / "headrace").write_text(LauncherContract.PROGRAM)
    (tmp_path / "headrace").chmod(0o755)
    (tmp_path / "Dockerfile").write_text(
        "FROM headrace-python:bookworm\nCOPY headrace /usr/local/bin/\n"
    )
    build_image(scene.engine, tmp_path, "hangs:1")
    run_id, _ = scene.start(image="hangs:1", env={"HEADRACE_CONTRACT": "wait"})
    containers = scene.engine.client.api.containers
    scene.until(lambda: containers(filters={"status": "running"}), "it is not started")

    scene.client.cancel_flow_run(run_id)
    scene.ended(run_id, "Cancelled")
    scene.gone()

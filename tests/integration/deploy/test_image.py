"""The image, built by a real Docker engine, and what the compose file starts from it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

import pytest
import yaml

from headrace.client import Client
from tests.integration.components.base_image import _made_once, wheelhouse
from tests.integration.components.docker_engine import CACHE
from tests.integration.components.server import could_not_run, free_ports
from tests.integration.deploy.compose import run_arguments, services

ROOT = Path(__file__).parents[3]
NAME = "headrace-deploy:test"
#: What is needed here; all that the Dockerfile names by itself takes minutes.
EXTRAS = "docker,postgres,yaml"
_FLOW = """
from pathlib import Path
from headrace import Flow, task

@task
def who():
    import os
    return os.getuid()

@task
def check(user):
    assert user == 65532, user

with Flow("in a container") as flow:
    check(who())
"""


def build_wheels() -> Path:
    """Return a folder with the wheels that build Headrace."""
    folder = CACHE / "buildwheels-1"
    with _made_once(folder) as making:
        if making is not None:
            lock = (ROOT / "requirements" / "all.lock").read_text()
            version = lock.split("\nhatchling==")[1].split()[0]
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "pip", "download", "--quiet"),
                    *("--only-binary=:all:", "--dest", str(making), f"hatchling=={version}"),
                ],
                capture_output=True,
                text=True,
                timeout=200,
                check=False,
            )
            if done.returncode != 0:
                could_not_run(f"hatchling cannot be downloaded: {done.stderr[-500:]}")
    return folder


@pytest.fixture(scope="module")
def image(docker_engine, python_image, tmp_path_factory) -> str:
    """The image, built by the repository's Dockerfile as its .dockerignore lets it see it."""
    context = tmp_path_factory.mktemp("context")
    for name in ("Dockerfile", ".dockerignore", "LICENSE", "README.md", "pyproject.toml"):
        shutil.copy2(ROOT / name, context)
    for name in ("src", "deploy", "requirements"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, context / name, ignore=ignored)
    (context / "wheels").mkdir()
    for wheel in (*wheelhouse().glob("*.whl"), *build_wheels().glob("*.whl")):
        if not (context / "wheels" / wheel.name).exists():
            os.link(wheel, context / "wheels" / wheel.name)
    arguments = {"BASE": python_image, "PIP_OPTIONS": "--no-index", "EXTRAS": EXTRAS}
    # Stages that have no name are not there any more in the next session.
    for stage in ("wanted", "dependencies", "wheel", None):
        docker_engine.client.images.build(
            path=str(context),
            tag=f"headrace-deploy-{stage}:test" if stage else NAME,
            target=stage,
            rm=True,
            forcerm=True,
            network_mode="none",
            buildargs=arguments,
        )
    return NAME


def test_what_the_image_is(docker_engine, image, python_image):
    found = docker_engine.client.images.get(image).attrs
    assert found["Config"]["User"] == "65532:65532"
    assert found["Config"]["Entrypoint"] is None  # `headrace execute` is a command like others
    base = docker_engine.client.images.get(python_image).attrs["Size"]
    assert found["Size"] - base < 250e6
    # What a change of src renews is small: the environment of the dependencies is below it.
    layers = docker_engine.client.api.history(image)
    largest = max(layers, key=lambda layer: layer["Size"])
    own = next(layer for layer in layers if "pip install" in layer["CreatedBy"])
    assert layers.index(own) < layers.index(largest)
    assert own["Size"] < 20e6


def test_what_runs_in_it(docker_engine, image):
    def output(*command: str) -> str:
        said = docker_engine.client.containers.run(
            image, list(command), remove=True, network_mode="none", read_only=True
        )
        return str(said.decode().strip())

    assert output("id", "-u") == "65532"
    assert output("headrace", "--version").split()[-1]
    assert output("headrace-health") == ""
    assert output("python3", "-c", "import docker, psycopg, yaml; print('there')") == "there"


def test_the_extras_that_it_has_by_itself():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (line,) = [
        line
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("ARG EXTRAS=")
    ]
    named = line.partition("=")[2].split(",")
    assert named == sorted(named)
    assert set(named) <= set(project["optional-dependencies"])
    # All that agents and storages need.
    assert {"aws", "docker", "gcp", "git", "kubernetes", "postgres", "yaml"} <= set(named)


def test_an_extra_that_there_is_not(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "deploy" / "wanted.py")),
            *(str(ROOT / "pyproject.toml"), str(ROOT / "requirements" / "all.lock"), "aws,s33"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "There is no extra 's33'. There are: all, aws" in done.stderr


def is_well(url: str) -> bool:
    """Tell whether a probe of this address would succeed."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


class Place:
    """The services of the compose file, on the host's network as there is no other here."""

    def __init__(self, engine, image, folder: Path) -> None:
        self.api = engine.client
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        folder.chmod(0o755)
        (folder / "flows.py").write_text(_FLOW)
        self.volumes = {
            name: self.api.volumes.create(f"headrace-test-{name}").name
            for name in ("data", "keys", "agent")
        }
        self.volumes["/var/run/docker.sock"] = str(engine.socket)
        self.flows = folder
        environ = {
            "HEADRACE_IMAGE": image,
            "DOCKER_GID": str(engine.socket.stat().st_gid),
        }
        self.services = services(ROOT / "deploy" / "compose.yaml", environ)
        self.containers = []

    def start(self, name: str, **more):
        given = run_arguments(self.services[name], self.volumes)
        command = [
            each.replace("http://server:4200", self.url).replace(
                "--network headrace", f"--network host --volume {self.flows}:/flows:ro"
            )
            for each in given.pop("command")
        ]
        if name == "server":
            command += ["--port", str(self.port)]
        soon = {"interval": 10**9, "timeout": 5 * 10**9, "start_period": 10**9, "retries": 30}
        container = self.api.containers.run(
            command=command, detach=True, network_mode="host", healthcheck=soon, **given, **more
        )
        self.containers.append(container)
        return container

    def until_healthy(self, container) -> None:
        end = time.monotonic() + 120
        while True:
            container.reload()
            state = container.attrs["State"]
            if state.get("Health", {}).get("Status") == "healthy":
                return
            assert state["Running"], container.logs().decode()
            assert time.monotonic() < end, json.dumps(state["Health"])
            time.sleep(0.2)

    def close(self) -> None:
        for container in self.containers:
            container.remove(force=True)
        for name in ("data", "keys", "agent"):
            self.api.volumes.get(self.volumes[name]).remove(force=True)


@pytest.fixture
def place(docker_engine, image, tmp_path):
    made = Place(docker_engine, image, tmp_path)
    yield made
    made.close()


def test_what_compose_starts_runs_a_flow(place, image):
    keys = place.start("keys")
    assert keys.wait(timeout=120)["StatusCode"] == 0, keys.logs().decode()
    said = keys.logs().decode()
    assert "The first key of scope admin is in /keys/admin" in said
    server = place.start("server")
    place.until_healthy(server)
    code, key = server.exec_run(["cat", "/keys/admin"])
    assert code == 0
    secret = key.decode().strip()
    assert secret not in said
    # A second start makes no other keys.
    again = place.start("keys")
    assert again.wait(timeout=120)["StatusCode"] == 0
    assert again.logs() == b""
    agent = place.start("agent")
    place.until_healthy(agent)
    registered = place.api.containers.run(
        image,
        ["headrace", "register", "--project", "p", "--create-project", "--path", "/flows/flows.py"],
        environment={"HEADRACE_API_URL": place.url, "HEADRACE_API_KEY": secret},
        network_mode="host",
        volumes={str(place.flows): {"bind": "/flows", "mode": "ro"}},
        remove=True,
    )
    assert b"in a container" in registered
    with Client(place.url, secret) as client:
        run = client.create_flow_run("in a container", "p").id
        end = time.monotonic() + 150
        while not (found := client.get_flow_run(run)).is_finished:
            assert time.monotonic() < end, (found.state, found.message, agent.logs().decode())
            time.sleep(0.2)
        assert found.state == "Success", (found.message, agent.logs().decode())
    # A server that does not answer is not well, whatever its process does.
    server.kill("STOP")
    assert server.exec_run(["headrace-health"]).exit_code != 0
    server.kill("CONT")
    assert server.exec_run(["headrace-health"]).exit_code == 0
    # SIGTERM reaches the programs themselves: neither needs to be killed.
    for container in (agent, server):
        container.stop(timeout=60)
        container.reload()
        assert container.attrs["State"]["ExitCode"] == 0, container.logs().decode()


def test_what_the_manifest_for_kubernetes_starts_serves(docker_engine, image, tmp_path):
    """Its pod's containers one after the other, on a volume as Kubernetes hands it to a group."""
    file = ROOT / "deploy" / "kubernetes" / "server.yaml"
    pod = next(
        each["spec"]["template"]["spec"]
        for each in yaml.safe_load_all(file.read_text())
        if each["kind"] == "Deployment"
    )
    group = pod["securityContext"]["fsGroup"]
    volume = tmp_path / "volume"
    volume.mkdir()
    os.chown(volume, 0, group)
    volume.chmod(0o2775)
    (port,) = free_ports(1)
    run = docker_engine.client.containers.run

    def arguments(container):
        context = container["securityContext"]
        return {
            "image": image,
            "environment": {each["name"]: each["value"] for each in container["env"]},
            "user": f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}",
            "group_add": [group],
            "read_only": context["readOnlyRootFilesystem"],
            "cap_drop": context["capabilities"]["drop"],
            "security_opt": ["no-new-privileges:true"],
            "network_mode": "host",
            "tmpfs": {"/tmp": ""},
            "volumes": {str(volume): {"bind": "/data", "mode": "rw"}},
        }

    (keys,), (server,) = pod["initContainers"], pod["containers"]
    run(command=keys["command"], remove=True, **arguments(keys))
    command = [*server["command"], "--port", str(port)]
    started = run(command=command, detach=True, **arguments(server))
    try:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            url = f"http://127.0.0.1:{port}{server[probe]['httpGet']['path']}"
            end = time.monotonic() + 120
            while not is_well(url):
                assert time.monotonic() < end, started.logs().decode()
                time.sleep(0.1)
        key = started.exec_run(["cat", "/data/keys/admin"]).output.decode().strip()
        with Client(f"http://127.0.0.1:{port}", key) as client:
            found = client.keys()
        assert [each.scope for each in found] == ["admin", "agent"]
    finally:
        started.remove(force=True)

"""Docker storage against a real engine and real registries."""

import contextlib
import gc
import json
import logging
import socket
import time
import urllib.error
import urllib.request
import zipfile

import cloudpickle
import docker
import pytest

from headrace import Flow
from headrace.core.errors import StorageError
from headrace.storage import Docker, storage_from
from headrace.testing import StorageContract
from tests.integration.components.base_image import build_image, build_tiny_image
from tests.integration.components.registry import running_registry
from tests.support.code_store import flow_that_gives, given_by

#: What a run does, in a container: it knows the description and the flow's name.
RUN = (
    "import json, sys; from headrace.storage import storage_from;"
    "flow = storage_from(json.loads(sys.argv[1])).get_flow(sys.argv[2]); state = flow.run();"
    "print([state.result[task].result for task in flow.tasks])"
)
SCRIPT = """
import os, tides
from headrace import Flow, task

@task
def give():
    with open("/data/level.txt") as file:
        return [tides.HIGH, os.environ["PORT_OF"], file.read()]

with Flow("nightly") as flow:
    give()
"""


@pytest.fixture(autouse=True)
def engine(docker_engine, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", docker_engine.url)
    return docker_engine


@pytest.fixture(scope="module", autouse=True)
def _nothing_left(docker_engine):
    yield
    images = docker_engine.client.images
    ours = images.list(filters={"label": "io.headrace.content"})
    for image in [*ours, *images.list("flows-base"), *images.list("flows-tiny")]:
        with contextlib.suppress(docker.errors.APIError):  # it went along with another one
            images.remove(image.id, force=True)
    images.prune({"dangling": True})


@pytest.fixture(scope="module")
def base(docker_engine, headrace_image, tmp_path_factory):
    """An image in which pip finds one package, and asks nobody else for it."""
    folder = tmp_path_factory.mktemp("base")
    with zipfile.ZipFile(folder / "tides-1.0-py3-none-any.whl", "w") as wheel:
        info = "tides-1.0.dist-info"
        wheel.writestr("tides.py", "HIGH = 4.5\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tides\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    (folder / "Dockerfile").write_text(
        f"FROM {headrace_image}\nCOPY *.whl /wheels/\nENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels\n"
    )
    build_image(docker_engine, folder, "flows-base:1")
    return "flows-base:1"


@pytest.fixture
def tiny(docker_engine, registry):
    """What makes a storage whose image is pushed in no time: it has flows, and no Python."""
    build_tiny_image(docker_engine, "flows-tiny:1")
    return {
        "registry_url": registry.address,
        "base_image": "flows-tiny:1",
        "ignore_healthchecks": True,
    }


class TestPickles(StorageContract):
    of_all_flows = ("image",)

    @pytest.fixture
    def make(self, headrace_image):
        return lambda flows, **arguments: Docker(
            base_image=headrace_image, local_image=True, **arguments
        )


def stored(*flows, **arguments):
    storage = Docker(**arguments)
    for flow in flows:
        storage.add_flow(flow)
    return storage.build()


def run_inside(engine, storage, name="nightly"):
    said = engine.client.containers.run(
        storage.image,
        ["python3", "-c", RUN, json.dumps(storage.serialize_for(name)), name],
        network_mode="none",
        remove=True,
    )
    return said.decode().splitlines()[-1]


def tags(registry, name):
    try:
        with urllib.request.urlopen(f"{registry.url}/v2/{name}/tags/list") as answer:
            return json.load(answer)["tags"]
    except urllib.error.HTTPError as error:
        error.close()
        return []


@pytest.fixture
def whole(base, tmp_path):
    """What makes a storage with something of everything."""
    (tmp_path / "level.txt").write_text("low")
    (tmp_path / "nightly.py").write_text(SCRIPT)
    return {
        "base_image": base,
        "python_dependencies": ["tides==1.0"],
        "env_vars": {"PORT_OF": 'a "quoted" $HOME \\'},
        "files": {str(tmp_path / "level.txt"): "/data/level.txt"},
        "extra_dockerfile_commands": ["RUN echo and more >> /data/level.txt"],
        "stored_as_script": True,
        "local_script_path": tmp_path / "nightly.py",
    }


def test_an_image_has_all_that_its_flows_need(engine, whole):
    storage = stored(Flow("nightly"), **whole)
    assert storage.image.startswith("nightly:")
    assert storage.labels == [socket.gethostname()]
    assert run_inside(engine, storage) == repr([[4.5, 'a "quoted" $HOME \\', "lowand more\n"]])


def test_an_image_in_a_registry(engine, registry, tiny):
    storage = stored(flow_that_gives(1), **tiny)
    name, _, digest = storage.image.partition("@")
    assert name.startswith(f"{registry.address}/nightly:")
    assert digest == engine.client.images.get_registry_data(name).id
    assert storage.labels == []
    # Who has no image yet gets it from the registry.
    engine.client.images.remove(name, force=True)
    assert given_by(storage_from(storage.serialize()).get_flow("nightly")) == 1


def test_what_has_not_changed_is_not_built(engine, tiny, caplog):
    tiny["image_name"] = "team/unchanged"
    first = stored(flow_that_gives(1), **tiny)
    for remove in (False, True):
        if remove:  # as on another machine
            engine.client.images.remove(first.image.partition("@")[0], force=True)
        caplog.clear()
        begun = time.monotonic()
        again = stored(flow_that_gives(1), **tiny)
        seconds = time.monotonic() - begun
        assert again.serialize() == first.serialize()
        assert "Building" not in caplog.text
        assert seconds < 15  # a build and a check of what it made would take longer
    assert stored(flow_that_gives(2), **tiny).image != first.image
    assert stored(flow_that_gives(1), **tiny, build_kwargs={"nocache": True}).image
    assert "Building" in caplog.text


def test_a_tag_of_ones_own(registry, tiny, caplog):
    tiny |= {"image_name": "tagged", "image_tag": "latest"}
    first = stored(flow_that_gives(1), **tiny)
    caplog.clear()
    assert stored(flow_that_gives(1), **tiny).image == first.image
    assert "Building" not in caplog.text
    second = stored(flow_that_gives(2), **tiny)
    assert tags(registry, "tagged") == ["latest"]
    # A tag that has moved on does not move the version that was registered.
    assert given_by(storage_from(first.serialize()).get_flow("nightly")) == 1
    assert given_by(storage_from(second.serialize()).get_flow("nightly")) == 2


def test_another_flow_costs_no_installation(whole, caplog):
    whole["image_name"] = "cached"
    stored(Flow("nightly"), **whole)
    whole["local_script_path"].write_text(SCRIPT.replace('"/data/', 'r"/data/'))
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "headrace.Docker"):
        begun = time.monotonic()
        stored(Flow("nightly"), **whole)
        seconds = time.monotonic() - begun
    steps = caplog.text.split("Step ")
    (install,) = (step for step in steps if "pip" in step)
    assert "Using cache" in install
    assert seconds < 90


def test_several_flows_in_one_image(engine, headrace_image):
    storage = stored(
        flow_that_gives(1, "one"), flow_that_gives(2, "two"), base_image=headrace_image
    )
    assert storage.image.startswith("one:")
    assert "@" not in storage.image
    assert run_inside(engine, storage, "one") == "[1]"
    assert run_inside(engine, storage, "two") == "[2]"
    assert given_by(storage.get_flow("two")) == 2
    with pytest.raises(StorageError, match="two flows named 'one'"):
        storage.add_flow(flow_that_gives(1, "one"))


def test_a_dockerfile_of_ones_own(engine, headrace_image, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("kept", "left-out"):
        (tmp_path / name).write_text(name)
    (tmp_path / ".dockerignore").write_text("left-*\n")
    (tmp_path / "Dockerfile.own").write_text(
        f"FROM {headrace_image} AS first\nFROM first\nCOPY . /here/\nWORKDIR /here"
    )
    storage = stored(flow_that_gives(1), dockerfile="Dockerfile.own")
    listed = engine.client.containers.run(storage.image, ["ls"], network_mode="none", remove=True)
    assert listed.split() == [b"Dockerfile.own", b"kept"]
    assert run_inside(engine, storage) == "[1]"
    (tmp_path / "left-out").write_text("changed")
    assert stored(flow_that_gives(1), dockerfile="Dockerfile.own").image == storage.image
    (tmp_path / "kept").write_text("changed")
    assert stored(flow_that_gives(1), dockerfile="Dockerfile.own").image != storage.image


def test_a_build_that_fails_shows_its_last_lines(registry, whole):
    whole |= {"registry_url": registry.address, "image_name": "failing"}
    whole["extra_dockerfile_commands"] = ["RUN echo last words; exit 3"]
    with pytest.raises(StorageError, match=r"(?s)failing:\w+ cannot be built.*code: 3.*last words"):
        stored(Flow("nightly"), **whole)
    whole |= {"extra_dockerfile_commands": [], "python_dependencies": ["floods==2"]}
    with pytest.raises(StorageError, match=r"(?s)No matching distribution found for floods==2"):
        stored(Flow("nightly"), **whole)
    assert tags(registry, "failing") == []


def test_flows_are_tried_inside_the_image(registry, whole):
    whole |= {"registry_url": registry.address, "image_name": "tried", "python_dependencies": []}
    with pytest.raises(
        StorageError, match="'nightly' cannot be loaded inside the image.*No module named 'tides'"
    ):
        stored(Flow("nightly"), **whole)
    for text, message in (
        ("x = 1\n", "There is no flow in"),
        (
            "from headrace import Flow\na = Flow('nightly')\nb = Flow('nightly')\n",
            "two flows named",
        ),
    ):
        whole["local_script_path"].write_text(text)
        with pytest.raises(StorageError, match=f"Health check: .*{message}"):
            stored(Flow("nightly"), **whole)
    assert tags(registry, "tried") == []
    del whole["registry_url"]
    assert not stored(Flow("nightly"), **whole, ignore_healthchecks=True).is_tried


def test_an_image_without_headrace(python_image):
    with pytest.raises(
        StorageError, match="Headrace cannot be imported in the image.*headrace=="
    ) as caught:
        stored(flow_that_gives(1), base_image=python_image)
    assert "\x1b" not in str(caught.value)


def test_what_no_image_can_be_built_from(headrace_image, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "no-dockerfile").write_text("HELLO world\n")
    for arguments, message in (
        (
            {"base_image": "no-such-image:1"},
            "nightly.* cannot be built.*base_image.*FROM no-such-image",
        ),
        ({"base_image": "no-such-image:1", "local_image": True}, "engine has no image no-such-im"),
        ({"dockerfile": "no-dockerfile"}, "cannot be built.*HELLO"),
        ({"dockerfile": "missing"}, "The dockerfile missing cannot be read"),
        (
            {"dockerfile": "no-dockerfile", "dockerignore": "no"},
            "The dockerignore no cannot be read",
        ),
        ({"files": {"missing.txt": "/a"}, "base_image": headrace_image}, "there is no missing.txt"),
        ({"build_kwargs": {"no_such": 1}, "base_image": headrace_image}, "no_such"),
    ):
        with pytest.raises(StorageError, match=f"(?s){message}"):
            stored(flow_that_gives(1), **arguments)


def test_registries_that_refuse(tiny, tmp_path, monkeypatch):
    arguments = {**tiny, "image_name": "refused"}
    del arguments["registry_url"]
    with running_registry(read_only=True) as registry:
        with pytest.raises(
            StorageError, match=rf"registry {registry.address} does not take the image .*refused:"
        ):
            stored(flow_that_gives(1), registry_url=registry.address, **arguments)
    with pytest.raises(StorageError, match=rf"registry {registry.address} does not .*refused"):
        stored(flow_that_gives(1), registry_url=registry.address, **arguments)
    with running_registry("ada", "s3cr3t") as registry:
        address = registry.address
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nobody"))
        with pytest.raises(
            StorageError, match=f"no basic auth credentials.*docker login {address}"
        ):
            stored(flow_that_gives(1), registry_url=address, **arguments)
        # `docker login` is what tells who it is.
        monkeypatch.setenv("DOCKER_CONFIG", str(registry.write_docker_config(tmp_path / "ada")))
        storage = stored(flow_that_gives(1), registry_url=f"http://{address}/", **arguments)
        assert storage.image.startswith(f"{address}/refused:")
        assert "s3cr3t" not in json.dumps(storage.serialize())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_engine(monkeypatch, tmp_path):
    storage = Docker(base_url=f"unix://{tmp_path}/docker.sock")
    storage.add_flow(flow_that_gives(1))
    with pytest.raises(
        StorageError,
        match=rf"no Docker engine answers at unix://{tmp_path}/docker.sock: No such file .*y\. Start",
    ):
        storage.build()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/another.sock")
    storage = Docker()
    storage.add_flow(flow_that_gives(1))
    with pytest.raises(
        StorageError, match=rf"no Docker engine answers at unix://{tmp_path}/another"
    ):
        storage.build()
    with pytest.raises(StorageError, match="no image yet"):
        storage.pinned()
    gc.collect()  # docker-py leaves a socket open that it could not connect


def test_no_secret_gets_anywhere(headrace_image, registry, caplog):
    flow = flow_that_gives(1)
    flow.storage = storage = stored(
        flow, base_image=headrace_image, env_vars={"API_TOKEN": "s3cr3t"}, image_name="open"
    )
    assert "API_TOKEN will be readable" in caplog.text
    assert b"s3cr3t" not in json.dumps(storage.serialize()).encode() + cloudpickle.dumps(flow)
    with pytest.raises(StorageError, match="API_TOKEN=…") as failed:
        stored(
            flow,
            base_image=headrace_image,
            env_vars={"API_TOKEN": "s3cr3t"},
            extra_dockerfile_commands=["RUN false"],
        )
    assert "s3cr3t" not in str(failed.value)
    with pytest.raises(StorageError, match="password or a token") as raised:
        stored(
            flow,
            base_image=headrace_image,
            python_dependencies=["--extra-index-url https://me:s3cr3t@host.example/simple"],
        )
    assert "s3cr3t" not in str(raised.value)

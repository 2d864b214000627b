"""Flows whose code is in a bucket or in an image: registered from files, and run to their end."""

import contextlib
import json
import time

import docker.errors
import pytest

from headrace.client import Client
from tests.support.agents import running_agent
from tests.support.servers import headrace, running_server

IN_A_BUCKET = """
from headrace import Flow, task
from headrace.storage import S3

@task
def check():
    assert {number} < 3

with Flow("in a bucket") as flow:
    check()

flow.storage = S3({bucket!r}, stored_as_script=True, client_options={{"endpoint_url": {url!r}}})
"""
IN_AN_IMAGE = """
from headrace import Flow, task
from headrace.storage import Docker

@task
def check():
    with open("/etc/made-by") as file:
        assert file.read() == "flows"

storage = Docker(extra_dockerfile_commands=["RUN printf flows > /etc/made-by"])
with Flow("one", storage=storage) as one:
    check()
with Flow("two", storage=storage) as two:
    check()
"""


@pytest.fixture
def server():
    with running_server() as running:
        headrace("project", "create", "deployed", env=running.env)
        yield running


def images_of_flows(engine):
    return engine.client.images.list(filters={"label": "io.headrace.content"})


@pytest.fixture
def no_images(docker_engine):
    def clean():
        docker_engine.remove_containers()
        until = time.monotonic() + 60
        while left := images_of_flows(docker_engine):
            assert time.monotonic() < until, left
            for image in left:
                # It went along with another one, or a container of it is still on its way out.
                with contextlib.suppress(docker.errors.APIError):
                    docker_engine.client.images.remove(image.id, force=True)

    clean()
    yield
    clean()


def until_known(server, agent):
    """Wait until the server has heard of an agent: without any, registering warns of that."""
    until = time.monotonic() + 90
    with Client(server.url, api_key="") as client:
        while not any(each.is_online for each in client.agents()):
            assert time.monotonic() < until, agent.log[-3000:]
            time.sleep(0.05)


def register(server, file, env=None):
    said = headrace(
        *("register", "--project", "deployed", "--json", "-p", str(file)),
        env={**server.env, **(env or {})},
    )
    return json.loads(said)


def run_all(server, *names):
    with Client(server.url, api_key="") as client:
        runs = [client.create_flow_run(name, "deployed") for name in names]
        ends = [client.wait_for_flow_run(run.id, timeout=150) for run in runs]
        said = [[line.message for line in client.logs(run.id)] for run in runs]
    assert [end.state for end in ends] == ["Success"] * len(names), said


def test_a_script_in_a_bucket(server, s3_server, tmp_path):
    import s3fs

    s3 = s3fs.S3FileSystem(
        key=s3_server.admin_key, secret=s3_server.admin_secret, endpoint_url=s3_server.url
    )
    s3.mkdir("deployed")
    account = {"ACCESS_KEY": s3_server.key, "SECRET_ACCESS_KEY": s3_server.secret}
    env = {"HEADRACE__CONTEXT__SECRETS__AWS_CREDENTIALS": json.dumps(account)}
    file = tmp_path / "nightly.py"
    with running_agent(server, env=env) as agent:
        until_known(server, agent)
        versions = []
        for number in (1, 1, 2):
            file.write_text(IN_A_BUCKET.format(bucket="deployed", url=s3_server.url, number=number))
            (done,) = register(server, file, env)
            assert done["warnings"] == []
            versions.append(done["version"])
        run_all(server, "in a bucket")
    assert versions == [1, 1, 2]
    with Client(server.url, api_key="") as client:
        (flow,) = client.flows()
        kept = client.get_flow(flow.id).storage
    assert kept["flows"]["in a bucket"].startswith("in-a-bucket/")
    assert s3_server.secret not in json.dumps(kept)


@pytest.mark.usefixtures("headrace_image", "no_images")
def test_flows_in_an_image(server, docker_engine, tmp_path):
    env = {"DOCKER_HOST": docker_engine.url}
    file = tmp_path / "nightly.py"
    file.write_text(IN_AN_IMAGE)
    with running_agent(server, kind="docker", env=env) as agent:
        until_known(server, agent)
        first = register(server, file, env)
        assert [(done["flow"], done["warnings"]) for done in first] == [("one", []), ("two", [])]
        # Both are in one image, which is built once.
        assert len(images_of_flows(docker_engine)) == 1
        again = register(server, file, env)
        assert [done["is_new"] for done in again] == [False, False]
        run_all(server, "one", "two")


@pytest.mark.usefixtures("headrace_image", "no_images")
def test_what_cannot_be_built_is_not_registered(server, docker_engine, tmp_path):
    file = tmp_path / "nightly.py"
    file.write_text(IN_AN_IMAGE.replace("RUN printf", "RUN no-such-program"))
    with pytest.raises(AssertionError, match="no-such-program: not found"):
        register(server, file, {"DOCKER_HOST": docker_engine.url})
    with Client(server.url, api_key="") as client:
        assert [flow.name for flow in client.flows()] == []

"""The engine, images and registries of the tests are what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.core.version import __version__
from tests.integration.components.base_image import build_tiny_image
from tests.integration.components.docker_engine import DockerEngine
from tests.integration.components.registry import Registry, running_registry


def test_headrace_runs_in_a_container(docker_engine: DockerEngine, headrace_image: str) -> None:
    printed = docker_engine.client.containers.run(
        headrace_image, ["headrace", "--version"], network_mode="host", remove=True
    )

    assert __version__ in printed.decode()


def test_an_image_is_pushed_and_pulled(docker_engine: DockerEngine, registry: Registry) -> None:
    images = docker_engine.client.images
    name = f"{registry.address}/tiny:1"
    build_tiny_image(docker_engine, name)

    said = images.push(name)
    images.remove(name)

    assert "errorDetail" not in said
    assert images.pull(name).tags == [name]
    images.remove(name)


def test_registries_refuse_whom_they_do_not_know_and_pushes(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    images = docker_engine.client.images
    with running_registry("somebody", "a password") as guarded:
        name = f"{guarded.address}/tiny:1"
        build_tiny_image(docker_engine, name)
        assert "no basic auth credentials" in images.push(name)
        account = {"username": "somebody", "password": "a password"}
        assert "errorDetail" not in images.push(name, auth_config=account)
        images.remove(name)
        assert guarded.write_docker_config(tmp_path).joinpath("config.json").exists()
    with running_registry(read_only=True) as closed:
        name = f"{closed.address}/tiny:1"
        build_tiny_image(docker_engine, name)
        assert "errorDetail" in images.push(name)
        images.remove(name)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_engine_is_away_for_a_while(docker_engine: DockerEngine, how: str) -> None:
    getattr(docker_engine, how)()
    assert not docker_engine.answers()
    docker_engine.start()
    assert docker_engine.answers()

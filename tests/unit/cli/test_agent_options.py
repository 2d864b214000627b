"""The options that the agents of all kinds have."""

import inspect
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from headrace.cli.agent_options import agent_options


def _given(*arguments, image=True):
    got = {}

    @click.command()
    @agent_options("docker", image=image)
    def command(**options):
        got.update(options)

    result = CliRunner().invoke(command, arguments)
    return result, got


def test_what_they_are_without_being_given():
    result, got = _given()
    assert result.exit_code == 0, result.output
    assert got == {
        "name": "docker",
        "labels": (),
        "env_vars": {},
        "limit": None,
        "hostname_label": True,
        "api_url": None,
        "image": None,
    }
    assert "image" not in _given(image=False)[1]


def test_what_is_given():
    _, got = _given(
        *("-n", "etl", "-l", "a", "--label", "b", "-e", "A=1=2", "--env", "B=", "--limit", "3"),
        *("--no-hostname-label", "--api-url", "http://server", "--image", "etl:1"),
    )
    assert got == {
        "name": "etl",
        "labels": ("a", "b"),
        "env_vars": {"A": "1=2", "B": ""},
        "limit": 3,
        "hostname_label": False,
        "api_url": "http://server",
        "image": "etl:1",
    }


def test_a_variable_of_its_own_environment(monkeypatch):
    # Command lines are read by everybody on the machine.
    monkeypatch.setenv("TOKEN", "s3cr3t=")
    monkeypatch.setenv("EMPTY", "")
    _, got = _given("--env", "TOKEN", "--env", "EMPTY", "--env", "A=1")
    assert got["env_vars"] == {"TOKEN": "s3cr3t=", "EMPTY": "", "A": "1"}


@pytest.mark.parametrize("variable", ["s3cr3t", "=s3cr3t"])
def test_a_variable_without_a_name_is_refused_and_not_repeated(variable):
    result, _ = _given("--env", variable)
    assert result.exit_code == 2
    assert "NAME=VALUE" in result.output
    assert "s3cr3t" not in result.output


def test_a_limit_of_none_is_refused():
    result, _ = _given("--limit", "0")
    assert result.exit_code == 2


@pytest.mark.parametrize("image", ["", "etl 7"])
def test_an_image_that_can_be_none_is_refused(image):
    result, _ = _given("--image", image)
    assert result.exit_code == 2
    assert f"{image!r} is no image" in result.output


@pytest.mark.parametrize(
    ("kind", "agent"),
    [
        ("docker", "DockerAgent"),
        ("ecs", "ECSAgent"),
        ("kubernetes", "KubernetesAgent"),
        ("local", "LocalAgent"),
        ("vertex", "VertexAgent"),
    ],
)
def test_every_option_is_an_argument_of_the_agent(kind, agent):
    start = import_module(f"headrace.cli.commands.agent_{kind}").start
    made = getattr(import_module(f"headrace.agents.{kind}_agent"), agent)
    options = {each.name for each in start.params}
    arguments = {*inspect.signature(made).parameters}
    assert options - {"no_pull"} <= arguments
    assert "image" in options or kind == "local"

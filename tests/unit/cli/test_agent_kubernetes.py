"""What the commands of the Kubernetes agent say of names and addresses that cannot be right."""

import click
import pytest
import yaml
from click.testing import CliRunner

from headrace.cli.commands.agent_kubernetes import start
from headrace.cli.commands.agent_kubernetes_install import command as install
from headrace.core.errors import ConfigError


@pytest.mark.parametrize("command", [install, start])
@pytest.mark.parametrize("option", ["--namespace", "--service-account-name"])
@pytest.mark.parametrize("name", ["", "My flows", "flows-", "UPPER"])
def test_a_name_that_kubernetes_has_not_is_refused(
    command: click.Command, option: str, name: str
) -> None:
    result = CliRunner().invoke(command, [option, name])
    assert result.exit_code == 2
    assert f"{option}': {name!r} is none of Kubernetes' names" in result.output


def test_each_pull_secret_is_looked_at() -> None:
    result = CliRunner().invoke(install, ["--image-pull-secrets", "registry, My secret"])
    assert result.exit_code == 2
    assert "'My secret' is none" in result.output


def test_an_address_that_is_none_is_not_printed() -> None:
    result = CliRunner().invoke(install, ["--api-url", "nonsense"])
    assert isinstance(result.exception, ConfigError)
    assert "'nonsense' is no address of a server" in str(result.exception)


def test_a_loopback_address_is_warned_of_beside_what_is_printed() -> None:
    result = CliRunner().invoke(install, ["--api-url", "http://127.0.0.1:4200"])
    assert result.exit_code == 0
    assert "means nothing inside a pod" in result.stderr
    assert {each["kind"] for each in yaml.safe_load_all(result.stdout)} >= {"Deployment"}
    told = CliRunner().invoke(install, ["--api-url", "https://headrace.example.com"])
    assert told.stderr == ""

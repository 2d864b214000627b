"""What a flow run's container is made of, and what its end means."""

from __future__ import annotations

import pytest

from headrace.agents.docker.api import EngineRefusal
from headrace.agents.docker.container import (
    ContainerDefaults,
    container_of,
    deployment_of,
    ended_container,
)
from headrace.agents.docker.starting import is_final
from headrace.core.errors import ConfigError, DeploymentError
from headrace.testing import LauncherContract

LOOPBACK = "http://127.0.0.1:4200"
REMOTE = "https://headrace.example.com"


def container(url=REMOTE, defaults=None, **run_config):
    run = LauncherContract.run_that("succeed", {"type": "DockerRun", **run_config})
    return container_of(run, url, "me", defaults or ContainerDefaults(image="headrace:1")), run


def variables(container):
    return dict(each.partition("=")[::2] for each in container.config["Env"])


def test_it_says_whose_it_is_and_keeps_the_token_to_the_environment():
    made, run = container()

    assert made.deployment.handle == f"headrace-{run.id}-1"
    assert deployment_of(made.config["Labels"], made.deployment.handle) == made.deployment
    assert variables(made)["HEADRACE_RUN_TOKEN"] == run.token
    assert made.config["Cmd"] == ["headrace", "execute"]
    assert not any(run.token in value for value in made.config["Labels"].values())


def test_the_run_config_goes_before_what_the_agent_gives():
    defaults = ContainerDefaults(
        image="headrace:1", env={"A": "agent", "B": "agent"}, volumes=["/data:/data"]
    )
    made, _ = container(
        defaults=defaults,
        image="etl:7",
        env={"A": "run"},
        ports=[80, 443],
        host_config={"mem_limit": "1g", "auto_remove": True, "port_bindings": {"443": 8443}},
    )

    assert made.image == made.config["Image"] == "etl:7"
    assert (variables(made)["A"], variables(made)["B"]) == ("run", "agent")
    assert made.host == {
        "binds": ["/data:/data"],
        "mem_limit": "1g",
        "network_mode": "default",
        "port_bindings": {"80": 80, "443": 8443},
    }
    assert set(made.config["ExposedPorts"]) == {"80/tcp", "443/tcp"}


@pytest.mark.parametrize(
    ("url", "networks", "host_config", "mode", "seen", "rest"),
    [
        (REMOTE, [], {}, "default", REMOTE, []),
        (REMOTE, ["one", "two"], {}, "one", REMOTE, ["two"]),
        (LOOPBACK, [], {}, "host", LOOPBACK, []),
        ("http://[::1]:4200/x", [], {}, "host", "http://[::1]:4200/x", []),
        (LOOPBACK, ["one"], {}, "one", "http://host.docker.internal:4200", []),
        (LOOPBACK, ["one"], {"network_mode": "host"}, "host", LOOPBACK, []),
        ("http://localhost", ["one"], {}, "one", "http://host.docker.internal", []),
    ],
)
def test_a_container_reaches_the_server(url, networks, host_config, mode, seen, rest):
    defaults = ContainerDefaults(image="headrace:1", networks=networks)
    made, _ = container(url, defaults, host_config=host_config)

    assert made.host["network_mode"] == mode
    assert variables(made)["HEADRACE_API_URL"] == seen
    assert made.networks == rest
    asked = {"host.docker.internal": "host-gateway"} if seen != url else None
    assert made.host.get("extra_hosts") == asked


def test_ports_of_the_hosts_network_need_no_publishing():
    made, _ = container(LOOPBACK, ports=[80])
    assert "port_bindings" not in made.host


def test_hosts_that_the_run_config_names_stay():
    defaults = ContainerDefaults(image="headrace:1", networks=["one"])
    as_list, _ = container(LOOPBACK, defaults, host_config={"extra_hosts": ["a:10.0.0.1"]})
    as_dict, _ = container(LOOPBACK, defaults, host_config={"extra_hosts": {"a": "10.0.0.1"}})

    assert as_list.host["extra_hosts"] == ["host.docker.internal:host-gateway", "a:10.0.0.1"]
    assert as_dict.host["extra_hosts"]["a"] == "10.0.0.1"


@pytest.mark.parametrize(
    ("run_config", "words"),
    [
        ({"type": "KubernetesRun"}, "KubernetesRun"),
        ({"host_config": {"restart_policy": {"Name": "on-failure"}}}, "on-failure"),
        ({"host_config": {"extra_hosts": "a:10.0.0.1"}}, "extra_hosts"),
        ({"host_config": {"port_bindings": [80]}}, "port_bindings"),
    ],
)
def test_what_can_never_be_made(run_config, words):
    with pytest.raises(DeploymentError, match=words) as raised:
        container(**run_config)
    assert raised.value.is_final


@pytest.mark.parametrize(
    "volume", ["", ":/x", "/x:", "/x:y", "name", "/a:/b:ro:z", "./a:/b", "~/a:/b", "a/b:/c", "a:/b"]
)
def test_what_is_no_volume(volume):
    with pytest.raises(ConfigError, match="volume"):
        ContainerDefaults(image="headrace:1", volumes=[volume])


@pytest.mark.parametrize("volume", ["/x", "/a:/b", "/a:/b:ro", "name:/b"])
def test_what_is_a_volume(volume):
    assert ContainerDefaults(image="headrace:1", volumes=[volume]).volumes == [volume]


def test_the_hosts_network_goes_with_no_other():
    with pytest.raises(ConfigError, match="host"):
        ContainerDefaults(image="headrace:1", networks=["host", "one"])


@pytest.mark.parametrize(
    ("code", "state", "words", "to_report"),
    [
        (0, {"OOMKilled": True}, "exit code 0", False),
        (1, {}, "exit code 1", True),
        (11, {}, "did not let it begin", False),
        (137, {"OOMKilled": True}, "out of memory", True),
        (137, {"OOMKilled": False}, "SIGKILL", True),
        (128, {"Error": "no such device"}, "no such device", True),
    ],
)
def test_how_it_ended(code, state, words, to_report):
    made, _ = container()
    ended = ended_container(made.deployment, code, state)

    assert words in ended.how
    assert str(code) in ended.how
    assert (ended.to_report, ended.is_final) == (to_report, False)


def test_containers_of_others_are_nobodys():
    assert deployment_of({}, "x") is None
    assert deployment_of({"io.headrace.flow-run": "a", "io.headrace.attempt": "x"}, "x") is None


def test_which_refusals_are_final():
    assert is_final(EngineRefusal("no such image", 404))
    assert is_final(EngineRefusal("invalid volume specification", 500))
    assert not is_final(EngineRefusal("port is already allocated", 500))

"""What a flow run's container is made of, and what its end means."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from headrace.agents.environment import run_environment
from headrace.agents.exit_codes import end_of
from headrace.agents.images import image_of
from headrace.agents.launcher import Deployment, Ended
from headrace.agents.loopback import is_loopback
from headrace.core.errors import ConfigError, DeploymentError
from headrace.engine.run_directory import RUN_DIRECTORY

if TYPE_CHECKING:
    from headrace.wire.claims import ClaimedRun

RUN = "io.headrace.flow-run"
ATTEMPT = "io.headrace.attempt"
AGENT = "io.headrace.agent"
_NAME = "io.headrace.flow-run-name"
_FLOW = "io.headrace.flow"
_PROJECT = "io.headrace.project"

#: What the name of a container ends with that is kept though its end is known.
OVER = "-over"
#: Where a run's directory is in its container: any user can write there.
DIRECTORY = "/tmp/headrace-run"  # noqa: S108 - it is the container's own
#: By what name a container reaches the machine that it is on, if it has a network of its own.
_THE_HOST = "host.docker.internal"
#: What engines take for the name of a volume.
_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerDefaults:
    """What an agent gives to all containers.

    Attributes:
        image: The image of runs that name none.
        env: Environment variables.
        networks: Networks that they are connected to; with none, the engine's default, or the
            host's if the server is on the host's loopback.
        volumes: Folders and volumes, as `docker run --volume` takes them.
    """

    image: str
    env: Mapping[str, str] = field(default_factory=dict)
    networks: Sequence[str] = ()
    volumes: Sequence[str] = ()

    def __post_init__(self) -> None:
        for volume in self.volumes:
            parts = volume.split(":")
            target = parts[1] if len(parts) > 1 else parts[0]
            if len(parts) > 3 or not all(parts) or not target.startswith("/"):
                raise ConfigError(
                    f"Write a volume as FOLDER:/IN/CONTAINER, with :ro if it is not to be written; "
                    f"{volume!r} is none."
                )
            if not parts[0].startswith("/") and not _VOLUME_NAME.fullmatch(parts[0]):
                raise ConfigError(
                    f"A volume is a folder's whole path on the engine's machine, or a name: "
                    f"{parts[0]!r} is neither, in {volume!r}."
                )
        if len(self.networks) > 1 and {"host", "none"} & set(self.networks):
            raise ConfigError("A container on the network host or none can be on no other.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container that is to be made.

    Attributes:
        deployment: The flow run's deployment; its handle is the container's name.
        image: Its image.
        config: All that the engine takes but its host's side.
        host: Its host's side, as docker-py's `create_host_config` takes it.
        networks: Networks that it is connected to before it starts, beside the first.
    """

    deployment: Deployment
    image: str
    config: Mapping[str, Any]
    host: Mapping[str, Any]
    networks: Sequence[str]


def name_of(flow_run_id: str, attempt: int) -> str:
    """Return what the container of an attempt is called."""
    return f"headrace-{flow_run_id}-{attempt}"


def container_of(
    run: ClaimedRun, api_url: str, agent: str, defaults: ContainerDefaults
) -> Container:
    """Describe the container of a flow run.

    Raises:
        DeploymentError: If it can never be made as its run config has it.
    """
    asked = run.run_config or {}
    kind = asked.get("type") or "UniversalRun"
    if kind not in ("DockerRun", "UniversalRun"):
        raise DeploymentError(
            f"its run config is a {kind}, and this agent starts containers on Docker: use a "
            "DockerRun or UniversalRun, or labels that other agents have",
            is_final=True,
        )
    host: dict[str, Any] = {"binds": list(defaults.volumes), **(asked.get("host_config") or {})}
    _check(host)
    networks = list(defaults.networks)
    if "network_mode" in host:
        networks = []
    else:
        host["network_mode"] = networks.pop(0) if networks else _network(api_url)
    url = api_url
    if is_loopback(api_url) and host["network_mode"] != "host":
        url = _from_container(api_url)
        hosts = host.get("extra_hosts")
        if isinstance(hosts, list):
            host["extra_hosts"] = [f"{_THE_HOST}:host-gateway", *hosts]
        else:
            host["extra_hosts"] = {_THE_HOST: "host-gateway", **(hosts or {})}
    env = run_environment(run, url, agent=defaults.env) | {RUN_DIRECTORY: DIRECTORY}
    image = image_of(run, defaults.image)
    config: dict[str, Any] = {
        "Image": image,
        "Cmd": ["headrace", "execute"],
        "Env": [f"{name}={value}" for name, value in env.items()],
        "Labels": {
            RUN: run.id,
            ATTEMPT: str(run.attempt),
            AGENT: agent,
            _NAME: run.name,
            _FLOW: run.flow_name,
            _PROJECT: run.project_name,
        },
    }
    if ports := asked.get("ports"):
        config["ExposedPorts"] = {f"{port}/tcp": {} for port in ports}
        if host["network_mode"] != "host":  # there they are open without being published
            published = {str(port): port for port in ports}
            host["port_bindings"] = {**published, **(host.get("port_bindings") or {})}
    return Container(
        deployment=Deployment(
            flow_run_id=run.id, attempt=run.attempt, handle=name_of(run.id, run.attempt)
        ),
        image=image,
        config=config,
        host=host,
        networks=networks,
    )


def _check(host: dict[str, Any]) -> None:
    """Keep the engine from starting again, or throwing away, what the agent looks after."""
    policy = host.pop("restart_policy", None) or {}
    name = policy.get("Name") if isinstance(policy, Mapping) else policy
    if name not in (None, "", "no"):
        raise DeploymentError(
            f"its host_config has the restart_policy {name!r}, but a run whose process dies is "
            "started again by Headrace: leave it out",
            is_final=True,
        )
    for name, kinds, words in (
        ("extra_hosts", Mapping | list | None, "a dict or a list"),
        ("port_bindings", Mapping | None, "a dict"),
    ):
        if not isinstance(host.get(name), kinds):
            raise DeploymentError(
                f"the {name} of its host_config have to be {words}", is_final=True
            )
    # Its logs may be needed first; afterwards it is removed anyway.
    host.pop("auto_remove", None)


def _network(api_url: str) -> str:
    return "host" if is_loopback(api_url) else "default"


def _from_container(api_url: str) -> str:
    parts = urlsplit(api_url)
    port = f":{parts.port}" if parts.port is not None else ""
    return urlunsplit(parts._replace(netloc=f"{_THE_HOST}{port}"))


def deployment_of(labels: Mapping[str, str], name: str) -> Deployment | None:
    """Tell whose a container is by its labels; None if they do not say so."""
    attempt = labels.get(ATTEMPT, "")
    if not labels.get(RUN) or not attempt.isdecimal():
        return None
    return Deployment(flow_run_id=labels[RUN], attempt=int(attempt), handle=name)


def ended_container(deployment: Deployment, code: int, state: Mapping[str, Any]) -> Ended:
    """Say how a container ended.

    Args:
        deployment: Whose it was.
        code: The exit code of its process.
        state: What the engine says of its state; empty if it has been removed.
    """
    cause = None
    if code and state.get("OOMKilled"):
        cause = "out of memory: its container had reached its limit (OOMKilled)"
    elif code and state.get("Error"):
        cause = str(state["Error"])
    how, to_report = end_of(code, cause)
    return Ended(deployment=deployment, how=how, to_report=to_report)

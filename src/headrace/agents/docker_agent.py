"""The agent that runs flows in Docker containers, put together."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from headrace.agents.docker.api import DockerApi, EngineAway, EngineRefusal
from headrace.agents.docker.container import ContainerDefaults
from headrace.agents.docker.launcher import DockerLauncher
from headrace.agents.named_agent import NamedAgent
from headrace.config import config
from headrace.core.errors import ConfigError

if TYPE_CHECKING:
    from headrace.agents.identity import AgentDirectory
    from headrace.agents.launcher import Deployment
    from headrace.client.client import Client


class DockerAgent(NamedAgent):
    """An agent that runs each flow run in a container.

    Args:
        base_url: The engine's address, such as `unix:///var/run/docker.sock`; by default what the
            variables DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH say.
        image: The image of runs that name none; by default `config.agents.default_image`.
        networks: Networks that containers are connected to. With none, they are on the engine's
            default network; on the host's if the server is on the host's loopback.
        volumes: Folders and volumes that containers see, as `docker run --volume` takes them:
            `/data:/data:ro`.
        pull: Whether images are fetched from their registries.
        keep: Whether containers that are over are kept, renamed.
        show_flow_logs: Whether what containers print is printed here, too.
        docker_client_timeout: For how many seconds the engine may take to answer.
        name: The agent's name, for people. An agent that is started again under its name finds the
            containers that it had started.
        labels: Its labels: it takes runs whose labels are among them.
        env_vars: Environment variables for all its runs.
        limit: How many runs it has at once; None for as many as come.
        hostname_label: Whether this machine's name is one of its labels.
        api_url: The server's address; by default `config.api_url`.
        api_key: The key to identify with; by default `config.api_key`.

    Raises:
        ConfigError: If an address, a volume, the name or a label is none, or if the engine is there
            and has no such network.
        MissingExtraError: If the package `docker` is not installed.
        OSError: If its directory, below `config.home_dir`, cannot be made.
    """

    def __init__(
        self,
        base_url: str | None = None,
        image: str | None = None,
        networks: Sequence[str] = (),
        volumes: Sequence[str] = (),
        pull: bool = True,
        keep: bool = False,
        show_flow_logs: bool = False,
        docker_client_timeout: float = 60.0,
        name: str = "docker",
        labels: Iterable[str] | None = None,
        env_vars: Mapping[str, str] | None = None,
        limit: int | None = None,
        hostname_label: bool = True,
        api_url: str | None = None,
        api_key: str | None = None,
    ) -> None:
        def launcher(client: Client, directory: AgentDirectory) -> DockerLauncher:
            defaults = ContainerDefaults(
                image=image or config.agents.default_image,
                env=dict(env_vars or {}),
                networks=list(networks),
                volumes=list(volumes),
            )
            api = DockerApi(base_url, docker_client_timeout)
            try:
                _check(api, defaults.networks)
            except ConfigError:
                api.close()
                raise
            self._launcher = DockerLauncher(
                api,
                api_url=client.api_url,
                defaults=defaults,
                folder=directory.path,
                pull=pull,
                keep=keep,
                show=_print if show_flow_logs else None,
            )
            return self._launcher

        super().__init__(
            launcher,
            name=name,
            labels=labels,
            limit=limit,
            hostname_label=hostname_label,
            api_url=api_url,
            api_key=api_key,
        )

    def stop(self) -> None:
        """Have `start` return. May be called from any thread."""
        super().stop()
        self._launcher.hurry()


def _check(api: DockerApi, networks: Iterable[str]) -> None:
    """See that the engine has networks; if it does not say, runs say later what is wrong."""
    for name in networks:
        if name == "default" or ":" in name:
            continue  # the engine's own choice, or another container's network
        try:
            is_missing = api.lacks_network(name)
        except (EngineAway, EngineRefusal):
            return
        if is_missing:
            raise ConfigError(
                f"The Docker engine at {api.address} has no network {name!r}: make it by `docker network "
                f"create {name}`, or name one of `docker network ls`."
            )


def _print(deployment: Deployment, line: str) -> None:
    sys.stdout.write(f"{deployment.flow_run_id} | {line}\n")
    sys.stdout.flush()

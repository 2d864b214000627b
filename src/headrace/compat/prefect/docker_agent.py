"""`prefect.agent.docker.DockerAgent`, with Headrace's Docker agent behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from headrace.agents.docker_agent import DockerAgent as OwnAgent
from headrace.compat.prefect.agent_variables import variables
from headrace.core.errors import ConfigError


class DockerAgent(OwnAgent):
    """Runs flow runs in Docker containers.

    Args:
        agent_config_id: Accepted, and not looked at.
        name: Its name.
        labels: Its labels, beside this machine's name.
        env_vars: Environment variables for all its runs.
        max_polls: Accepted, and not looked at: work is handed to the agent, not polled for.
        agent_address: Accepted, and not looked at: the server knows whether the agent is there.
        no_cloud_logs: Whether runs keep their log lines from the server.
        base_url: The engine's address.
        no_pull: Whether images are taken as they are on the engine's machine.
        volumes: Folders and volumes that containers see.
        show_flow_logs: Whether what containers print is printed here, too.
        networks: Networks that containers are connected to.
        reg_allow_list: Not offered: the Docker engine's own settings say which registries it takes.
        docker_client_timeout: For how many seconds the engine may take to answer.

    Raises:
        ConfigError: If `reg_allow_list` is given.
    """

    def __init__(
        self,
        agent_config_id: str | None = None,
        name: str | None = None,
        labels: Iterable[str] | None = None,
        env_vars: Mapping[str, str] | None = None,
        max_polls: int | None = None,
        agent_address: str | None = None,
        no_cloud_logs: bool | None = None,
        base_url: str | None = None,
        no_pull: bool | None = None,
        volumes: Sequence[str] | None = None,
        show_flow_logs: bool = False,
        networks: Sequence[str] | None = None,
        reg_allow_list: Sequence[str] | None = None,
        docker_client_timeout: float | None = None,
    ) -> None:
        if reg_allow_list:
            # Left out silently it would let in what somebody wanted to be kept out.
            raise ConfigError(
                "A Docker agent has no reg_allow_list here: leave it out, and let the Docker "
                "engine reach only those registries that it is to use."
            )
        super().__init__(
            name=name or "docker",
            labels=labels,
            env_vars=variables(env_vars, no_cloud_logs),
            base_url=base_url,
            pull=not no_pull,
            volumes=volumes or (),
            show_flow_logs=show_flow_logs,
            networks=networks or (),
            docker_client_timeout=docker_client_timeout or 60.0,
        )

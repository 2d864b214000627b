"""The agent that runs flows on Google's Vertex AI, put together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from headrace.agents.loopback import warn_of_loopback
from headrace.agents.named_agent import NamedAgent
from headrace.agents.vertex.api import VertexApi
from headrace.agents.vertex.job import JobDefaults
from headrace.agents.vertex.launcher import VertexLauncher
from headrace.config import config
from headrace.core.errors import ConfigError

if TYPE_CHECKING:
    from headrace.agents.identity import AgentDirectory
    from headrace.client.client import Client

_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")


class VertexAgent(NamedAgent):
    """An agent that runs each flow run as a custom job of Vertex AI.

    The credentials are Google's application default ones.

    Args:
        project: The project's id; by default that of the credentials.
        region_name: The region, such as `europe-west4`.
        service_account: The account that jobs run as whose run configs name none.
        network: The full name of the network that they are peered with, likewise.
        image: The image of runs that name none; by default `config.agents.default_image`.
        name: Its name, for people. An agent that is started again under its name finds the jobs
            that it had made.
        labels: Its labels: it takes runs whose labels are among them.
        env_vars: Environment variables for all its runs.
        limit: How many runs it has at once; None for as many as come.
        hostname_label: Whether this machine's name is one of its labels.
        keep: Whether jobs that are over stay, rather than being deleted once the server knows their
            end.
        endpoint: Where Vertex AI is, if not at the region's public address.
        logging_endpoint: Where Cloud Logging is, if not at its public address.
        api_url: The server's address; by default `config.api_url`.
        api_key: The key to identify with; by default `config.api_key`.

    Raises:
        ConfigError: If there are no credentials, or they are refused, or there is no such project
            or region; or if an address, its name or a label is none.
        MissingExtraError: If Google's package for credentials is not installed.
        OSError: If its directory, below `config.home_dir`, cannot be made.
    """

    def __init__(
        self,
        project: str | None = None,
        region_name: str | None = None,
        service_account: str | None = None,
        network: str | None = None,
        image: str | None = None,
        name: str = "vertex",
        labels: Iterable[str] | None = None,
        env_vars: Mapping[str, str] | None = None,
        limit: int | None = None,
        hostname_label: bool = True,
        keep: bool = False,
        endpoint: str | None = None,
        logging_endpoint: str | None = None,
        api_url: str | None = None,
        api_key: str | None = None,
    ) -> None:
        if region_name is None or not _REGION.fullmatch(region_name):
            raise ConfigError(
                "Vertex AI needs a region, such as europe-west4: give it by --region-name"
                + (f"; {region_name!r} is none." if region_name else ".")
            )

        def launcher(client: Client, _directory: AgentDirectory) -> VertexLauncher:
            api = VertexApi(
                project, region_name, endpoint=endpoint, logging_endpoint=logging_endpoint
            )
            api.check()
            warn_of_loopback(client.api_url, "a job of Vertex AI")
            return VertexLauncher(
                api,
                api_url=client.api_url,
                defaults=JobDefaults(
                    image=image or config.agents.default_image,
                    service_account=service_account,
                    network=network,
                ),
                env=env_vars,
                keep=keep,
            )

        super().__init__(
            launcher,
            name=name,
            labels=labels,
            limit=limit,
            hostname_label=hostname_label,
            api_url=api_url,
            api_key=api_key,
        )

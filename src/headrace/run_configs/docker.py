"""The run config of a Docker container."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.run_configs.base import RunConfig


@dataclass(frozen=True, kw_only=True)
class DockerRun(RunConfig):
    """A Docker container.

    Args:
        image: The image; by default that of the flow's storage, or else the agent's.
        env: Environment variables for the container.
        labels: Labels that an agent must have to take the flow run.
        ports: Ports of the container that are published on the host.
        host_config: Further settings of the container's host side, as docker-py's
            `create_host_config` takes them.

    Raises:
        RunConfigError: If an argument has a wrong type.
    """

    image: str | None = None
    ports: Iterable[int] | None = None
    host_config: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_text("image")
        self._check_dicts("host_config")
        given: object = self.ports
        if given is None:
            return
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise self._error(f"its ports must be a list of numbers, not {given!r}")
        ports = list(given)
        for port in ports:
            if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
                raise self._error(f"its ports must be numbers from 1 to 65535, and {port!r} is not")
        self._set("ports", ports)

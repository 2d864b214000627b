"""The agent that runs flows on its own machine, put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from headrace.agents.local import LocalLauncher
from headrace.agents.named_agent import NamedAgent
from headrace.config import config

if TYPE_CHECKING:
    from headrace.agents.identity import AgentDirectory
    from headrace.client.client import Client


class LocalAgent(NamedAgent):
    """An agent that runs each flow run in a process of its own, on this machine.

    Args:
        name: Its name, for people. An agent that is started again under its name finds the runs
            that it had started.
        labels: Its labels: it takes runs whose labels are among them.
        env_vars: Environment variables for all its runs.
        limit: How many runs it has at once; None for as many as come.
        import_paths: Folders in which its runs look for modules before all others.
        hostname_label: Whether this machine's name is one of its labels.
        api_url: The server's address; by default `config.api_url`.
        api_key: The key to identify with; by default `config.api_key`.

    Raises:
        ConfigError: If the address is none, or if its name or a label is none that people could
            read and write.
        OSError: If its directory, below `config.home_dir`, cannot be made.
    """

    def __init__(
        self,
        name: str = "local",
        labels: Iterable[str] | None = None,
        env_vars: Mapping[str, str] | None = None,
        limit: int | None = None,
        import_paths: Iterable[str] | None = None,
        hostname_label: bool = True,
        api_url: str | None = None,
        api_key: str | None = None,
    ) -> None:
        def launcher(client: Client, directory: AgentDirectory) -> LocalLauncher:
            return LocalLauncher(
                config.home_dir,
                directory.path,
                client.api_url,
                env=env_vars,
                import_paths=list(import_paths or ()),
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

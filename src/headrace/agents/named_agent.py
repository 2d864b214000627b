"""An agent as people start it: it has a name and labels, and ends with Ctrl-C."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from headrace.agents.agent import Agent
from headrace.agents.identity import AgentDirectory
from headrace.client.client import Client
from headrace.config import config
from headrace.core.errors import ConfigError
from headrace.core.names import objection_to

if TYPE_CHECKING:
    from headrace.agents.launcher import Launcher


class NamedAgent:
    """An agent, put together with its identity and its launcher. The agents of all kinds are one.

    Args:
        launcher_of: Makes the launcher, given the client of the server and the agent's directory.
        name: Its name, for people. An agent that is started again under its name finds the runs
            that it had deployed.
        labels: Its labels: it takes runs whose labels are among them.
        limit: How many runs it has at once; None for as many as come.
        hostname_label: Whether this machine's name is one of its labels.
        api_url: The server's address; by default `config.api_url`.
        api_key: The key to identify with; by default `config.api_key`.

    Attributes:
        name: Its name.
        labels: Its labels, sorted.

    Raises:
        ConfigError: If the address is none, or if its name or a label is none that people could
            read and write.
        OSError: If its directory, below `config.home_dir`, cannot be made.
    """

    # The constructor of each kind says these arguments again, beside its own: so they are in what
    # `help()`, an editor and `inspect.signature` show of it.
    def __init__(
        self,
        launcher_of: Callable[[Client, AgentDirectory], Launcher],
        *,
        name: str,
        labels: Iterable[str] | None = None,
        limit: int | None = None,
        hostname_label: bool = True,
        api_url: str | None = None,
        api_key: str | None = None,
    ) -> None:
        labels = list(labels or ())
        for what, given in (("An agent's name", name), *(("A label", each) for each in labels)):
            if (objection := objection_to(given)) is not None:
                raise ConfigError(f"{what} {objection}.")
        own = {socket.gethostname()} if hostname_label else set()
        self.name = name
        self.labels = sorted({*labels, *own})
        client = Client(api_url, api_key, retries=False)
        self._directory = AgentDirectory(config.home_dir, name)
        try:
            launcher = launcher_of(client, self._directory)
        except BaseException:
            self._directory.close()
            raise
        self._agent = Agent(launcher, client, self._directory.id, name, self.labels, limit)

    def start(self) -> None:
        """Work until Ctrl-C or SIGTERM, or until `stop` is called. Runs go on.

        Raises:
            NotAuthorized: If the server does not let this agent claim runs.
            VersionMismatch: If it speaks another version of the messages.
            NoHeadraceServer: If what answers is no Headrace server.
        """
        in_main = threading.current_thread() is threading.main_thread()
        numbers = (signal.SIGINT, signal.SIGTERM) if in_main else ()

        def stop(_number: int, _frame: Any) -> None:
            # A handler runs between two steps of this very thread, which may hold a lock.
            threading.Thread(target=self.stop, daemon=True).start()

        before = [signal.signal(number, stop) for number in numbers]
        try:
            self._agent.run()
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)
            self._directory.close()

    def stop(self) -> None:
        """Have `start` return. May be called from any thread."""
        self._agent.stop()

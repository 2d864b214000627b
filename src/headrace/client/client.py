"""The client: everything that can be asked of a server."""

from __future__ import annotations

from typing import Self

from headrace.client.agents import Agents
from headrace.client.auth import Auth
from headrace.client.claims import Claims
from headrace.client.flow_runs import FlowRuns
from headrace.client.flows import Flows
from headrace.client.key_values import KeyValues
from headrace.client.logs import Logs
from headrace.client.projects import Projects
from headrace.client.runs import Runs
from headrace.client.server import Server
from headrace.client.task_runs import TaskRuns
from headrace.client.transport import Transport


class Client(
    Projects, Flows, FlowRuns, TaskRuns, Logs, KeyValues, Agents, Claims, Runs, Auth, Server
):
    """A server, as a Python program sees it. Threads may share one; so may a forked child.

    Every method raises a `ClientError`: `ServerUnreachable` if no server answers, `NotAuthorized`
    if the key is not enough, and others that say what is wrong.

    Args:
        api_url: The server's address; by default `config.api_url`, which HEADRACE_API_URL sets.
        api_key: The key to identify with; by default `config.api_key`, which HEADRACE_API_KEY
            sets, or else `config.cloud.api_key`.
        retries: Whether requests of which a repeat changes nothing are tried again, within half a
            second, when they get lost.

    Raises:
        ConfigError: If the address is none.

    Example:
        ```python
        client = Client()
        client.create_project("etl", exists_ok=True)
        run = client.create_flow_run("load", "etl", parameters={"day": "2024-01-31"})
        print(client.wait_for_flow_run(run.id).state)
        ```
    """

    def __init__(
        self, api_url: str | None = None, api_key: str | None = None, *, retries: bool = True
    ) -> None:
        if api_url is None or api_key is None:
            from headrace.config import config

            api_url = config.api_url if api_url is None else api_url
            api_key = (config.api_key or config.cloud.api_key) if api_key is None else api_key
        self._transport = Transport(api_url, api_key, retries=retries)

    @property
    def api_url(self) -> str:
        """The server's address, without `/api`."""
        return self._transport.url

    def close(self) -> None:
        """Close the connections to the server; they open again when they are needed."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client: {self.api_url}>"

"""What containers print: the last of it when they have ended, or all of it while they run."""

from __future__ import annotations

import threading
from collections.abc import Callable

from headrace.agents.docker.api import DockerApi, EngineAway, EngineRefusal
from headrace.agents.launcher import Deployment
from headrace.config.logging import get_logger

#: How many lines, and then bytes, of a container's output are kept.
_LINES, _OUTPUT = 1000, 64 << 10


class Outputs:
    """Reads what containers print.

    Args:
        api: The engine.
        show: Called with each line that a container prints, and whose it is; None for no such.
    """

    def __init__(self, api: DockerApi, show: Callable[[Deployment, str], None] | None) -> None:
        self._api = api
        self._show = show
        self._log = get_logger("agent")

    def last(self, deployment: Deployment) -> str:
        """Return the last 64 KiB of what a container has printed; empty if it is out of reach."""
        try:
            printed = self._api.logs(deployment.handle, _LINES)
        except (EngineAway, EngineRefusal) as error:
            self._log.warning("What %s printed is out of reach: %s.", deployment.handle, error)
            return ""
        return printed[-_OUTPUT:].decode(errors="ignore")

    def follow(self, deployment: Deployment) -> None:
        """Show what a container prints, from its start to its end, if that is wanted."""
        if self._show is not None:
            threading.Thread(
                target=self._pass_on, args=[deployment, self._show], daemon=True
            ).start()

    def _pass_on(self, deployment: Deployment, show: Callable[[Deployment, str], None]) -> None:
        rest = b""
        try:
            for part in self._api.follow(deployment.handle):
                *whole, rest = (rest + part).split(b"\n")
                for line in whole:
                    show(deployment, line.decode(errors="replace"))
        except (EngineAway, EngineRefusal) as error:
            self._log.debug("What %s prints is shown no more: %s.", deployment.handle, error)
        if rest:
            show(deployment, rest.decode(errors="replace"))

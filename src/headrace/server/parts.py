"""What a server process consists of; handlers and services are given it as `parts`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.server.db.database import Database
    from headrace.server.rules.ownership import Policy
    from headrace.server.services.auth import Auth
    from headrace.server.services.claims import Claims
    from headrace.server.services.hub import Hub
    from headrace.server.services.metrics import Metrics
    from headrace.server.settings import ServerSettings


class Parts:
    """The parts of a server process.

    Args:
        database: Where everything is kept.
        hub: Wakes whoever waits for a change.
        settings: What the server was started with.
        metrics: What Prometheus is told.
        auth: Knows who is asking.
        claims: Hands flow runs to agents.
    """

    # No dataclass, as Litestar would take one for something to be read from the request.
    __slots__ = ("auth", "claims", "database", "hub", "metrics", "policy", "settings")

    def __init__(
        self,
        *,
        database: Database,
        hub: Hub,
        settings: ServerSettings,
        metrics: Metrics,
        auth: Auth,
        claims: Claims,
    ) -> None:
        self.database = database
        self.hub = hub
        self.settings = settings
        self.metrics = metrics
        self.auth = auth
        self.claims = claims
        #: How patient the server is with owners of flow runs.
        self.policy: Policy = settings.policy

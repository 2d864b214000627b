"""The server itself."""

from __future__ import annotations

from headrace.client.resource import Resource
from headrace.wire.server import ServerInfo


class Server(Resource):
    """What can be asked about the server."""

    def server(self) -> ServerInfo:
        """Return what the server says of itself."""
        return self._transport.request("GET", "/server", answer=ServerInfo)

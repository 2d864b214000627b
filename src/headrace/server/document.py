"""The OpenAPI document: what Litestar reads off the handlers, and what it cannot know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Litestar, Request
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.plugins import JsonRenderPlugin

from headrace.server.descriptions import describe
from headrace.wire.base import Problem
from headrace.wire.events import EventBatch

_REFERENCE = "#/components/schemas/{name}"
#: What requests identify themselves with.
_KEY = "key"
_KEYS = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, or the token of a flow run; none for a server on loopback that has "
    "no keys.",
}
#: Messages of routes that read the bytes of their body themselves, so that no handler names them.
_BODIES = {("/api/runs/{run_id}/events", "post"): EventBatch}


class DocumentPlugin(JsonRenderPlugin):
    """Answers with the whole document: with problems, keys, and messages that no handler names."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json")
        self._rendered: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the document as JSON.

        Args:
            request: The request for it.
            openapi_schema: What Litestar has made of the handlers.
        """
        # Anybody may ask for it, so it is made once.
        if self._rendered is None:
            complete(openapi_schema, needs_of(request.app))
            self._rendered = self.render_json(request, openapi_schema)
        return self._rendered


def needs_of(app: Litestar) -> dict[tuple[str, str], str]:
    """Return what each route of a server needs, by its path and method."""
    return {
        (route.path_format, method.lower()): handler.opt["needs"]
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if isinstance(handler, HTTPRouteHandler) and "needs" in handler.opt
        for method in handler.http_methods
    }


def complete(document: dict[str, Any], needs: Mapping[tuple[str, str], str]) -> None:
    """Say in a document what Litestar cannot know.

    Args:
        document: What Litestar has made of the handlers; it is changed.
        needs: What each route needs, by its path and method: one of `server.callers.NEEDS`.
    """
    references, more = msgspec.json.schema_components(
        [Problem, *_BODIES.values()], ref_template=_REFERENCE
    )
    problem, *bodies = references
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(more)
    components.setdefault("securitySchemes", {})[_KEY] = _KEYS
    body_of = dict(zip(_BODIES, bodies, strict=True))
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            # Litestar names the errors that it would answer with itself.
            responses = {
                status: told for status, told in operation["responses"].items() if status < "400"
            }
            responses["default"] = {
                "description": "Why it cannot be done, and the way out.",
                "content": {"application/json": {"schema": problem}},
            }
            operation["responses"] = responses
            need = needs[path, method]
            operation["security"] = [] if need == "open" else [{_KEY: []}]
            operation["x-headrace-needs"] = need
            if body := body_of.get((path, method)):
                operation["requestBody"] = {
                    "required": True,
                    "content": {"application/json": {"schema": body}},
                }
    describe(document)

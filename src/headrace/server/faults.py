"""What is answered when something cannot be done: always a `wire.base.Problem`."""

from __future__ import annotations

import logging
import re
from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.routes import HTTPRoute
from sqlalchemy.exc import DataError

from headrace.core.errors import DatabaseBusy, DatabaseUnavailable
from headrace.server.problems import Refusal
from headrace.wire.base import Problem

_log = logging.getLogger("headrace.server")

#: What Litestar says when a client is gone before all of its request is there.
_CUT_OFF = "client disconnected prematurely"


def answer(status: int, problem: Problem, headers: dict[str, str] | None = None) -> Response[bytes]:
    """Make a response of a problem."""
    return Response(
        msgspec.json.encode(problem),
        status_code=status,
        media_type=MediaType.JSON,
        headers=headers,
    )


def handle(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Turn whatever a handler raised into a problem; nothing of the server's inside is told."""
    if isinstance(error, Refusal):
        problem = Problem(code=error.code, message=error.message)
        return answer(error.status, problem, error.headers)
    if isinstance(error, DatabaseBusy):
        return answer(503, Problem(code="busy", message=str(error)), {"retry-after": "1"})
    if isinstance(error, DatabaseUnavailable):
        problem = Problem(code="database_unavailable", message=str(error))
        return answer(503, problem, {"retry-after": "1"})
    if isinstance(error, DataError):
        # What the database cannot keep came with the request: PostgreSQL takes no NUL in a text.
        return answer(422, Problem(code="bad_value", message=_unkept(error)))
    if isinstance(error, RecursionError):
        deep = "The request is not valid: its JSON is nested too deeply to be read."
        return answer(400, Problem(code="invalid", message=deep))
    if isinstance(error, ValidationException):
        return answer(400, _invalid(error))
    if isinstance(error, HTTPException) and error.status_code < 500:
        headers = {"allow": _methods(request)} if error.status_code == 405 else None
        return answer(error.status_code, _refused(request, error), headers)
    if isinstance(error, HTTPException) and error.detail == _CUT_OFF:
        # Whoever asked was killed, or its network was: no fault of the server's, and nobody listens.
        _log.debug("%s %s was cut off.", request.method, request.url.path)
        return answer(
            400, Problem(code="cut_off", message="The request was cut off in its middle.")
        )
    _log.error("%s %r failed.", request.method, request.url.path, exc_info=error)
    problem = Problem(
        code="internal",
        message="The server failed to answer this: a fault of its own. Its log says more.",
    )
    return answer(500, problem)


def _unkept(error: DataError) -> str:
    told = " ".join(str(error.orig).split())
    return f"The request holds a value that cannot be kept or looked for: {told}"


def _invalid(error: ValidationException) -> Problem:
    """Say which fields are wrong, by their names."""
    found = error.extra if isinstance(error.extra, list) else []
    parts = []
    for entry in found:
        key, message = entry.get("key", ""), entry.get("message", "")
        parts.append(f"{key}: {message}" if key and key != "data" else message)
    text = "; ".join(parts) or error.detail
    if text == "'data'":
        # What Litestar says of a body that is not there.
        text = "it has no body, and needs one, of JSON"
    return Problem(code="invalid", message=f"The request is not valid: {_plain(text)}.")


def _refused(request: Request[Any, Any, Any], error: HTTPException) -> Problem:
    method, path = request.method, request.url.path
    if error.status_code == 404:
        return Problem(
            code="no_such_route",
            message=f"This server has no {path}. What it has is in /api/openapi.json.",
        )
    if error.status_code == 405:
        return Problem(
            code="method_not_allowed",
            message=f"{path} cannot be asked with {method}. What can is in /api/openapi.json.",
        )
    if error.status_code == 413:
        bound = request.route_handler.resolve_request_max_body_size()
        return Problem(
            code="too_large",
            message=f"The body of {method} {path} is larger than this server's bound of {bound} "
            f"bytes. Send less at once, or store the value elsewhere and send where it is.",
        )
    return Problem(code="invalid", message=f"The request is not valid: {_plain(error.detail)}.")


def _methods(request: Request[Any, Any, Any]) -> str:
    """Return the methods by which the route of a request can be asked."""
    found = set()
    for route in request.app.routes:
        pattern = re.sub(r"\\\{[^}]*\}", "[^/]+", re.escape(route.path_format))
        if isinstance(route, HTTPRoute) and re.fullmatch(pattern, request.url.path):
            found |= route.methods
    return ", ".join(sorted(found))


def _plain(text: str) -> str:
    """Take out of msgspec's messages what says nothing to a client."""
    text = re.sub(r" - at `\$\.?([^`]+)`", r" in `\1`", text)
    return text.removesuffix(".")

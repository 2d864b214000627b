"""Lets requests through to their handlers, or not: which version they speak, who sends them."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.handlers.base import BaseRouteHandler

from headrace.server.callers import ANONYMOUS, Caller
from headrace.server.parts import Parts
from headrace.server.problems import Refusal
from headrace.server.settings import is_loopback
from headrace.wire.base import WIRE_HEADER, WIRE_VERSION

_ROUTE_NEEDS = {
    "read": "reading",
    "run": "the process of this flow run, or an agent",
    "agent": "an agent",
    "user": "a user",
    "admin": "an admin",
}


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse a request that its route is not for; note who sends the others.

    Raises:
        Refusal: If it speaks another version, or its sender may not.
    """
    connection.scope["state"]["began"] = time.perf_counter()
    check_wire(connection.headers.get(WIRE_HEADER))
    need: str = handler.opt.get("needs") or _need_of_others(handler)
    if need == "open":
        return
    parts: Parts = connection.app.state.parts
    address = connection.client.host if connection.client is not None else "unknown"
    caller = await parts.auth.caller(connection.headers.get("authorization"), address)
    if caller is ANONYMOUS:
        _check_site(connection.headers.get("host"), connection.headers.get("origin"))
    if not caller.may(need, connection.path_params.get("run_id")):
        raise Refusal(403, "not_allowed", _refused(caller, need))
    connection.scope["state"]["caller"] = caller


def _need_of_others(handler: BaseRouteHandler) -> str:
    """Return what handlers of Litestar's own need: it answers OPTIONS to everybody."""
    is_harmless = isinstance(handler, HTTPRouteHandler) and handler.http_methods == {"OPTIONS"}
    return "open" if is_harmless else "admin"


def check_wire(version: str | None) -> None:
    """Refuse another version of the messages; who names none is taken to speak this one.

    Raises:
        Refusal: If the version is another one.
    """
    if version is None or version == str(WIRE_VERSION):
        return
    if version.isdecimal() and int(version) > WIRE_VERSION:
        side = "Upgrade the server, or use a client of its version"
    else:
        side = "Upgrade the client"
    raise Refusal(
        426,
        "version_mismatch",
        f"The client speaks version {version} of the messages and this server version "
        f"{WIRE_VERSION}. {side}: pip install --upgrade headrace.",
    )


def _check_site(host: str | None, origin: str | None) -> None:
    """Refuse what a page of another site makes a browser on this machine send.

    Such a page shows itself by its origin; or by the host, if its name was made to mean this machine
    after it was loaded, so that the browser takes the server for its own.

    Raises:
        Refusal: If it comes from such a page; 403.
    """
    if origin is not None and not _is_here(origin):
        raise Refusal(
            403,
            "foreign_origin",
            f"A page of {origin} asks, and this server serves its own machine only, without keys. "
            f"Make a key with `headrace auth create-key --local`, and let the page use it.",
        )
    if host is not None and not _is_here(f"//{host}"):
        raise Refusal(
            403,
            "foreign_host",
            f"The server is asked as {host}, and one without keys is asked as 127.0.0.1 or localhost "
            f"only: another name may be that of a page elsewhere. Set HEADRACE_API_URL so, or make a "
            f"key with `headrace auth create-key --local`.",
        )


def _is_here(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False


def caller_of(request: Request[Any, Any, Any], parts: NamedDependency[Parts]) -> Caller:
    """Return who sent a request; for handlers that take `caller: Caller`.

    It takes the parts only to come after them: what does not depend on each other is provided by
    tasks side by side, which cost more than either.
    """
    caller: Caller = request.scope["state"]["caller"]
    return caller


def _refused(caller: Caller, need: str) -> str:
    if caller.scope == "run":
        return (
            "A run's token writes and reads its own flow run, and nothing else. A flow that asks for "
            "more needs a key: HEADRACE_API_KEY in the env of its run config, or of its agent."
        )
    return (
        f"The key {caller.name!r} has the scope {caller.scope!r}, and this is for "
        f"{_ROUTE_NEEDS[need]}. Use a key of a wider scope: `headrace auth create-key --scope …`."
    )

"""The API server: takes requests, and answers them as Kubernetes 1.32 does."""

import asyncio
import contextlib
import json
import traceback
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, unquote

from tests.integration.components.kubernetes.access import Access
from tests.integration.components.kubernetes.answers import (
    Object,
    Refused,
    no_such_page,
    no_such_path,
    not_allowed,
)
from tests.integration.components.kubernetes.calls import Call
from tests.integration.components.kubernetes.deletion import Deletion, delete
from tests.integration.components.kubernetes.discovery import discovered
from tests.integration.components.kubernetes.faults import Faults
from tests.integration.components.kubernetes.lists import Lists
from tests.integration.components.kubernetes.published import Published
from tests.integration.components.kubernetes.resources import PODS, RESOURCES, Resource
from tests.integration.components.kubernetes.store import Store
from tests.integration.components.kubernetes.verbs import Verbs
from tests.integration.components.kubernetes.watching import Cut, Watches

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
#: Yields the log of a pod, or refuses.
ReadLog = Callable[[Call, Object], Awaitable[AsyncGenerator[bytes, None]]]

_JSON = "application/json"


class Api:
    """An ASGI application."""

    def __init__(
        self, store: Store, access: Access, faults: Faults, published: Published, read_log: ReadLog,
        crashes: list[str],
    ) -> None:  # fmt: skip
        self._store = store
        self._access = access
        self._faults = faults
        self._published = published
        self._read_log = read_log
        self._crashes = crashes
        self.watches = Watches(store)
        self.verbs = Verbs(store, access)
        self._lists = Lists(store)
        self._deletion = Deletion(store, self._lists)
        #: All requests so far, for tests that count them.
        self.calls: list[Call] = []

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        call = await _call(scope, receive)
        self.calls.append(call)
        try:
            await self._faults.before(call)
            call.user = self._access.user_of(call.headers.get("authorization"))
            await self._answer(call, receive, send)
        except Refused as refused:
            if refused.is_plain:
                text = f"{refused.message}\n".encode()
                kind = "text/plain; charset=utf-8"
                await _send(send, refused.code, kind, text, list(refused.headers.items()))
                return
            self._published.check_status(refused.status)
            await _send_json(call, send, refused.code, refused.status, refused.headers)
        except Cut:
            scope["transport"].abort()
        except Exception:
            # A failure of the fake: told at the end of the test.
            self._crashes.append(f"{call.method} {call.path}\n{traceback.format_exc()}")
            scope["transport"].abort()

    async def _answer(self, call: Call, receive: Receive, send: Send) -> None:
        if call.path in ("/healthz", "/livez", "/readyz"):
            await _send(send, 200, "text/plain; charset=utf-8", b"ok")
            return
        found = discovered(call.path) if call.method == "GET" else None
        if found is not None or call.resource is None:
            self._access.require_path(call.user, call.path)
            if found is None:
                is_served = any(call.path.startswith(f"/{one.path}/") for one in RESOURCES)
                raise no_such_path() if is_served else no_such_page()
            await _send_json(call, send, 200, found)
            return
        resource = call.resource
        self._access.require(call.user, call.action(resource))
        if call.subresource and call.subresource not in resource.subresources:
            raise no_such_path()
        if call.verb == "watch":
            self.watches.check(call, resource)
            await _send_stream(call, send, receive, _JSON, self.watches.stream(call, resource))
            return
        if call.subresource == "log":
            pod = self._store.get(PODS, call.namespace, call.name)
            lines = await self._read_log(call, pod)
            await _send_stream(call, send, receive, "text/plain", lines)
            return
        answer = self._of_objects(call, resource)
        self._published.check_answer(answer)
        await self._faults.after(call)
        await _send_json(call, send, 201 if call.verb == "create" else 200, answer)

    def _of_objects(self, call: Call, resource: Resource) -> Object:
        if call.subresource == "eviction":
            pod = self._store.get(PODS, call.namespace, call.name)
            options = (call.document() or {}).get("deleteOptions", {})
            delete(self._store, PODS, pod, options)
            return {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Success",
                "code": 201,
            }
        answers: dict[str, Callable[[Call, Resource], Object]] = {
            "create": self.verbs.create,
            "get": self.verbs.get,
            "list": self._lists.page,
            "update": self.verbs.update,
            "patch": self.verbs.patch,
            "delete": self._deletion.delete,
            "deletecollection": self._deletion.delete_collection,
        }
        if call.verb not in answers or call.verb not in (*resource.verbs, "get"):
            raise not_allowed()
        if call.verb == "create" and call.name:
            raise not_allowed()
        return answers[call.verb](call, resource)


async def _call(scope: dict[str, Any], receive: Receive) -> Call:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return Call(
        scope["method"],
        unquote(scope["path"]),
        dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True)),
        {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]},
        body,
    )


async def _send_json(
    call: Call, send: Send, code: int, answer: Object, headers: dict[str, str] | None = None
) -> None:
    data = json.dumps(answer, separators=(",", ":")).encode() + b"\n"
    await _send(send, code, _JSON, data, _warned(call) + list((headers or {}).items()))


async def _send(
    send: Send, code: int, kind: str, body: bytes, headers: list[tuple[str, str]] | None = None
) -> None:
    await send(_start(code, kind, [("Content-Length", str(len(body))), *(headers or [])]))
    await send({"type": "http.response.body", "body": body})


async def _send_stream(
    call: Call, send: Send, receive: Receive, kind: str, pieces: AsyncGenerator[bytes, None]
) -> None:
    """Send pieces as they come, until there are no more or nobody listens."""

    async def copy() -> None:
        await send(_start(200, kind, _warned(call)))
        # Its header is there before its first piece is.
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        async with contextlib.aclosing(pieces):
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    copying, leaving = asyncio.ensure_future(copy()), asyncio.ensure_future(left())
    try:
        await asyncio.wait((copying, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not copying.done():
            copying.cancel()
        outcome = (await asyncio.gather(copying, return_exceptions=True))[0]
    if isinstance(outcome, Exception):
        raise outcome


def _start(code: int, kind: str, headers: list[tuple[str, str]]) -> dict[str, Any]:
    named = [
        ("Content-Type", kind),
        ("Audit-Id", str(uuid.uuid4())),
        ("Cache-Control", "no-cache, private"),
        *headers,
    ]
    return {
        "type": "http.response.start",
        "status": code,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in named],
    }


def _warned(call: Call) -> list[tuple[str, str]]:
    escaped = [one.replace("\\", "\\\\").replace('"', '\\"') for one in call.warnings]
    return [("Warning", f'299 - "{one}"') for one in escaped]

"""The server's application within the test's own process and event loop, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from headrace.server.application import create_app, open_parts
from headrace.server.parts import Parts
from headrace.server.settings import ServerSettings
from headrace.wire.base import Problem

T = TypeVar("T")


class Refused(Exception):
    """The server answered with a problem.

    Args:
        status: The HTTP status.
        problem: The problem.
    """

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__(f"{status} {problem.code}: {problem.message}")
        self.status = status
        self.code = problem.code
        self.message = problem.message


class App:
    """A server to ask.

    Args:
        parts: Its parts.
        http: A client of it.
    """

    def __init__(self, parts: Parts, http: httpx.AsyncClient) -> None:
        self.parts = parts
        self._http = http

    async def get(self, path: str, answer: type[T], **query: Any) -> T:
        return await self.ask("GET", path, None, answer, **query)

    async def post(self, path: str, body: Any, answer: type[T], **query: Any) -> T:
        return await self.ask("POST", path, body, answer, **query)

    async def delete(self, path: str) -> None:
        await self.ask("DELETE", path, None, type(None))

    async def ask(self, method: str, path: str, body: Any, answer: type[T], **query: Any) -> T:
        """Send a request.

        Raises:
            Refused: If the answer is a problem.
        """
        response = await self._http.request(
            method,
            f"/api{path}",
            content=None if body is None else msgspec.json.encode(body),
            params={name: value for name, value in query.items() if value is not None},
        )
        if response.status_code >= 400:
            problem = msgspec.json.decode(response.content, type=Problem)
            raise Refused(response.status_code, problem)
        content = response.content or b"null"
        return msgspec.json.decode(content, type=answer)


@asynccontextmanager
async def serving(database_url: str, home: Path, **settings: Any) -> AsyncIterator[App]:
    """Serve, on a database, for the length of an `async with` block."""
    configured = ServerSettings(database_url=database_url, home=home, **settings)
    async with open_parts(configured) as parts:
        transport = httpx.ASGITransport(create_app(configured, parts), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            yield App(parts, http)


def play(
    scenario: Callable[[App], Awaitable[None]], database_url: str, home: Path, **settings: Any
) -> None:
    """Serve, and play a scenario to its end."""

    async def run() -> None:
        async with serving(database_url, home, **settings) as app:
            await scenario(app)

    asyncio.run(run())

"""Who sends a request slowly, or none, or one without an end, keeps nobody else out."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn

from headrace.server.application import create_app, open_parts
from headrace.server.request_bounds import BoundedRequests
from headrace.server.settings import ServerSettings

HOST = b"Host: 127.0.0.1\r\n"
BEGUN = b"POST /api/projects HTTP/1.1\r\n" + HOST
WHOLE = BEGUN + b'content-length: 13\r\n\r\n{"name": "p"}'


class Impatient(BoundedRequests):
    longest_arrival = 1.5  # a loaded machine is slow to send, too


@asynccontextmanager
async def listening(home: Path) -> AsyncIterator[int]:
    settings = ServerSettings(home=home)
    async with open_parts(settings) as parts:
        app = create_app(settings, parts)
        config = uvicorn.Config(
            app, port=0, http=Impatient, ws="none", lifespan="off", log_config=None
        )
        server = uvicorn.Server(config)
        with contextlib.suppress(AttributeError):
            server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
        task = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn tells in no other way
            await asyncio.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
        server.should_exit = True
        await task


async def said(port: int, *parts: bytes, pause: float = 0.0) -> tuple[bytes, float]:
    """Send something, and return what is answered until the server hangs up, and after how long."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    with contextlib.suppress(ConnectionError):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
    data = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(30):
            data = await reader.read()
    took = time.monotonic() - began
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return data, took


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"POST /api/pro"],
        [BEGUN],
        [BEGUN + b"content-length: 100\r\n\r\n{"],
        [BEGUN + b"transfer-encoding: chunked\r\n\r\n5\r\n{"],
        # One that comes after another that was answered.
        [WHOLE, BEGUN],
    ],
    ids=["nothing", "a line", "a head", "a body", "a chunk", "a second one"],
)
def test_a_request_that_does_not_arrive_is_given_up(parts: list[bytes], tmp_path: Path):
    async def scenario() -> None:
        async with listening(tmp_path) as port:
            data, took = await said(port, *parts, pause=0.1)
            assert 1.4 < took < 20
            assert data.count(b"HTTP/1.1 201") == parts.count(WHOLE)
            assert b"HTTP/1.1 5" not in data

    asyncio.run(scenario())


def test_a_byte_now_and_then_does_not_help(tmp_path: Path):
    async def scenario() -> None:
        async with listening(tmp_path) as port:
            data, took = await said(port, BEGUN, *[b"x: y\r\n"] * 30, pause=0.1)
            assert b"HTTP/1.1 2" not in data
            assert took < 20

    asyncio.run(scenario())


def test_a_head_without_an_end_is_refused(tmp_path: Path):
    async def scenario() -> None:
        async with listening(tmp_path) as port:
            asks = b"GET /health HTTP/1.1\r\n" + HOST
            lines = [b"x: " + b"y" * 20_000 + b"\r\n"] * 2
            data, _ = await said(port, asks, *lines, b"\r\n", pause=0.01)
            assert b"alive" in data
            # What it was told may be lost, as it went on sending.
            data, took = await said(port, asks, *lines * 5, b"\r\n", pause=0.01)
            assert b"alive" not in data
            assert took < 20

    asyncio.run(scenario())


def test_requests_that_arrive_are_served_however_long_their_connection_lasts(tmp_path: Path):
    async def scenario() -> None:
        async with listening(tmp_path) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(10):
                writer.write(b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n")
                assert b"200 OK" in await reader.readuntil(b"alive")
                await asyncio.sleep(0.2)
            writer.close()
            await writer.wait_closed()

    asyncio.run(scenario())

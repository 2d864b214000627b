"""Serves an ASGI application over HTTP and HTTPS, in a thread with an event loop of its own."""

import asyncio
import socket
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

T = TypeVar("T")


class _Protocol(HttpToolsProtocol):
    """Lets the application cut its connection, and the server all that are open."""

    open: ClassVar[weakref.WeakSet[asyncio.Transport]] = weakref.WeakSet()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.open.add(transport)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["transport"] = self.transport  # type: ignore[typeddict-unknown-key]


class LoopThread:
    """An event loop in a thread, where servers and controllers run."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="kubernetes", daemon=True)
        self._servers: list[tuple[uvicorn.Server, asyncio.Future[None]]] = []
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop, and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the loop's thread, where all state lives."""

        async def called() -> T:
            return function()

        return self.run(called())

    def serve(
        self, application: Callable[..., Awaitable[None]], tls: tuple[Path, Path] | None = None
    ) -> int:
        """Serve an application on a free port, which is returned."""
        listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        port: int = listening.getsockname()[1]
        certificate, key = (str(one) for one in tls) if tls else (None, None)
        config = uvicorn.Config(
            application,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_keep_alive=120,
            timeout_graceful_shutdown=1,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
        server = uvicorn.Server(config)

        async def start() -> None:
            serving = asyncio.ensure_future(server.serve(sockets=[listening]))
            self._servers.append((server, serving))
            # uvicorn tells nobody when it is ready.
            while not server.started and not serving.done():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

        self.run(start())
        return port

    def close(self) -> None:
        """End the servers, and the loop."""
        for server, _ in self._servers:
            server.should_exit = True

        async def ended() -> None:
            await asyncio.gather(*(serving for _, serving in self._servers))
            # TLS would wait long for clients to say goodbye.
            for transport in list(_Protocol.open):
                transport.abort()
            await asyncio.sleep(0.05)

        self.run(ended())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

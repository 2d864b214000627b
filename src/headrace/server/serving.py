"""Runs the server in this process, from a free port to an orderly end."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from headrace.core.errors import ServerError
from headrace.server.application import create_app, open_parts
from headrace.server.joined_writes import JoiningProtocol
from headrace.server.parts import Parts
from headrace.server.request_bounds import BoundedRequests
from headrace.server.settings import ServerSettings

#: For how many seconds requests may be finished once the server is asked to end.
_GRACE = 1
#: For how many seconds an idle connection is kept: longer than clients keep theirs.
_KEEP_ALIVE = 75
#: For how many seconds one thread may keep the others from running Python code.
_SWITCH = 0.001
#: How many connections may wait to be accepted: hundreds of agents may come back at once.
_BACKLOG = 2048
#: How many connections and files there may be at once, if the machine lets there be as many.
_DESCRIPTORS = 65_536


def serve(settings: ServerSettings, ready: Callable[[str, Parts], None]) -> None:
    """Serve until SIGTERM or SIGINT; then answer what waits, finish what is being written, return.

    Args:
        settings: How the server is set up.
        ready: Called with the server's URL, and its parts, just before it serves.

    Raises:
        ServerError: If it cannot listen at its address, or must not.
        DatabaseError: If the database cannot be used.
    """
    # The writer's thread is not to keep the event loop waiting while it puts statements together.
    sys.setswitchinterval(_SWITCH)
    _allow_connections()
    with (
        bind(settings.host, settings.port) as listener,
        asyncio.Runner(loop_factory=_loop_factory()) as runner,
    ):
        runner.run(_serve(settings, listener, ready))


def bind(host: str, port: int) -> socket.socket:
    """Take a port.

    Args:
        host: The address to listen at, or its name.
        port: The port; 0 for any that is free.

    Raises:
        ServerError: If the port is taken, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            # A socket that is bound and does not listen takes no port from others on Linux.
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ServerError(_unbound(host, port, error)) from error
    return listener


def url_of(host: str, port: int) -> str:
    """Return the URL that programs of this machine reach a server at."""
    if host in ("", "0.0.0.0", "::"):  # noqa: S104 - asked about, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _allow_connections() -> None:
    """Let the process have as many connections as it may: each agent that waits holds one."""
    try:
        import resource
    except ImportError:
        return  # there is no such bound
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if most == resource.RLIM_INFINITY else min(most, _DESCRIPTORS)
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        # Faster than asyncio's own loop; not there on every platform.
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _serve(
    settings: ServerSettings, listener: socket.socket, ready: Callable[[str, Parts], None]
) -> None:
    async with open_parts(settings) as parts:
        config = uvicorn.Config(
            create_app(settings, parts),
            log_config=None,
            access_log=False,
            lifespan="off",
            http=_Connection,
            ws="none",
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=_GRACE,
        )
        # What is there by now stays: the collector need not go through all of it again and again.
        gc.collect()
        gc.freeze()
        ready(url_of(settings.host, listener.getsockname()[1]), parts)
        await _Server(config, parts).serve(sockets=[listener])


class _Connection(BoundedRequests, JoiningProtocol):
    """A connection, as this server has it."""


class _Server(uvicorn.Server):
    """uvicorn's server, which ends when it is asked to instead of dying of the signal."""

    def __init__(self, config: uvicorn.Config, parts: Parts) -> None:
        super().__init__(config)
        self._parts = parts

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let signals end the server, and put back what they did before."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._asked) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what waits, then end."""
        self._parts.hub.close()
        await super().shutdown(sockets)

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        # Whoever presses Ctrl-C again does not want to wait.
        self.force_exit = self.should_exit and number == signal.SIGINT
        self.should_exit = True


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _unbound(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {host} is taken: another program listens there, perhaps another "
            f"Headrace server. Stop it, or choose another port with --port."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} may not be used by this user. Choose one above 1023 with --port."
    return (
        f"The server cannot listen at {host!r}, port {port}: {error.strerror or error}. "
        f"Choose an address of this machine with --host."
    )

"""An HTTP proxy in this process that treats requests as a bad network does, by a seeded plan."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

#: What can befall a request:
#: `pass` nothing; `delay` it is forwarded later; `drop` it never arrives, and the client is hung up
#: on; `swallow` it arrives, and its answer never does; `repeat` it arrives twice, and the second
#: answer is given; `late` the client is hung up on, and it arrives after others that came later;
#: `cut` half of its body arrives; `cut_answer` half of the answer does; `refuse` a 503 is answered.
Fault = Literal["pass", "delay", "drop", "swallow", "repeat", "late", "cut", "cut_answer", "refuse"]
_PATIENCE = 150.0


class Asked(NamedTuple):
    """A request that came, or the treatment of one."""

    method: str
    path: str
    fault: Fault


@dataclass(kw_only=True)
class Plan:
    """Which request meets what: drawn by a generator of its own, so that a seed repeats a run.

    Attributes:
        seed: The seed.
        odds: How likely each fault is, from 0 to 1; the rest passes.
        longest: The longest delay, in seconds.
        on: Tells by method and path which requests are treated so; the others pass.
    """

    seed: int = 0
    odds: dict[Fault, float] = field(default_factory=dict)
    longest: float = 0.3
    on: Callable[[str, str], bool] = lambda _method, _path: True

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._lock = threading.Lock()

    def draw(self, method: str, path: str) -> tuple[Fault, float]:
        """Return what befalls the next request, and a delay in seconds where that needs one."""
        if not self.on(method, path):
            return "pass", 0.0
        with self._lock:
            drawn, delay = self._dice.random(), self._dice.random() * self.longest
        for fault, odds in self.odds.items():
            drawn -= odds
            if drawn < 0:
                return fault, delay
        return "pass", 0.0


class Proxy:
    """Stands between clients and a server.

    Attributes:
        url: Where clients are sent.
        plan: What befalls requests; may be replaced at any time.
        away: Whether no request gets through and nothing is answered: as if the server were gone.
        asked: What came, in order, and what befell it.
    """

    def __init__(self, target: str, plan: Plan | None = None) -> None:
        self.plan = plan or Plan()
        self.away = False
        self.asked: list[Asked] = []
        self._target = urlsplit(target)
        self._late: list[threading.Thread] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="proxy"
        )
        self._thread.start()

    def counts(self) -> Counter[str]:
        """Return how often each fault befell a request."""
        return Counter(each.fault for each in self.asked)

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Send a request to the server and return its answer: status, headers, body."""
        connection = HTTPConnection(self._target.hostname or "", self._target.port, _PATIENCE)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def forward_half(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        """Announce the whole body to the server, send half of it, and hang up."""
        lines = [f"{method} {path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        with socket.create_connection((self._target.hostname, self._target.port), 5) as half:
            half.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body[: len(body) // 2])

    def forward_later(self, seconds: float, *request: object) -> None:
        """Send a request to the server when some time has passed; nobody sees its answer."""

        def send() -> None:
            time.sleep(seconds)
            with suppress(OSError, HTTPException):
                self.forward(*request)  # type: ignore[arg-type]

        thread = threading.Thread(target=send, name="late request")
        self._late.append(thread)
        thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()
        for thread in self._late:
            thread.join()


@contextmanager
def proxy(target: str, plan: Plan | None = None) -> Iterator[Proxy]:
    """Stand before a server for the length of a `with` block.

    Args:
        target: The server's address.
        plan: What befalls requests; by default nothing.
    """
    standing = Proxy(target, plan)
    try:
        yield standing
    finally:
        standing.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    proxy: Proxy

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._open: set[socket.socket] = set()

    def process_request_thread(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)

    def hang_up(self) -> None:
        for held in list(self._open):
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that hangs up, or is hung up on, is what this is about


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_request(self) -> None:
        if self.server.proxy.away:
            self.close_connection = True
        else:
            super().handle_one_request()

    def _treat(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        # The host stays the proxy's, as behind any other; each request has a connection of its own.
        headers = {k: v for k, v in self.headers.items() if k.lower() != "connection"}
        fault, delay = proxy.plan.draw(self.command, self.path)
        if proxy.away:
            fault = "drop"
        proxy.asked.append(Asked(self.command, self.path, fault))
        request = (self.command, self.path, headers, body)
        try:
            self._carry_out(fault, delay, request)
        except (OSError, HTTPException):
            # The server is not there, or has hung up: so do we.
            self.close_connection = True

    def _carry_out(
        self, fault: Fault, delay: float, request: tuple[str, str, dict[str, str], bytes]
    ) -> None:
        proxy = self.server.proxy
        self.close_connection = fault in {"drop", "swallow", "late", "cut", "cut_answer"}
        match fault:
            case "drop":
                return
            case "late":
                proxy.forward_later(delay, *request)
                return
            case "cut":
                proxy.forward_half(*request)
                return
            case "refuse":
                self._answer(503, [("retry-after", "0")], b"")
                return
            case "delay":
                time.sleep(delay)
            case "repeat":
                proxy.forward(*request)
        status, headers, body = proxy.forward(*request)
        if proxy.away or fault == "swallow":
            self.close_connection = True
        else:
            self._answer(status, headers, body, cut=fault == "cut_answer")

    def _answer(
        self, status: int, headers: list[tuple[str, str]], body: bytes, *, cut: bool = False
    ) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _treat

    def log_message(self, format: str, *arguments: object) -> None:
        pass

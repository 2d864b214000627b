"""Stands between an agent and what it speaks HTTP to, and has that be away, refuse, or not answer."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

_HEAD_END = b"\r\n\r\n"
#: RST in place of FIN: what a client sees of a peer that is gone.
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Refusal:
    """What is answered in place of the platform."""

    status: int
    body: bytes
    headers: tuple[str, ...] = ("Content-Type: application/json",)

    def rendered(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} Injected", *self.headers, "Connection: close"]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode() + self.body


@dataclass
class Hold:
    """Requests that are held back, before they arrive or before their answer does.

    Attributes:
        fits: Which requests, by their first line and headers.
        what: What does not arrive: the request, its answer; or the connection is reset.
        met: Set once there was such a request, and with `answer`, once it was answered.
        over: Set when all go on; their clients may be gone by then.
    """

    fits: Callable[[str], bool]
    what: Literal["request", "answer", "connection"]
    met: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


class Gate:
    """Forwards each request over a connection of its own.

    Args:
        connect: Makes a connection to what is behind it.

    Attributes:
        url: Where clients are sent.
        refusal: What all requests are answered with; None to let them through.
        turned_away: How many requests, or connections, did not get through.
    """

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self.refusal: Refusal | None = None
        self.turned_away = 0
        self._connect = connect
        self._is_away = False
        self._lock = threading.Lock()
        self._clients: set[socket.socket] = set()
        self._holds: list[Hold] = []
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.url = f"http://{self.address}"
        threading.Thread(target=self._accept, name="gate", daemon=True).start()

    def cut(self, *, away: bool = False) -> None:
        """Reset all connections.

        Args:
            away: Whether new ones are reset as well, until `reopen`.
        """
        with self._lock:
            self._is_away = away
            clients = list(self._clients)
        for client in clients:
            _reset(client)

    def reopen(self) -> None:
        """Let everything through again."""
        self._is_away, self.refusal = False, None

    @contextmanager
    def holding(
        self, what: Literal["request", "answer", "connection"], fits: Callable[[str], bool]
    ) -> Iterator[Hold]:
        """Hold back all requests that fit, or what follows them, for the length of a `with` block."""
        hold = Hold(fits, what)
        self._holds.append(hold)
        try:
            yield hold
        finally:
            self._holds.remove(hold)
            hold.over.set()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut(away=True)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            with self._lock:
                self._clients.add(client)
                is_away = self._is_away
            if is_away:
                self.turned_away += 1
                _reset(client)
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            head, body = _message(client)
            if head:
                self._answer(client, head, body)
        with self._lock:
            self._clients.discard(client)

    def _answer(self, client: socket.socket, head: bytes, body: bytes) -> None:
        if self.refusal is not None:
            self.turned_away += 1
            client.sendall(self.refusal.rendered())
            return
        text = head.decode("latin-1")
        hold = next((each for each in self._holds if each.fits(text)), None)
        if hold is not None and hold.what == "request":
            hold.met.set()
            hold.over.wait()
        if hold is not None and hold.what == "connection":
            hold.met.set()
            _reset(client)
        if _is_gone(client):
            return
        with self._connect() as behind:
            behind.sendall(_closing(head) + body)
            answer = b""
            while _HEAD_END not in answer:
                if not (part := _next_part(behind, client)):
                    return
                answer += part
            if hold is not None and hold.what == "answer":
                hold.met.set()
                hold.over.wait()
            start, _, rest = answer.partition(_HEAD_END)
            client.sendall(_closing(start + _HEAD_END) + rest)
            while part := _next_part(behind, client):
                client.sendall(part)


def gate_to(host: str, port: int) -> Gate:
    """Stand before a port."""
    return Gate(lambda: socket.create_connection((host, port), 30))


def gate_to_socket(path: str) -> Gate:
    """Stand before a UNIX socket."""

    def connect() -> socket.socket:
        found = socket.socket(socket.AF_UNIX)
        try:
            found.connect(path)
        except OSError:
            found.close()
            raise
        return found

    return Gate(connect)


def _message(client: socket.socket) -> tuple[bytes, bytes]:
    """Read one request: its head, and its body as it came."""
    read = b""
    while _HEAD_END not in read:
        if not (part := client.recv(65536)):
            return b"", b""
        read += part
    head, _, body = read.partition(_HEAD_END)
    headers = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    length = int(headers.get(b"content-length", b"0"))
    is_chunked = b"chunked" in headers.get(b"transfer-encoding", b"")
    while len(body) < length or (is_chunked and not body.endswith(b"0\r\n\r\n")):
        if not (part := client.recv(65536)):
            return b"", b""
        body += part
    return head + _HEAD_END, body


def _closing(head: bytes) -> bytes:
    """Have the connection end with this message, so that each request is seen."""
    lines = head.removesuffix(_HEAD_END).split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*kept, b"Connection: close"]) + _HEAD_END


def _next_part(behind: socket.socket, client: socket.socket) -> bytes:
    """Wait for more of an answer; nothing comes once either side has ended."""
    while True:
        ready, _, _ = select.select([behind, client], [], [])
        if client in ready and not client.recv(65536):
            return b""
        if behind in ready:
            return behind.recv(65536)


def _is_gone(client: socket.socket) -> bool:
    ready, _, _ = select.select([client], [], [], 0)
    return bool(ready) and not client.recv(1, socket.MSG_PEEK)


def _reset(client: socket.socket) -> None:
    with suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        client.shutdown(socket.SHUT_RDWR)

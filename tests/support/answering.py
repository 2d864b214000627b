"""A tiny HTTP server that answers as a test tells it to: also wrongly, late, or not to the end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

#: What a Headrace server says with each answer.
HEADERS = {"headrace-wire": "1", "content-type": "application/json"}


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What is answered.

    Attributes:
        body: The body.
        status: The status.
        headers: Headers, with those of a Headrace server by default.
        cut: How many bytes of the whole answer are sent before the connection is closed; None for
            all of them, after which it stays open.
        delay: For how many seconds nothing is sent.
    """

    body: bytes = b"null"
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(HEADERS))
    cut: int | None = None
    delay: float = 0.0


class AnsweringServer:
    """Answers each request with what `reply` returns for it, and keeps it in `asked`."""

    def __init__(self, reply: Callable[[Asked], Answer]) -> None:
        self.reply = reply
        self.asked: list[Asked] = []
        #: How many connections were opened.
        self.connections = 0
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._start(self._accept)

    def close(self) -> None:
        self._over.set()
        # `close` alone would not wake a thread that is in `accept`.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._start(lambda connection=connection: self._serve(connection))

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while True:
                try:
                    asked = self._read(stream)
                    if asked is None:
                        return
                    self.asked.append(asked)
                    if not self._answer(connection, self.reply(asked)):
                        return
                except OSError:
                    return

    def _read(self, stream: object) -> Asked | None:
        line = stream.readline()  # type: ignore[attr-defined]
        if not line:
            return None
        method, target, _ = line.decode().split(" ")
        headers = {}
        while line := stream.readline().decode().strip():  # type: ignore[attr-defined]
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0)))  # type: ignore[attr-defined]
        return Asked(method, target, headers, body)

    def _answer(self, connection: socket.socket, answer: Answer) -> bool:
        if answer.delay and self._over.wait(answer.delay):
            return False
        head = f"HTTP/1.1 {answer.status} X\r\ncontent-length: {len(answer.body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        data = f"{head}\r\n".encode() + answer.body
        connection.sendall(data if answer.cut is None else data[: answer.cut])
        return answer.cut is None


@contextmanager
def answering(reply: Answer | Callable[[Asked], Answer]) -> Iterator[AnsweringServer]:
    """Run such a server for the length of a `with` block.

    Args:
        reply: The answer to all requests, or what gives the answer to each.
    """
    server = AnsweringServer(reply if callable(reply) else lambda _asked: reply)
    try:
        yield server
    finally:
        server.close()

"""A load generator: HTTP/1.1 over asyncio, as little of it as it takes to keep a server busy.

A client library costs more for each request than the server does, and then measures itself. Here a
request is bytes that were put together beforehand, a connection is kept and has one request under
way at a time, and of an answer only the status and the length are looked at.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil
from time import perf_counter
from urllib.parse import urlsplit

_END = b"\r\n\r\n"


class Answer(bytes):
    """The body of an answer, with the status that it came with."""

    status: int

    @classmethod
    def of(cls, status: int, body: bytes) -> Answer:
        """Make one.

        Args:
            status: The status.
            body: The body.
        """
        answer = cls(body)
        answer.status = status
        return answer


def encode(
    method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a whole request, to be sent as it is.

    Args:
        method: The method.
        path: The path, with the query.
        body: The body: JSON, unless `headers` say otherwise.
        headers: More headers.
    """
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(body)}"]
    all_headers = {"content-type": "application/json"} if body else {}
    lines += [f"{name}: {value}" for name, value in (all_headers | dict(headers or {})).items()]
    return "\r\n".join(lines).encode() + _END + body


class Connection(asyncio.Protocol):
    """A connection that is kept, with one request under way at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._received = bytearray()
        self._status = 0
        #: The length of the whole answer, once its head is there.
        self._length: int | None = None

    @classmethod
    async def open(cls, url: str) -> Connection:
        """Connect to a server.

        Args:
            url: Its address: `http://host:port`; what follows is not looked at.
        """
        parts = urlsplit(url)
        loop = asyncio.get_running_loop()
        host, port = parts.hostname or "127.0.0.1", parts.port or 80
        _, connection = await loop.create_connection(cls, host, port)
        return connection

    async def request(self, data: bytes) -> Answer:
        """Send a request and return its answer.

        Args:
            data: What `encode` has made.

        Raises:
            ConnectionError: If the server hangs up.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return await self._waiting

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send small requests at once."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        held = transport.get_extra_info("socket")
        held.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Take in a part of an answer."""
        received = self._received
        received += data
        if self._length is None:
            end = received.find(_END)
            if end < 0:
                return
            self._status, self._length = _head(bytes(received[:end]))
            del received[: end + len(_END)]
        if len(received) >= self._length:
            answer = Answer.of(self._status, bytes(received))
            received.clear()
            self._length = None
            waiting, self._waiting = self._waiting, None
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits that nothing comes any more."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionResetError("the server hung up"))


def _head(head: bytes) -> tuple[int, int]:
    status = int(head[9:12])
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return status, int(value)
    if status in {204, 304}:
        return status, 0
    raise ValueError(f"an answer without a content-length: {head.decode('latin-1')}")


@dataclass(kw_only=True)
class Measured:
    """What came of a load.

    Attributes:
        seconds: How long it took in all.
        latencies: How long each answer took, in seconds.
        statuses: How many answers had which status; 0 counts requests that were hung up on.
        problems: The bodies of some answers that were no success.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    problems: list[bytes] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many answers there were."""
        return len(self.latencies)

    @property
    def per_second(self) -> float:
        """How many answers there were each second."""
        return self.count / self.seconds

    def percentile(self, percent: float) -> float:
        """Return how many seconds that share of the answers took at most, by the nearest rank.

        Args:
            percent: The share: 50 for the median.
        """
        ordered = sorted(self.latencies)
        return ordered[max(ceil(len(ordered) * percent / 100), 1) - 1]

    def count_answer(self, answer: Answer, seconds: float) -> None:
        """Take an answer into the account.

        Args:
            answer: The answer.
            seconds: How long it took.
        """
        self.latencies.append(seconds)
        self.statuses[answer.status] += 1
        if not 200 <= answer.status < 300 and len(self.problems) < 10:
            self.problems.append(bytes(answer))


async def drive(
    url: str,
    streams: Iterable[Iterable[bytes]],
    on_answer: Callable[[Answer], None] | None = None,
) -> Measured:
    """Send streams of requests, each over a connection of its own and one after another.

    Args:
        url: The server's address.
        streams: For each connection its requests, made by `encode`. They may be made while they are
            sent, which then counts as part of the load.
        on_answer: Is given each answer.
    """
    measured = Measured()

    async def send(number: int, requests: Iterable[bytes]) -> None:
        for request in requests:
            sent = perf_counter()
            try:
                answer = await connections[number].request(request)
            except ConnectionError as error:
                answer = Answer.of(0, str(error).encode())
                connections[number] = await Connection.open(url)
            measured.count_answer(answer, perf_counter() - sent)
            if on_answer is not None:
                on_answer(answer)

    everything = list(streams)
    connections = [await Connection.open(url) for _ in everything]
    started = perf_counter()
    try:
        async with asyncio.TaskGroup() as group:
            for number, requests in enumerate(everything):
                group.create_task(send(number, requests))
        measured.seconds = perf_counter() - started
    finally:
        for connection in connections:
            connection.close()
    return measured

"""Carries the hub's topics between server processes that share a PostgreSQL database."""

from __future__ import annotations

import asyncio
import threading
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from headrace.core.errors import DatabaseUnavailable
from headrace.server.db.database import make_engine

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

    from headrace.server.parts import Parts
    from headrace.server.services.hub import Hub

_CHANNEL = "headrace"
#: For how many seconds topics are gathered before they are sent together.
_GATHER = 0.005
#: PostgreSQL's bound on what a notification may carry is 8,000 bytes.
_MOST_BYTES = 7_500


class _Connections:
    """Connections that are all closed in the end, those too that are being opened at that time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._opened: list[Any] = []
        self._closed = False
        self._lock = threading.Lock()

    def open(self) -> Any:
        """Return a driver's connection that commits each statement."""
        opened = self._engine.raw_connection()
        driver: Any = opened.driver_connection
        with self._lock:
            self._opened.append(opened)
            if self._closed:
                opened.invalidate()
                return driver
        driver.set_autocommit(True)
        return driver

    def close(self) -> None:
        """Close all of them, whatever state they are in."""
        with self._lock:
            self._closed = True
            for opened in self._opened:
                opened.invalidate()


class Notifications:
    """Sends what is notified here to other servers, and delivers here what they send.

    While it is not connected nothing of this process waits for it: agents are looked after by a
    plain poll, and whoever waits for a run asks again when the time is up.

    Args:
        url: Where the database is.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        # Other servers are told apart from this one by a name that no other has.
        self._name = uuid.uuid4().hex
        self._topics: dict[str, None] = {}
        self._gathered = asyncio.Event()

    async def run(self, parts: Parts) -> None:
        """Carry topics until it is cancelled.

        Raises:
            DatabaseUnavailable: If the connection is lost.
        """
        engine = make_engine(self._url, connections=2, writes=True)
        failures: Any = (DBAPIError, engine.dialect.loaded_dbapi.Error)
        connections = _Connections(engine)
        try:
            heard = await asyncio.to_thread(connections.open)
            said = await asyncio.to_thread(connections.open)
            await asyncio.to_thread(heard.execute, f"LISTEN {_CHANNEL}")
            await self._carry(parts.hub, heard, said, failures)
        except failures as error:
            told = " ".join(str(error).split())
            raise DatabaseUnavailable(f"Other servers cannot be heard of: {told}.") from error
        finally:
            connections.close()
            engine.dispose()

    async def _carry(self, hub: Hub, heard: Any, said: Any, failures: Any) -> None:
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[None] = loop.create_future()

        def hear() -> None:
            try:
                heard.pgconn.consume_input()
                while (notification := heard.pgconn.notifies()) is not None:
                    self._deliver(hub, notification.extra.decode())
            except failures as error:
                if not lost.done():
                    lost.set_exception(error)

        descriptor = heard.pgconn.socket
        loop.add_reader(descriptor, hear)
        hub.forward(self._put)
        # What was said before this process listened is not known.
        hub.deliver_all()
        sending = asyncio.create_task(self._send(said))
        try:
            await asyncio.wait({lost, sending}, return_when=asyncio.FIRST_COMPLETED)
            for ended in (lost, sending):
                if ended.done():
                    ended.result()
        finally:
            hub.forward(None)
            loop.remove_reader(descriptor)
            sending.cancel()
            lost.cancel()
            with suppress(asyncio.CancelledError, *failures):
                await sending

    def _put(self, topic: str) -> None:
        self._topics[topic] = None
        self._gathered.set()

    async def _send(self, said: Any) -> None:
        while True:
            await self._gathered.wait()
            await asyncio.sleep(_GATHER)
            self._gathered.clear()
            topics, self._topics = self._topics, {}
            for payload in self._payloads(topics):
                await asyncio.to_thread(
                    said.execute, "SELECT pg_notify(%s, %s)", (_CHANNEL, payload)
                )

    def _payloads(self, topics: dict[str, None]) -> list[str]:
        payloads: list[str] = []
        current = self._name
        for topic in topics:
            if len(current.encode()) + len(topic.encode()) >= _MOST_BYTES:
                payloads.append(current)
                current = self._name
            current += f"\n{topic}"
        return [*payloads, current] if current != self._name else payloads

    def _deliver(self, hub: Hub, payload: str) -> None:
        name, *topics = payload.split("\n")
        if name != self._name:
            for topic in topics:
                hub.deliver(topic)

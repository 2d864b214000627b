"""A server's side of one flow run, with the behaviour that a test wants: for supervisors."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class RunPeer:
    """Answers for one flow run; keeps what it was told.

    Attributes:
        events: What is stored, in order.
        exits: The reasons of `exited`.
        asked: The path of each request, without the run.
        refuse_activation: What `activate` is refused with.
        refused, cancel, pause: What event answers hold.
        lease: The lease, in seconds.
        away: Whether every request is answered with 503.
        problem: What every request is answered with.
        poison: Events with this text in them are not taken.
    """

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.activations: list[dict[str, Any]] = []
        self.exits: list[str] = []
        self.asked: list[str] = []
        self.refuse_activation: str | None = None
        self.refused: str | None = None
        self.cancel: str | None = None
        self.pause: str | None = None
        self.lease = 30.0
        self.away = False
        self.poison: str | None = None
        self.problem: tuple[int, dict[str, Any]] | None = None
        self.sizes: list[int] = []
        self.stale: list[dict[str, Any]] = []
        self.details: dict[str, Any] = {}
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def wait_for(self, condition: Any, timeout: float = 60.0) -> None:
        """Wait until something holds."""
        until = time.monotonic() + timeout
        while not condition(self):
            assert time.monotonic() < until, (
                f"it did not come: {self.events} {self.exits} {self.asked[-20:]}"
            )
            time.sleep(0.01)

    @property
    def lines(self) -> list[str]:
        return [each["message"] for each in self.events if each["event"] == "log"]

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        verb = path.rsplit("/", 1)[1]
        self.asked.append(verb)
        if self.away:
            return 503, {"code": "away", "message": "away"}
        if self.problem is not None:
            return self.problem
        return getattr(self, f"_{verb}")(body)

    def _activate(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.activations.append(body)
        if self.refuse_activation:
            return 200, {"refused": self.refuse_activation}
        run = {
            "id": "run-1",
            "name": "a-run",
            "attempt": body["attempt"],
            "flow_id": "flow-1",
            "flow_name": "f",
            "flow_version": 1,
            "project_name": "p",
            **self.details,
        }
        return 200, {"lease": self.lease, "run": run}

    def _events(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        events, first = body.get("events", []), body.get("first", 1)
        if events:
            self.sizes.append(len(events))
        if self.refused:
            self.stale += events
            return 200, {"stored": len(self.events), "refused": self.refused}
        if self.poison and any(self.poison in json.dumps(event) for event in events):
            return 422, {"code": "bad_event", "message": "An event is bad."}
        if first <= len(self.events) + 1:
            self.events += events[len(self.events) + 1 - first :]
        until = time.monotonic() + body.get("wait", 0.0)
        while not (self.cancel or self.pause or self.refused or self.away):
            if time.monotonic() >= until:
                break
            time.sleep(0.01)
        answer = {"stored": len(self.events), "lease": self.lease}
        answer |= {"cancel": self.cancel, "pause": self.pause, "refused": self.refused}
        return 200, answer

    def _exited(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.exits.append(body["reason"])
        return 200, {}


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: whoever asked was killed, as a rule."""


def _handler(peer: RunPeer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, answer = peer.answer(self.path, body)
            data = json.dumps(answer).encode()
            try:
                self.send_response(status)
                self.send_header("headrace-wire", "1")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                self.close_connection = True

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


@contextmanager
def run_peer() -> Iterator[RunPeer]:
    """Serve for the length of a `with` block."""
    peer = RunPeer()
    thread = threading.Thread(target=peer._server.serve_forever, args=[0.05])
    thread.start()
    try:
        yield peer
    finally:
        peer.away = True
        peer._server.shutdown()
        thread.join()
        peer._server.server_close()

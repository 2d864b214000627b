"""An engine that does not answer, or refuses."""

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from headrace.agents.docker.api import DockerApi, EngineAway, EngineRefusal


def test_an_engine_that_says_nothing_is_away_after_the_time_that_it_may_take():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        api = DockerApi(f"tcp://127.0.0.1:{port}", timeout=0.3)
        began = time.monotonic()
        with pytest.raises(EngineAway, match=f"127.0.0.1:{port} does not answer"):
            api.inspect("any")
        took = time.monotonic() - began
        api.close()
    assert 0.25 < took < 5


class Refuses(BaseHTTPRequestHandler):
    """What stands before an engine, and lets nobody see its events."""

    def do_GET(self):
        is_events = "/events" in self.path
        said = {"message": "no events for you"} if is_events else {"ApiVersion": "1.41"}
        body = json.dumps(said).encode()
        self.send_response(403 if is_events else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_events_that_are_refused_are_no_empty_stream():
    opened = []
    with HTTPServer(("127.0.0.1", 0), Refuses) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        api = DockerApi(f"tcp://127.0.0.1:{server.server_port}")
        with pytest.raises(EngineRefusal, match="no events for you") as raised:
            list(api.events("a=b", "0", opened.append))
        api.close()
        server.shutdown()
    assert raised.value.status == 403
    assert opened == []

"""What the tests' proxy does to requests, as the server behind it sees them."""

import http.client
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import pytest

from tests.support.proxy import Plan, proxy


class Counting(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:
            self.server.halves += 1
            self.close_connection = True
            return
        self.server.got.append(body)
        said = b"%s of %d" % (body, len(self.server.got))
        self.send_response(200)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    server.daemon_threads = True
    server.got, server.halves = [], 0
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def through(server):
    with proxy(f"http://127.0.0.1:{server.server_port}") as standing:
        yield standing


def post(through, body=b"hello"):
    connection = http.client.HTTPConnection(urlsplit(through.url).netloc, timeout=10)
    try:
        connection.request("POST", "/x", body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


HUNG_UP = (ConnectionError, http.client.HTTPException)


def test_what_passes_is_answered(server, through):
    assert post(through) == (200, b"hello of 1")
    assert server.got == [b"hello"]


@pytest.mark.parametrize(
    ("fault", "arrives"),
    [("drop", 0), ("swallow", 1), ("cut", 0), ("cut_answer", 1)],
)
def test_who_is_hung_up_on_does_not_know_what_arrived(server, through, fault, arrives):
    through.plan = Plan(odds={fault: 1.0})
    with pytest.raises(HUNG_UP):
        post(through)
    assert len(server.got) == arrives
    assert [each.fault for each in through.asked] == [fault]


def test_half_a_request_is_sent(server, through):
    through.plan = Plan(odds={"cut": 1.0})
    with pytest.raises(HUNG_UP):
        post(through)
    until = time.monotonic() + 5
    while not server.halves and time.monotonic() < until:
        time.sleep(0.01)
    assert server.halves == 1


def test_what_is_repeated_arrives_twice(server, through):
    through.plan = Plan(odds={"repeat": 1.0})
    assert post(through) == (200, b"hello of 2")


def test_what_is_late_arrives_after_what_came_later(server, through):
    through.plan = Plan(seed=1, odds={"late": 1.0}, longest=1.0)
    with pytest.raises(HUNG_UP):
        post(through, b"first")
    through.plan = Plan()
    post(through, b"second")
    until = time.monotonic() + 5
    while len(server.got) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert server.got == [b"second", b"first"]


def test_a_refusal_is_a_503(server, through):
    through.plan = Plan(odds={"refuse": 1.0})
    assert post(through)[0] == 503
    assert server.got == []


def test_nothing_gets_through_while_the_server_is_away(server, through):
    through.away = True
    with pytest.raises(HUNG_UP):
        post(through)
    through.away = False
    assert post(through) == (200, b"hello of 1")


def test_a_seed_repeats_a_plan():
    odds = {"drop": 0.2, "delay": 0.3}
    one, two = (Plan(seed=7, odds=odds) for _ in range(2))
    drawn = [one.draw("GET", "/") for _ in range(200)]
    assert drawn == [two.draw("GET", "/") for _ in range(200)]
    assert {fault for fault, _ in drawn} == {"drop", "delay", "pass"}


def test_a_plan_may_be_about_some_requests_only():
    plan = Plan(odds={"drop": 1.0}, on=lambda method, path: path.endswith("/events"))
    assert plan.draw("POST", "/api/runs/1/events")[0] == "drop"
    assert plan.draw("POST", "/api/claims")[0] == "pass"

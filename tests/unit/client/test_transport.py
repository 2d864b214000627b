"""How a server is asked, and what comes of answers that are wrong, late, cut or refused."""

import os
import pickle
import threading
import time

import msgspec
import pytest

from headrace.client import Client
from headrace.client import transport as module
from headrace.client.transport import Transport
from headrace.core.errors import (
    ClientError,
    ConfigError,
    Conflict,
    NoHeadraceServer,
    NotAuthorized,
    NotFound,
    NotInTime,
    Refused,
    ServerFailed,
    ServerUnreachable,
    TooManyRequests,
    VersionMismatch,
)
from headrace.wire.projects import Project
from tests.integration.components.server import free_ports
from tests.support.answering import HEADERS, Answer, answering

PROJECT = b'{"id":"1","name":"a","description":"","created":"2026-01-01T00:00:00Z","later":1}'


def problem(status, code="wrong", message="It is wrong. Mend it."):
    body = msgspec.json.encode({"code": code, "message": message})
    return Answer(body=body, status=status)


def test_an_answer_is_read_and_what_is_new_in_it_is_ignored():
    with answering(Answer(PROJECT)) as server:
        project = Transport(server.url, "k").request("GET", "/projects/a", answer=Project)
    assert (project.name, project.flows) == ("a", 0)
    (asked,) = server.asked
    assert (asked.method, asked.target) == ("GET", "/api/projects/a")
    assert asked.headers["headrace-wire"] == "1"
    assert asked.headers["authorization"] == "Bearer k"
    assert "content-length" not in asked.headers


def test_no_key_is_sent_if_there_is_none_and_a_token_goes_before_the_key():
    with answering(Answer()) as server:
        Transport(server.url).request("GET", "/x")
        Transport(server.url, "key").request("GET", "/x", token="token")
    assert "authorization" not in server.asked[0].headers
    assert server.asked[1].headers["authorization"] == "Bearer token"


def test_queries_leave_out_what_is_none_and_write_booleans_as_json_does():
    with answering(Answer()) as server:
        Transport(server.url).request("GET", "/x", query={"a": None, "b": True, "c": "ü &"})
        Transport(server.url).request("GET", "/x", query={"a": None})
    assert [asked.target for asked in server.asked] == ["/api/x?b=true&c=%C3%BC+%26", "/api/x"]


def test_connections_are_kept_and_threads_share_a_transport():
    with answering(Answer()) as server:
        transport = Transport(server.url)
        for _ in range(5):
            transport.request("GET", "/x")
        assert server.connections == 1
        threads = [
            threading.Thread(target=lambda: [transport.request("GET", "/x") for _ in range(20)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.asked) == 165
        assert server.connections <= 9
        transport.close()
        transport.request("GET", "/x")
        transport.close()


def test_a_forked_child_does_not_write_to_its_parents_connections():
    with answering(Answer(b'"x"')) as server:
        transport = Transport(server.url)
        transport.request("GET", "/parent", answer=str)
        child = os.fork()
        if child == 0:
            # Nothing of the test runner must go on in here.
            code = 1
            try:
                code = 0 if transport.request("GET", "/child", answer=str) == "x" else 2
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        transport.request("GET", "/parent", answer=str)
        assert server.connections == 2
        transport.close()


def test_bytes_are_sent_as_they_are():
    with answering(Answer()) as server:
        Transport(server.url).request("POST", "/x", b'{"raw": 1}')
    assert server.asked[0].body == b'{"raw": 1}'
    assert server.asked[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (401, NotAuthorized),
        (403, NotAuthorized),
        (404, NotFound),
        (409, Conflict),
        (413, Refused),
        (422, Refused),
        (426, VersionMismatch),
        (429, TooManyRequests),
        (500, ServerFailed),
        (503, ServerFailed),
    ],
)
def test_a_problem_is_an_error_with_its_message(status, kind):
    with answering(problem(status)) as server, pytest.raises(kind) as caught:
        Transport(server.url, retries=False).request("POST", "/x")
    error = caught.value
    assert str(error) == "It is wrong. Mend it."
    assert (error.code, error.status, type(error)) == ("wrong", status, kind)
    assert isinstance(error, ClientError)


def test_an_error_without_a_problem_says_the_status():
    broken = Answer(b"Internal Server Error", 500)
    with answering(broken) as server, pytest.raises(ServerFailed, match="with status 500"):
        Transport(server.url).request("POST", "/x")


def test_no_server_names_the_address_and_the_ways_out():
    (port,) = free_ports(1)
    began = time.monotonic()
    with pytest.raises(ServerUnreachable) as caught:
        Client(f"http://127.0.0.1:{port}", "").projects()
    assert time.monotonic() - began < 5
    for part in (
        f"http://127.0.0.1:{port} (connection refused)",
        "headrace server start",
        "HEADRACE_API_URL",
        "config.toml",
    ):
        assert part in str(caught.value)
    assert isinstance(caught.value, ConnectionError)


def test_a_name_that_is_no_machine_is_unreachable():
    with pytest.raises(ServerUnreachable, match="no-such-machine.invalid"):
        Transport("http://no-such-machine.invalid").request("GET", "/x")


def test_a_late_answer_is_given_up_and_not_asked_for_again(monkeypatch):
    monkeypatch.setattr(module, "READ_TIMEOUT", 0.1)
    with answering(Answer(delay=5)) as server:
        with pytest.raises(ServerUnreachable, match="no answer within 0.1 s"):
            Transport(server.url).request("GET", "/x")
        assert len(server.asked) == 1


def test_an_answer_that_is_held_back_on_purpose_is_waited_for(monkeypatch):
    monkeypatch.setattr(module, "READ_TIMEOUT", 0.1)
    with answering(Answer(delay=0.3)) as server:
        Transport(server.url).request("GET", "/x", wait=5)


@pytest.mark.parametrize("cut", [0, 10, 60])
def test_what_may_be_repeated_is_tried_again_when_the_answer_is_cut(cut):
    answers = iter([Answer(b'"whole"', cut=cut), Answer(b'"whole"', cut=cut), Answer(b'"whole"')])
    with answering(lambda _asked: next(answers)) as server:
        assert Transport(server.url).request("GET", "/x", answer=str) == "whole"
        assert len(server.asked) == 3


def test_what_must_not_be_repeated_is_sent_once():
    with answering(Answer(cut=0)) as server:
        with pytest.raises(ServerUnreachable):
            Transport(server.url).request("POST", "/x", {})
        assert len(server.asked) == 1
        with pytest.raises(ServerUnreachable):
            Transport(server.url).request("POST", "/x", {}, repeatable=True)
        assert len(server.asked) == 4
        with pytest.raises(ServerUnreachable):
            Transport(server.url, retries=False).request("GET", "/x")
        assert len(server.asked) == 5


def test_a_server_that_fails_for_a_moment_is_asked_again():
    answers = iter([problem(503), problem(500), Answer(b"1")])
    with answering(lambda _asked: next(answers)) as server:
        assert Transport(server.url).request("GET", "/x", answer=int) == 1


def test_a_server_that_comes_back_is_found_again():
    with answering(Answer(b"1")) as server:
        transport = Transport(server.url)
        transport.request("GET", "/x")
    with pytest.raises(ServerUnreachable):
        transport.request("GET", "/x")
    transport.close()


@pytest.mark.parametrize(("spoken", "older"), [("2", "client"), ("0", "server")])
def test_another_version_of_the_messages_says_which_side_is_older(spoken, older):
    answer = Answer(PROJECT, headers={**HEADERS, "headrace-wire": spoken})
    with answering(answer) as server, pytest.raises(VersionMismatch, match=f"Upgrade the {older}"):
        Transport(server.url).request("GET", "/x", answer=Project)


def test_an_answer_that_does_not_fit_is_a_mismatch_of_versions():
    with answering(Answer(b'{"id": 1}')) as server, pytest.raises(VersionMismatch, match="upgrade"):
        Transport(server.url).request("GET", "/x", answer=Project)


@pytest.mark.parametrize("status", [200, 301, 404, 500])
def test_what_is_no_headrace_server_is_named_as_such(status):
    stranger = Answer(b"<html>", status, headers={"location": "http://elsewhere.invalid"})
    with answering(stranger) as server, pytest.raises(NoHeadraceServer, match="HEADRACE_API_URL"):
        Transport(server.url).request("GET", "/x")


def test_what_stands_before_a_server_that_is_away_says_so_by_its_status():
    with answering(Answer(b"bad gateway", 502, headers={})) as server:
        with pytest.raises(ServerFailed, match="status 502"):
            Transport(server.url).request("POST", "/x")


@pytest.mark.parametrize(
    "url", ["", "here", "ftp://here", "http://", "http://a:b@here", "http://here?x=1", "http://h:x"]
)
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ConfigError, match="HEADRACE_API_URL"):
        Transport(url)


@pytest.mark.parametrize("suffix", ["", "/", "/api", "/api/"])
def test_an_address_may_end_in_api(suffix):
    with answering(Answer()) as server:
        Transport(server.url + suffix).request("GET", "/x")
        Transport(f"{server.url}/below{suffix}").request("GET", "/x")
    assert [asked.target for asked in server.asked] == ["/api/x", "/below/api/x"]


@pytest.mark.parametrize("key", ["kéy", "a\nb"])
def test_a_key_that_cannot_be_sent_is_refused(key):
    with pytest.raises(ConfigError, match="API key") as caught:
        Transport("http://127.0.0.1", key)
    assert key not in str(caught.value)


def test_errors_travel():
    for kind in (ServerUnreachable, NotFound, NotInTime, VersionMismatch):
        error = pickle.loads(pickle.dumps(kind("No.", "code", 404)))
        assert (type(error), str(error), error.code, error.status) == (kind, "No.", "code", 404)

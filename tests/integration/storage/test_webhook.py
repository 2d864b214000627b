"""Webhook storage against a real HTTP server."""

import json
from urllib.parse import parse_qs, urlsplit

import cloudpickle
import pytest

from headrace import Flow
from headrace.core.context import context
from headrace.core.errors import LoadError, SecretError, StorageError
from headrace.storage import Webhook, storage_from
from headrace.testing import StorageContract
from tests.integration.components.server import free_ports
from tests.support.answering import Answer, answering
from tests.support.code_store import flow_that_gives, given_by, script


class Shelf:
    """A service that keeps one file at each path, for whoever knows the token."""

    def __init__(self):
        self.kept = {}

    def __call__(self, asked):
        place = urlsplit(asked.target)
        token = parse_qs(place.query).get("token", [asked.headers.get("authorization", "")])[0]
        if not token.endswith("s3cr3t"):
            return Answer(f"No: {token}\nat line 2".encode(), 403, {})
        if asked.method == "POST":
            self.kept[place.path] = asked.body
            return Answer(b"", 201, {})
        if place.path not in self.kept:
            return Answer(b"", 404, {})
        return Answer(self.kept[place.path], 200, {})


@pytest.fixture(autouse=True)
def token(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SHELF_TOKEN", "s3cr3t")


@pytest.fixture
def shelf():
    with answering(Shelf()) as server:
        yield server


def requests(server, path="/nightly"):
    request = {"url": server.url + path, "headers": {"Authorization": "Bearer ${SHELF_TOKEN}"}}
    return {
        "build_request_kwargs": request,
        "build_request_http_method": "POST",
        "get_flow_request_kwargs": request,
        "get_flow_request_http_method": "get",
    }


def stored(flow, server, **arguments):
    storage = Webhook(**requests(server), **arguments)
    storage.add_flow(flow)
    return storage.build()


class TestPickles(StorageContract):
    @pytest.fixture
    def make(self, shelf):
        return lambda flows, **arguments: Webhook(**requests(shelf), **arguments)


class TestScripts(StorageContract):
    @pytest.fixture
    def make(self, shelf, tmp_path):
        def _make(flows, **arguments):
            file = tmp_path / "flows.py"
            file.write_text(self.code_of(flows))
            return Webhook(
                **requests(shelf), stored_as_script=True, flow_script_path=file, **arguments
            )

        return _make


def test_places_are_filled_in_when_a_request_is_made(shelf, monkeypatch):
    storage = stored(flow_that_gives(1), shelf)
    (sent,) = shelf.asked
    assert sent.headers["authorization"] == "Bearer s3cr3t"
    kept = json.dumps(storage.serialize()).encode() + cloudpickle.dumps(storage) + sent.body
    assert b"s3cr3t" not in kept
    # What the environment has not is a secret.
    monkeypatch.delenv("SHELF_TOKEN")
    with context(secrets={"SHELF_TOKEN": "s3cr3t"}):
        assert given_by(storage.get_flow("nightly")) == 1
    with pytest.raises(SecretError, match=r"\$\{SHELF_TOKEN\}.*neither an environment variable"):
        storage.get_flow("nightly")


def test_another_host_is_not_told_what_was_filled_in(shelf):
    def elsewhere(asked):
        assert "x-key" not in asked.headers and "authorization" not in asked.headers
        assert asked.headers["accept"] == "*/*"
        return Answer(stranger, 200, {})

    stranger = stored(flow_that_gives(1), shelf) and shelf.asked[0].body
    with answering(elsewhere) as other:
        to_other = {"Location": other.url.replace("127.0.0.1", "localhost") + "/nightly"}
        with answering(lambda asked: Answer(b"", 302, to_other)) as server:
            request = requests(server)["get_flow_request_kwargs"]
            request["headers"] |= {"X-Key": "${SHELF_TOKEN}", "Accept": "*/*"}
            storage = Webhook(request, "POST", request, "GET", stored_as_script=False)
            storage.restore({"flows": {"nightly": server.url}})
            assert given_by(storage.get_flow("nightly")) == 1
            (asked,) = server.asked
            assert asked.headers["x-key"] == "s3cr3t"


def test_what_is_in_a_request(monkeypatch):
    monkeypatch.setenv("NAME", "Ada")
    with answering(Answer(b"nothing", 200, {})) as server:
        storage = Webhook(
            {"url": server.url},
            "POST",
            {
                "url": server.url + "/${NAME}",
                "params": {"who": "${NAME} & co", "n": [1, 2]},
                "auth": ["${NAME}", "${SHELF_TOKEN}"],
                "cookies": {"session": "${SHELF_TOKEN}"},
                "json": {"deep": ["${NAME}"]},
                "timeout": 5,
                "verify": False,
            },
            "PUT",
        )
        storage.add_flow(Flow("nightly"))
        with pytest.raises(StorageError, match=r"/\$\{NAME\} answers is not what was registered"):
            storage.get_flow("nightly")
        (asked,) = server.asked
    assert asked.method == "PUT"
    assert asked.target == "/Ada?who=Ada+%26+co&n=1&n=2"
    assert asked.headers["authorization"] == "Basic QWRhOnMzY3IzdA=="
    assert asked.headers["cookie"] == "session=s3cr3t"
    assert json.loads(asked.body) == {"deep": ["Ada"]}


def test_answers_that_are_none(shelf, monkeypatch, tmp_path):
    storage = stored(flow_that_gives(1), shelf)
    shelf.reply.kept.clear()
    with pytest.raises(StorageError, match=r"GET http.*/nightly .*is answered with 404"):
        storage.get_flow("nightly")
    monkeypatch.setenv("SHELF_TOKEN", "wr0ng")
    with pytest.raises(
        StorageError, match=r"403 X: No: Bearer \$\{SHELF_TOKEN\}\. Look at build_request_kwargs"
    ) as raised:
        stored(flow_that_gives(1), shelf)
    assert "wr0ng" not in str(raised.value)
    assert "line 2" not in str(raised.value)
    (port,) = free_ports(1)
    nobody = Webhook(
        {"url": f"http://127.0.0.1:{port}"}, "POST", {"url": f"http://127.0.0.1:{port}"}, "GET"
    )
    nobody.add_flow(flow_that_gives(1))
    with pytest.raises(StorageError, match=r"cannot be made: NewConnectionError.*refused"):
        nobody.build()


def test_what_was_stored_since_is_noticed(shelf, tmp_path):
    first = stored(flow_that_gives(1), shelf)
    assert stored(flow_that_gives(1), shelf).serialize() == first.serialize()
    second = stored(flow_that_gives(2), shelf)
    assert given_by(storage_from(second.serialize()).get_flow("nightly")) == 2
    with pytest.raises(StorageError, match="not what was registered .* another version of it"):
        storage_from(first.serialize()).get_flow("nightly")
    with pytest.raises(StorageError, match="has the flow 'nightly' already"):
        second.add_flow(Flow("other"))
    file = script(tmp_path / "f.py", 3, name="other")
    script_of_another = stored(Flow("nightly"), shelf, stored_as_script=True, flow_script_path=file)
    with pytest.raises(LoadError, match=r"no flow 'nightly' in http://.*'other'"):
        script_of_another.get_flow("nightly")


@pytest.mark.parametrize(
    "request_kwargs",
    [
        {"headers": {"X-Api-Key": "s3cr3t"}},
        {"params": {"access_token": "s3cr3t"}},
        {"auth": ("me", "s3cr3t")},
        {"cookies": {"session": "s3cr3t"}},
        {"url": "https://me:s3cr3t@flows.example.com"},
        {"url": "https://flows.example.com/get?version=1&access_token=s3cr3t"},
    ],
)
def test_secrets_are_not_told_to_the_server(request_kwargs):
    storage = Webhook(
        {"url": "https://flows.example.com"},
        "POST",
        {"url": "https://flows.example.com", **request_kwargs},
        "GET",
    )
    for act in (storage.serialize, lambda: storage.add_flow(Flow("nightly"))):
        with pytest.raises(StorageError, match=r"looks like a secret.*\$\{NAME\}") as raised:
            act()
        assert "s3cr3t" not in str(raised.value)


def test_arguments_that_make_no_request():
    good = {"url": "https://flows.example.com"}
    for arguments, message in (
        ((good, "SEND", good, "GET"), "one of GET, POST.*'SEND'"),
        (({}, "POST", good, "GET"), "build_request_kwargs .* needs the address"),
        ((good, "POST", {**good, "prxies": {}}, "GET"), "get_flow_request_kwargs .*prxies"),
        ((None, "POST", good, "GET"), "are a dict"),
    ):
        with pytest.raises(StorageError, match=message):
            Webhook(*arguments)
    with pytest.raises(StorageError, match="flow_script_path=__file__"):
        Webhook(good, "POST", good, "GET", stored_as_script=True).add_flow(Flow("nightly"))

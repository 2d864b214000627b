"""Vertex AI's custom jobs, as a server of our own: their containers are real processes.

No emulator of it is published. This one takes nothing that the published protos do not have, answers
with nothing else, asks for tokens as Google does, and refuses with `google.rpc.Status`.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt
from google.auth.exceptions import GoogleAuthError, MalformedError

from tests.integration.components.vertex_filters import BadFilter, parse
from tests.integration.components.vertex_jobs import Invalid, Job, Machines, masked, parsed

PROJECT, NUMBER, REGION = "headrace-test", "415104041262", "europe-west4"
UNIVERSE = "universe.example"
_REGIONS = (REGION, "us-central1")
_JOBS = re.compile(r"/v1/projects/([^/]+)/locations/([^/]+)/customJobs(?:/(\d+)(:cancel)?)?")
#: Google's own has no types.
_decode: Any = jwt.decode
_CODES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
}
#: Parameters of lists, and those that all of Google's interfaces take.
_LIST = {"filter", "pageSize", "pageToken", "readMask"}
_ALL = {"fields", "$alt", "alt", "prettyPrint"}


class Refuse(Exception):
    """An answer that is no success."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class Fault:
    """What happens to requests of one kind: refused, or done and never answered."""

    kind: str
    status: str | None
    message: str = "injected"
    times: int = 1
    is_done: bool = False
    seconds: float = 0.0


class FakeVertex:
    """The server while it runs.

    Attributes:
        url: Its address, for Vertex AI, for Cloud Logging and for tokens.
        machines: Its jobs.
        key_file: A service account's key that it takes.
        revoked_key_file: One that it gives no token for.
        waits: For how many seconds jobs that are made from now on are queued, and pending.
        asked: The kind of each request.
        refuses_all: Whether it takes no key any more.
    """

    def __init__(self, folder: Path) -> None:
        self.machines = Machines(folder)
        self.waits = {"QUEUED": 0.0, "PENDING": 0.0}
        self.asked: list[str] = []
        self.faults: list[Fault] = []
        self.refuses_all = False
        self._ids = itertools.count(7_000_000_000_000_000_001)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        # Google's package asks nobody else about keys that are not of its own universe.
        self.key_file, self._public = _key_file(folder / "key.json", self.url, UNIVERSE)
        self.revoked_key_file, _ = _key_file(folder / "revoked.json", self.url, "googleapis.com")
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()

    @property
    def jobs(self) -> list[Job]:
        """All its jobs, in their order."""
        with self.machines.lock:
            return list(self.machines.jobs.values())

    def of(self, flow_run_id: str) -> list[Job]:
        """Return the jobs of a flow run, in their order."""
        return [job for job in self.jobs if job.message.labels["headrace_run"] == flow_run_id]

    def fail(self, kind: str, status: str | None, **more: Any) -> None:
        """Have the next requests of a kind go wrong."""
        self.faults.append(Fault(kind, status, **more))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.machines.close()

    # -- answers --------------------------------------------------------------------------------

    def fault(self, kind: str) -> Fault | None:
        for fault in self.faults:
            if fault.kind == kind and fault.times > 0:
                fault.times -= 1
                return fault
        return None

    def check_token(self, token: str) -> None:
        """Take what is signed by the service account's own key, and no other."""
        try:
            if self.refuses_all:
                raise ValueError("revoked")
            _decode(token, certs=self._public, clock_skew_in_seconds=10)
        except (ValueError, MalformedError, GoogleAuthError):
            message = "Request had invalid authentication credentials."
            raise Refuse("UNAUTHENTICATED", message) from None

    def create(self, parent: str, body: bytes) -> dict[str, Any]:
        try:
            message = parsed(body)
        except Invalid as error:
            raise Refuse("INVALID_ARGUMENT", str(error)) from None
        name = f"{parent}/customJobs/{next(self._ids)}"
        return self.machines.add(name, message, dict(self.waits)).rendered()

    def list(self, parent: str, params: dict[str, str]) -> dict[str, Any]:
        which = params.get("filter", "")
        try:
            size = int(params.get("pageSize") or 0)
            lets_through = parse(which)
        except (BadFilter, ValueError) as error:
            raise Refuse("INVALID_ARGUMENT", f"List filter is invalid: {error}") from None
        if size < 0:
            raise Refuse("INVALID_ARGUMENT", "page_size must not be negative")
        size = min(size or 20, 100)
        start = 0
        if token := params.get("pageToken"):
            try:
                start, of = json.loads(base64.urlsafe_b64decode(token))
            except ValueError:
                raise Refuse("INVALID_ARGUMENT", "page_token is invalid") from None
            if of != which:
                raise Refuse("INVALID_ARGUMENT", "page_token is of another filter")
        with self.machines.lock:
            mine = [job for name, job in self.machines.jobs.items() if name.startswith(parent)]
            found = [shown for job in reversed(mine) if lets_through(shown := job.rendered())]
        page: dict[str, Any] = {"customJobs": found[start : start + size]}
        if start + size < len(found):
            text = json.dumps([start + size, which]).encode()
            page["nextPageToken"] = base64.urlsafe_b64encode(text).decode()
        return {name: value for name, value in page.items() if value}

    def one(self, name: str) -> Job:
        with self.machines.lock:
            if name not in self.machines.jobs:
                raise Refuse("NOT_FOUND", f"The CustomJob {name!r} does not exist.")
            return self.machines.jobs[name]

    def cancel(self, name: str) -> dict[str, Any]:
        with self.machines.lock:
            job = self.one(name)
            if job.is_over:
                raise Refuse("FAILED_PRECONDITION", f"{name} is {job.state}.")
            if job.state != "CANCELLING":
                job.become("CANCELLING")
                if job.process is not None and job.process.poll() is None:
                    job.process.terminate()
        return {}

    def delete(self, name: str) -> dict[str, Any]:
        with self.machines.lock:
            job = self.one(name)
            if not job.is_over:
                raise Refuse("FAILED_PRECONDITION", f"{name} is {job.state}.")
            del self.machines.jobs[name]
        parent = name.rsplit("/customJobs/", 1)[0]
        empty = {"@type": "type.googleapis.com/google.protobuf.Empty"}
        return {"name": f"{parent}/operations/{next(self._ids)}", "done": True, "response": empty}

    def entries(self, body: bytes) -> dict[str, Any]:
        """Answer `entries:list` of Cloud Logging, for the one filter that is asked."""
        asked = json.loads(body)
        known = {"resourceNames", "filter", "orderBy", "pageSize", "pageToken"}
        found = re.fullmatch(
            r'resource\.type="ml_job" AND resource\.labels\.job_id="(\d+)"', asked.get("filter", "")
        )
        if asked.keys() - known or found is None or asked.get("orderBy") != "timestamp desc":
            raise Refuse("INVALID_ARGUMENT", f"Unparseable filter: {asked}")
        if asked.get("resourceNames") != [f"projects/{PROJECT}"]:
            raise Refuse("PERMISSION_DENIED", "Permission denied for all log views")
        job = next((job for job in self.jobs if job.message.name.endswith(found[1])), None)
        lines = job.log.read_text().splitlines() if job and job.log.exists() else []
        resource = {"type": "ml_job", "labels": {"job_id": found[1], "project_id": PROJECT}}
        entries = [
            {"resource": resource, "insertId": str(number), "jsonPayload": {"message": line}}
            for number, line in enumerate(lines)
        ]
        return {"entries": entries[::-1][: asked.get("pageSize", 50)]}


def _handler(fake: FakeVertex) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._answer()

        do_POST = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urllib.parse.urlsplit(self.path)
            params = dict(urllib.parse.parse_qsl(url.query))
            kind, parts = self._kind(url.path)
            fake.asked.append(kind)
            fault = fake.fault(kind)
            try:
                if fault is not None:
                    time.sleep(fault.seconds)
                    if fault.status is not None and not fault.is_done:
                        raise Refuse(fault.status, fault.message)
                found = self._do(kind, parts, params, body)
                if fault is not None and fault.is_done:
                    # It is done, and nobody hears of it.
                    self.close_connection = True
                    return
                self._send(200, masked(found, params.get("fields", "")))
            except Refuse as refuse:
                code = _CODES[refuse.status]
                said = {"code": code, "message": refuse.message, "status": refuse.status}
                self._send(code, {"error": said} if kind != "token" else {"error": refuse.message})

        def _kind(self, path: str) -> tuple[str, Any]:
            if path == "/token":
                return "token", None
            if path == "/v2/entries:list":
                return "entries", None
            found = _JOBS.fullmatch(urllib.parse.unquote(path))
            if found is None:
                return "unknown", path
            names = {
                ("GET", False, False): "list",
                ("POST", False, False): "create",
                ("GET", True, False): "get",
                ("DELETE", True, False): "delete",
                ("POST", True, True): "cancel",
            }
            asked = (self.command, found[3] is not None, found[4] is not None)
            return names.get(asked, "unknown"), found

        def _do(self, kind: str, parts: Any, params: dict[str, str], body: bytes) -> dict[str, Any]:
            if kind == "token":
                raise Refuse("INVALID_ARGUMENT", "invalid_grant")
            fake.check_token((self.headers.get("Authorization") or "").removeprefix("Bearer "))
            if kind == "entries":
                return fake.entries(body)
            if kind == "unknown":
                raise Refuse("NOT_FOUND", f"There is nothing at {self.path}.")
            unknown = params.keys() - _ALL - (_LIST if kind == "list" else set())
            if unknown:
                raise Refuse("INVALID_ARGUMENT", f"Cannot bind query parameter {sorted(unknown)}")
            parent, job = self._place(parts)
            if kind == "create":
                return fake.create(parent, body)
            if kind == "list":
                return fake.list(parent, params)
            if kind == "get":
                with fake.machines.lock:
                    return fake.one(job).rendered()
            return fake.cancel(job) if kind == "cancel" else fake.delete(job)

        def _place(self, parts: re.Match[str]) -> tuple[str, str]:
            if parts[1] not in (PROJECT, NUMBER):
                message = f"Permission denied on resource project {parts[1]}."
                raise Refuse("PERMISSION_DENIED", message)
            if parts[2] not in _REGIONS:
                message = f"The provided location ID {parts[2]!r} is not supported."
                raise Refuse("INVALID_ARGUMENT", message)
            # Names in answers have the project's number, whichever was asked for.
            parent = f"projects/{NUMBER}/locations/{parts[2]}"
            return parent, f"{parent}/customJobs/{parts[3]}"

        def _send(self, code: int, found: dict[str, Any]) -> None:
            content = json.dumps(found).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


def _key_file(path: Path, url: str, universe: str) -> tuple[Path, bytes]:
    """Write a service account's key, as Google gives it to people; return its public half, too."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    content = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": f"agent@{PROJECT}.iam.gserviceaccount.com",
        "token_uri": f"{url}/token",
        "universe_domain": universe,
    }
    path.write_text(json.dumps(content))
    return path, key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.fixture(scope="module")
def vertex(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeVertex]:
    """A fake Vertex AI, without a job at first."""
    fake = FakeVertex(tmp_path_factory.mktemp("vertex"))
    try:
        yield fake
    finally:
        fake.close()

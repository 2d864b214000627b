"""What the APIs of Git hosts have in common here: HTTP, tokens, faults, and a real Git repository."""

from __future__ import annotations

import json
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.git_server import Repository, git

TOKEN = "t0ken-0f-a-host"


class Entry(NamedTuple):
    """What stands at a path of a commit."""

    mode: str
    kind: str
    sha: str
    path: str
    size: int


class History:
    """A bare repository, asked as a host asks it: by `git` itself."""

    def __init__(self, bare: Path) -> None:
        self.bare = bare

    def commit(self, rev: str) -> str | None:
        """Return the commit that a name means to Git; None if it is none."""
        return self._said("rev-parse", "--verify", "-q", "--end-of-options", f"{rev}^{{commit}}")

    def exactly(self, ref: str) -> str | None:
        """Return the commit of a full name such as `refs/heads/main`."""
        return self.commit(ref) if self._said("show-ref", "--verify", ref) else None

    def names(self, kind: str) -> list[str]:
        """List `heads` or `tags`."""
        listed = git(self.bare, "for-each-ref", "--format=%(refname)", f"refs/{kind}")
        return [line.removeprefix(f"refs/{kind}/") for line in listed.splitlines()]

    def default_branch(self) -> str:
        """Return the name of the default branch, which there may be no commit on yet."""
        return git(self.bare, "symbolic-ref", "--short", "HEAD")

    def entry(self, commit: str, path: str) -> Entry | None:
        """Return what is at a path; None if nothing is."""
        path = path.strip("/")
        if not path:
            tree = git(self.bare, "rev-parse", f"{commit}^{{tree}}")
            return Entry("040000", "tree", tree, "", 0)
        listed = self._entries("ls-tree", "-l", "-z", commit, "--", f":(literal){path}")
        return listed[0] if listed and listed[0].path == path else None

    def folder(self, commit: str, path: str) -> list[Entry]:
        """Return what is in a folder."""
        prefix = f"{path.strip('/')}/" if path.strip("/") else ""
        below = ("--", f":(literal){prefix}") if prefix else ()
        return self._entries("ls-tree", "-l", "-z", commit, *below)

    def blob(self, sha: str) -> bytes | None:
        """Return the content of a blob."""
        done = subprocess.run(
            ["git", "-C", self.bare, "cat-file", "blob", sha], capture_output=True, check=False
        )
        return done.stdout if done.returncode == 0 else None

    def _entries(self, *arguments: str) -> list[Entry]:
        found = []
        for line in (self._said(*arguments) or "").split("\0"):
            if line:
                about, _, path = line.partition("\t")
                mode, kind, sha, size = about.split()
                found.append(Entry(mode, kind, sha, path, 0 if size == "-" else int(size)))
        return found

    def _said(self, *arguments: str) -> str | None:
        try:
            return git(self.bare, *arguments) or None
        except subprocess.CalledProcessError:
            return None


@dataclass
class Asked:
    """A request."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def parts(self) -> list[str]:
        """The parts of the path, each without its quoting."""
        return [unquote(part) for part in self.path.strip("/").split("/")]


@dataclass
class Answer:
    """An answer: data that is sent as JSON, or bytes; no data to hang up without a word."""

    status: int = 200
    data: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class CodeHost(ABC):
    """A host of Git repositories while it runs; a subclass speaks one vendor's API.

    Attributes:
        url: Its address.
        asked: All requests so far.
        faults: What is answered to the next requests, whatever they ask.
        is_private: Whether nothing is shown without the token.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = ""
        self.asked: list[Asked] = []
        self.faults: list[Answer] = []
        self.is_private = False
        self.histories: dict[str, History] = {}

    def repository(self, name: str = "company/flows") -> Repository:
        """Make a new repository on the host."""
        made = Repository(self.root / "bare" / f"{name}.git", self.root / "work" / name)
        # Names are those of people's machines too: what is pushed is text, whatever git thinks.
        git(made.bare, "config", "core.quotePath", "false")
        self.histories[name] = History(made.bare)
        return made

    def fail(self, status: int, times: int = 1, data: Any = None, **headers: str) -> None:
        """Let the next requests fail."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults += [Answer(status, data, named)] * times

    @abstractmethod
    def answer(self, asked: Asked) -> Answer:
        """Answer a request as the vendor's API does."""

    @abstractmethod
    def limit(self, seconds: float) -> None:
        """Say to the next request that there have been too many."""


@contextmanager
def serving_code(host: CodeHost, context: Any = None) -> Iterator[None]:
    """Run a host on a free port; with an SSL context over https."""

    class Handler(_Handler):
        served = host

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    scheme = "http" if context is None else "https"
    host.url = f"{scheme}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: CodeHost

    def log_message(self, format: str, *args: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(OSError):  # a client that does not trust the certificate hangs up
            super().handle()

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path)
        query = {
            name: values[0]
            for name, values in parse_qs(parts.query, keep_blank_values=True).items()
        }
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, parts.path, query, headers, body)
        self.served.asked.append(asked)
        answer = self.served.faults.pop(0) if self.served.faults else self.served.answer(asked)
        content = answer.data
        if content is None and answer.status == 0:
            return
        fields = {"Content-Type": "application/json; charset=utf-8", **answer.headers}
        if not isinstance(content, bytes):
            content = b"" if content is None else json.dumps(content).encode()
        self.send_response(answer.status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

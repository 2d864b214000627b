"""A Git host of our own: `git http-backend` behind HTTP, open, or for who has the credentials."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

USER, TOKEN = "company", "s3cret-t0ken"
_AUTHOR = {
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.com",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder; return what it says."""
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={**os.environ, **_AUTHOR},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


class Repository:
    """A repository that can be pushed to.

    Args:
        bare: Where it is.
        work: A working copy of it.
    """

    def __init__(self, bare: Path, work: Path) -> None:
        self.bare, self.work = bare, work
        bare.mkdir(parents=True)
        git(bare, "init", "-q", "--bare", "-b", "main")
        git(bare, "config", "http.receivepack", "true")
        work.mkdir(parents=True)
        git(work, "init", "-q", "-b", "main")
        git(work, "remote", "add", "origin", str(bare))

    def push(self, files: dict[str, str], branch: str = "main") -> str:
        """Write files, commit and push them; return the commit."""
        for name, text in files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git(self.work, "checkout", "-q", "-B", branch)
        git(self.work, "add", "-A")
        git(self.work, "commit", "-q", "--allow-empty", "-m", "change")
        git(self.work, "push", "-q", "-f", "origin", branch)
        return git(self.work, "rev-parse", "HEAD")

    def tag(self, name: str, *, annotated: bool = False) -> None:
        """Put a tag on what was pushed last."""
        git(self.work, "tag", *(["-a", "-m", "a tag"] if annotated else []), name)
        git(self.work, "push", "-q", "origin", name)


class GitHost:
    """The host while it runs.

    Attributes:
        url: Its address.
        requests: The path of each request, and the `Authorization` that it had.
    """

    def __init__(self, root: Path, accepted: set[str]) -> None:
        self.root = root
        self.accepted = accepted
        self.requests: list[tuple[str, str | None]] = []
        #: Whether it speaks the second version of Git's protocol; the first gives away only what
        #: branches and tags are at.
        self.is_modern = True
        self.url = ""

    def repository(self, name: str = "company/flows") -> Repository:
        """Make a new repository on the host."""
        return Repository(self.root / "bare" / f"{name}.git", self.root / "work" / name)


def basic(user: str = USER, token: str = TOKEN) -> str:
    """Return a header of Basic credentials."""
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


def bearer(token: str = TOKEN) -> str:
    """Return a header of a Bearer token."""
    return f"Bearer {token}"


@contextmanager
def git_host(root: Path, *accepted: str) -> Iterator[GitHost]:
    """Run a Git host.

    Args:
        root: Where its repositories are.
        accepted: The values of `Authorization` that it lets in; none for everybody.
    """
    host = GitHost(root, set(accepted))
    (root / "bare").mkdir(parents=True, exist_ok=True)

    class Handler(_Handler):
        served = host

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: GitHost

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._serve(body)

    def _serve(self, body: bytes) -> None:
        sent = self.headers.get("Authorization")
        self.served.requests.append((self.path, sent))
        if self.served.accepted and sent not in self.served.accepted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        done = subprocess.run(
            ["git", "http-backend"],
            input=body,
            stdout=subprocess.PIPE,
            check=False,
            env={
                **os.environ,
                **_AUTHOR,
                "GIT_PROJECT_ROOT": str(self.served.root / "bare"),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")
                if self.served.is_modern
                else "",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "REMOTE_ADDR": "127.0.0.1",
            },
        ).stdout
        head, _, content = done.partition(b"\r\n\r\n")
        status = 200
        fields = []
        for line in head.decode().splitlines():
            name, _, value = line.partition(": ")
            if name == "Status":
                status = int(value.split()[0])
            else:
                fields.append((name, value))
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

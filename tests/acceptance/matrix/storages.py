"""The storages of the matrix, each with a real server or a faithful fake behind it."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.integration.components.bitbucket_api import BitbucketCloudApi
from tests.integration.components.code_host import TOKEN, CodeHost, serving_code
from tests.integration.components.codecommit import KEY, SECRET, CodeCommitApi
from tests.integration.components.github_api import GitHubApi
from tests.integration.components.gitlab_api import GitLabApi
from tests.support import git_server

#: A path in a repository, and what is pushed there.
_PATH = "flows/{name}.py"


class Storages:
    """Puts the files of flows where each kind of storage keeps them.

    A method named after a kind returns the expression that makes the storage in a flow's file.

    Args:
        request: Gives the fixtures of servers, each started when it is first needed.
        folder: Where files are made.
        stack: Ends what is started.
    """

    def __init__(self, request: pytest.FixtureRequest, folder: Path, stack: ExitStack) -> None:
        self._request = request
        self._stack = stack
        self.folder = folder
        (folder / "modules").mkdir()
        #: What the environment of a run needs, by the kind of storage; secrets among it.
        self.env: dict[str, dict[str, str]] = {}

    def make(self, kind: str, name: str) -> str:
        """Return the expression that makes a storage for the file of a row."""
        made: str = getattr(self, kind.lower())(name)
        return made

    def put(self, kind: str, name: str, text: str) -> list[str]:
        """Put a file where its storage finds it; return what `headrace register` is told."""
        if kind == "Module":
            module = name.replace("-", "_")
            (self.folder / "modules" / f"{module}.py").write_text(text)
            return ["--module", module]
        if kind in self._repositories:
            self._repositories[kind].push({_PATH.format(name=name): text})
        file = self.folder / f"{name}.py"
        file.write_text(text)
        return ["--path", str(file)]

    # -- files and modules ----------------------------------------------------------------------

    def local(self, name: str) -> str:
        return "Local()"

    def module(self, name: str) -> str:
        self.env["Module"] = {"PYTHONPATH": str(self.folder / "modules")}
        return f"Module({name.replace('-', '_')!r})"

    # -- repositories ---------------------------------------------------------------------------

    @cached_property
    def _repositories(self) -> dict[str, git_server.Repository]:
        return {}

    def _host(self, kind: str, host: Callable[[Path], CodeHost], **env: str) -> str:
        """Start a host once; return its address."""
        if kind not in self._repositories:
            made = host(self.folder / kind)
            made.is_private = True
            self._stack.enter_context(serving_code(made))
            # CodeCommit has repositories of one account, and so no owners in their names.
            self._repositories[kind] = made.repository(
                "flows" if kind == "CodeCommit" else "company/flows"
            )
            self.env[kind] = {**env, "MATRIX_HOST": made.url}
        return self.env[kind]["MATRIX_HOST"]

    def git(self, name: str) -> str:
        if "Git" not in self._repositories:
            host = self._stack.enter_context(
                git_server.git_host(self.folder / "Git", git_server.basic())
            )
            self._repositories["Git"] = host.repository()
            self.env["Git"] = {_secret("GIT_TOKEN"): git_server.TOKEN, "MATRIX_HOST": host.url}
        url = self.env["Git"]["MATRIX_HOST"]
        return (
            f"Git({_PATH.format(name=name)!r}, repo='company/flows', repo_host={url!r}, "
            "git_token_secret_name='GIT_TOKEN')"
        )

    def github(self, name: str) -> str:
        url = self._host("GitHub", GitHubApi, **{_secret("GITHUB_ACCESS_TOKEN"): TOKEN})
        return f"GitHub('company/flows', path={_PATH.format(name=name)!r}, base_url={url!r})"

    def gitlab(self, name: str) -> str:
        url = self._host("GitLab", GitLabApi, **{_secret("GITLAB_ACCESS_TOKEN"): TOKEN})
        return f"GitLab('company/flows', path={_PATH.format(name=name)!r}, host={url!r})"

    def bitbucket(self, name: str) -> str:
        secret = {_secret("BITBUCKET_ACCESS_TOKEN"): TOKEN}
        url = self._host("Bitbucket", BitbucketCloudApi, **secret)
        return (
            f"Bitbucket('Flows', 'flows', workspace='company', host={url!r}, "
            f"path={_PATH.format(name=name)!r})"
        )

    def codecommit(self, name: str) -> str:
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        url = self._host("CodeCommit", CodeCommitApi, **keys)
        options = {"endpoint_url": url, "region_name": CodeCommitApi.region}
        return f"CodeCommit('flows', path={_PATH.format(name=name)!r}, client_options={options!r})"

    # -- objects ------------------------------------------------------------------------------

    def s3(self, name: str) -> str:
        server = self._request.getfixturevalue("s3_server")
        if "S3" not in self.env:
            self.env["S3"] = {
                "AWS_ACCESS_KEY_ID": server.key,
                "AWS_SECRET_ACCESS_KEY": server.secret,
            }
            _make_bucket(server, "matrix")
        options = {"endpoint_url": server.url, "region_name": "us-east-1"}
        return f"S3('matrix', client_options={options!r})"

    def gcs(self, name: str) -> str:
        url = self._request.getfixturevalue("gcs_server")
        if "GCS" not in self.env:
            self.env["GCS"] = {
                "STORAGE_EMULATOR_HOST": url,
                "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
            }
            _post(f"{url}/storage/v1/b?project=matrix", {"name": "matrix"})
        return "GCS('matrix', stored_as_script=True, local_script_path=__file__)"

    def azure(self, name: str) -> str:
        connection = self._request.getfixturevalue("azure_server")
        if "Azure" not in self.env:
            self.env["Azure"] = {_secret("AZURE"): connection}
            from azure.storage.blob import BlobServiceClient

            with BlobServiceClient.from_connection_string(connection) as client:
                client.create_container("matrix")
        return "Azure('matrix', connection_string_secret='AZURE')"

    def webhook(self, name: str) -> str:
        if "Webhook" not in self.env:
            url = self._stack.enter_context(_keeping())
            self.env["Webhook"] = {"MATRIX_KEEPER": url, _secret("KEEPER_TOKEN"): TOKEN}
        request = {
            "url": f"${{MATRIX_KEEPER}}/{name}",
            "headers": {"Authorization": "Bearer ${KEEPER_TOKEN}"},
        }
        return f"Webhook({request!r}, 'POST', {request!r}, 'GET', stored_as_script=True)"

    def docker(self, name: str) -> str:
        engine = self._request.getfixturevalue("docker_engine")
        image = self._request.getfixturevalue("headrace_image")
        registry = self._request.getfixturevalue("registry")
        return (
            f"Docker(registry_url={registry.address!r}, base_image={image!r}, "
            f"base_url={engine.url!r}, stored_as_script=True, local_script_path=__file__)"
        )


def _secret(name: str) -> str:
    """Return the environment variable of a secret."""
    return f"HEADRACE__CONTEXT__SECRETS__{name}"


def _post(url: str, body: Any) -> None:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"content-type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10):
        pass


def _make_bucket(server: Any, name: str) -> None:
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=server.admin_key,
        aws_secret_access_key=server.admin_secret,
    )
    client.create_bucket(Bucket=name)
    client.close()


@contextmanager
def _keeping() -> Iterator[str]:
    """Run a service that keeps what is posted for whoever has the token; yield its address."""
    kept: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _is_known(self) -> bool:
            return self.headers.get("authorization") == f"Bearer {TOKEN}"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self._is_known():
                kept[self.path] = body
            self._answer(200 if self._is_known() else 401)

        def do_GET(self) -> None:
            if not self._is_known():
                self._answer(401)
            elif self.path in kept:
                self._answer(200, kept[self.path])
            else:
                self._answer(404)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""Bitbucket's REST APIs: 2.0 of the cloud, 1.0 of a server; published: developer.atlassian.com."""

from __future__ import annotations

import base64
import re
from typing import Any

from tests.integration.components.code_host import TOKEN, Answer, Asked, CodeHost, History

USER = "somebody@example.com"
_BASIC = "Basic " + base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
_HASH = re.compile("[0-9a-f]{4,64}")


class BitbucketCloudApi(CodeHost):
    """Bitbucket Cloud: `api.bitbucket.org`."""

    def limit(self, seconds: float) -> None:
        """Say to the next request that there have been too many."""
        self.fail(
            429,
            data={"type": "error", "error": {"message": "Rate limit for this resource exceeded"}},
            Retry_After=str(int(seconds)),
        )

    def answer(self, asked: Asked) -> Answer:
        sent = asked.headers.get("authorization")
        if sent not in (None, f"Bearer {TOKEN}", _BASIC):
            return Answer(401, b"", {"WWW-Authenticate": 'Basic realm="Bitbucket.org HTTP"'})
        parts = asked.parts
        if parts[:2] != ["2.0", "repositories"] or len(parts) < 4:
            return _cloud(404, "Resource not found")
        history = self.histories.get("/".join(parts[2:4]))
        if history is None:
            return _cloud(404, "You may not have access to this repository or it no longer exists.")
        if self.is_private and sent is None:
            return _cloud(403, "Access denied. You must have write or admin access.")
        return self._of(history, parts[4:], asked)

    def _of(self, history: History, parts: list[str], asked: Asked) -> Answer:
        match parts:
            case []:
                branch = history.default_branch() if history.names("heads") else None
                main = None if branch is None else {"type": "branch", "name": branch}
                return Answer(data={"type": "repository", "mainbranch": main, "scm": "git"})
            case ["refs", "branches" | "tags" as kind]:
                return _cloud_names(history, kind, asked, f"{self.url}{asked.path}")
            case ["refs", "branches" | "tags" as kind, *names]:
                name = "/".join(names)
                sha = history.exactly(f"refs/{_PLACES[kind]}/{name}")
                if sha is None:
                    return _cloud(404, f'{kind} "{name}" does not exist.')
                return Answer(data=_cloud_ref(kind, name, sha))
            case ["commit", rev]:
                known = _HASH.fullmatch(rev) or "/" not in rev
                sha = history.commit(rev) if known else None
                if sha is None:
                    return _cloud(404, "Commit not found", data={"shas": [rev]})
                return Answer(data={"type": "commit", "hash": sha, "message": "change"})
            case ["src", rev, *path]:
                return _src(history, rev, "/".join(path), asked)
        return _cloud(404, "Resource not found")


class BitbucketServerApi(CodeHost):
    """Bitbucket Server, or Data Center."""

    def limit(self, seconds: float) -> None:
        """Say to the next request that there have been too many."""
        error = {"context": None, "message": "You are being rate limited", "exceptionName": None}
        self.fail(429, data={"errors": [error]}, Retry_After=str(int(seconds)))

    def answer(self, asked: Asked) -> Answer:
        sent = asked.headers.get("authorization")
        if sent not in (None, f"Bearer {TOKEN}"):
            return _server(
                401, "Authentication failed.", "IncorrectPasswordAuthenticationException"
            )
        parts = asked.parts
        if parts[:4] != ["rest", "api", "1.0", "projects"] or len(parts) < 7 or parts[5] != "repos":
            return Answer(404, b"<html>Not here</html>", {"Content-Type": "text/html"})
        project, name = parts[4], parts[6]
        history = self.histories.get(f"{project}/{name}")
        if self.is_private and sent is None:
            return _server(
                401, "You are not permitted to access this resource", "AuthorisationException"
            )
        if history is None:
            return _server(404, f"Repository {project}/{name} does not exist.", "NoSuchRepository")
        return _of_server(history, name, parts[7:], asked)


_PLACES = {"branches": "heads", "tags": "tags"}


def _cloud(status: int, message: str, **more: Any) -> Answer:
    return Answer(status, {"type": "error", "error": {"message": message, **more}})


def _cloud_ref(kind: str, name: str, sha: str) -> dict[str, Any]:
    return {
        "type": "branch" if kind == "branches" else "tag",
        "name": name,
        "target": {"type": "commit", "hash": sha},
    }


def _cloud_names(history: History, kind: str, asked: Asked, url: str) -> Answer:
    size, page = int(asked.query.get("pagelen", 10)), int(asked.query.get("page", 1))
    if size > 100:
        return _cloud(400, "Invalid pagelen")
    names = history.names(_PLACES[kind])
    shown = names[(page - 1) * size : page * size]
    values = [
        _cloud_ref(kind, name, str(history.commit(f"refs/{_PLACES[kind]}/{name}")))
        for name in shown
    ]
    data: dict[str, Any] = {"pagelen": size, "size": len(names), "page": page, "values": values}
    if page * size < len(names):
        data["next"] = f"{url}?pagelen={size}&page={page + 1}"
    return Answer(data=data)


def _src(history: History, rev: str, path: str, asked: Asked) -> Answer:
    commit = history.commit(rev)
    if commit is None:
        return _cloud(404, "Commit not found", data={"shas": [rev]})
    entry = history.entry(commit, path)
    if entry is None:
        return _cloud(404, f"No such file or directory: {path}")
    if asked.query.get("format") == "meta":
        kind = "commit_directory" if entry.kind == "tree" else "commit_file"
        attributes = ["subrepository"] if entry.kind == "commit" else []
        return Answer(
            data={
                "type": kind,
                "path": path,
                "commit": {"type": "commit", "hash": commit},
                "size": entry.size,
                "attributes": attributes,
            }
        )
    if entry.kind == "tree":
        below = history.folder(commit, path)
        return Answer(data={"pagelen": 10, "page": 1, "values": [{"path": e.path} for e in below]})
    return Answer(data=history.blob(entry.sha), headers={"Content-Type": "text/x-python"})


def _server(status: int, message: str, exception: str) -> Answer:
    name = f"com.atlassian.bitbucket.{exception}"
    error = {"context": None, "message": message, "exceptionName": name}
    return Answer(status, {"errors": [error]})


def _of_server(history: History, name: str, parts: list[str], asked: Asked) -> Answer:
    match parts:
        case []:
            return Answer(data={"slug": name, "scmId": "git", "state": "AVAILABLE"})
        case ["commits"]:
            return _server_commits(history, name, asked)
        case ["commits", rev]:
            sha = history.commit(rev) if _HASH.fullmatch(rev) else None
            if sha is None:
                return _no_commit(rev, name)
            return Answer(data={"id": sha, "displayId": sha[:11]})
        case ["branches" | "tags" as kind]:
            return _server_names(history, kind, asked)
        case ["raw", *path]:
            return _server_file(history, name, "/".join(path), asked, is_raw=True)
        case ["browse", *path]:
            return _server_file(history, name, "/".join(path), asked, is_raw=False)
    return Answer(404, b"", {"Content-Type": "text/html"})


def _no_commit(rev: str, name: str) -> Answer:
    return _server(
        404,
        f"Commit '{rev}' does not exist in repository '{name}'.",
        "commit.NoSuchCommitException",
    )


def _server_commits(history: History, name: str, asked: Asked) -> Answer:
    until = asked.query.get("until")
    if until is None and not history.names("heads"):
        return _server(
            404,
            f'The default branch "refs/heads/main" does not exist in repository "{name}"',
            "repository.NoDefaultBranchException",
        )
    newest = history.commit(history.default_branch() if until is None else until)
    if newest is None:
        return _no_commit(str(until), name)
    limit = int(asked.query.get("limit", 25))
    values = [{"id": newest, "displayId": newest[:11]}][:limit]
    return Answer(
        data={"values": values, "size": 1, "isLastPage": False, "start": 0, "nextPageStart": 1}
    )


def _server_names(history: History, kind: str, asked: Asked) -> Answer:
    limit, start = int(asked.query.get("limit", 25)), int(asked.query.get("start", 0))
    names = history.names(_PLACES[kind])
    shown = names[start : start + limit]
    values = [
        {
            "id": f"refs/{_PLACES[kind]}/{name}",
            "displayId": name,
            "type": "BRANCH" if kind == "branches" else "TAG",
            "latestCommit": history.commit(f"refs/{_PLACES[kind]}/{name}"),
        }
        for name in shown
    ]
    is_last = start + limit >= len(names)
    data = {"values": values, "size": len(shown), "limit": limit, "start": start}
    following = None if is_last else start + limit
    return Answer(data={**data, "isLastPage": is_last, "nextPageStart": following})


def _server_file(history: History, name: str, path: str, asked: Asked, *, is_raw: bool) -> Answer:
    at = asked.query.get("at", history.default_branch())
    commit = history.commit(at)
    if commit is None:
        return _no_commit(at, name)
    entry = history.entry(commit, path)
    if entry is None:
        return _server(
            404,
            f'The path "{path}" does not exist at revision "{at}"',
            "content.NoSuchPathException",
        )
    kind = {"tree": "DIRECTORY", "blob": "FILE", "commit": "SUBMODULE"}[entry.kind]
    if not is_raw and asked.query.get("type") == "true":
        return Answer(data={"type": kind})
    if kind != "FILE":
        return _server(400, f'The path "{path}" is not a file', "content.NotAFileException")
    content = history.blob(entry.sha)
    assert content is not None
    if is_raw:
        return Answer(data=content, headers={"Content-Type": "application/octet-stream"})
    lines = [{"text": line} for line in content.decode().splitlines()]
    return Answer(data={"lines": lines, "start": 0, "size": len(lines), "isLastPage": True})

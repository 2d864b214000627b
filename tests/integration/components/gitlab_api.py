"""GitLab's REST API v4, as far as projects, files, commits, branches and tags go; published: docs.gitlab.com."""

from __future__ import annotations

import re
from typing import Any

from tests.integration.components.code_host import TOKEN, Answer, Asked, CodeHost, History

_API = "/api/v4/projects/"


def _missing(what: str) -> Answer:
    return Answer(404, {"message": f"404 {what} Not Found"})


class GitLabApi(CodeHost):
    """GitLab: gitlab.com, or a server of one's own."""

    def limit(self, seconds: float) -> None:
        """Say to the next request that there have been too many."""
        self.faults.append(
            Answer(
                429,
                b"Retry later\n",
                {"Retry-After": str(int(seconds)), "Content-Type": "text/plain"},
            )
        )

    def answer(self, asked: Asked) -> Answer:
        sent = asked.headers.get("private-token")
        if sent is None:
            sent = asked.headers.get("authorization", "").removeprefix("Bearer ") or None
        if sent not in (None, TOKEN):
            return Answer(401, {"message": "401 Unauthorized"})
        if not asked.path.startswith(_API):
            return Answer(404, {"error": "404 Not Found"})
        name, *parts = Asked("GET", asked.path.removeprefix(_API), {}, {}, b"").parts
        if name.isdigit():
            name = dict(enumerate(self.histories, start=1)).get(int(name), name)
        history = self.histories.get(name)
        if history is None or (self.is_private and sent is None):
            return _missing("Project")
        return _of(history, name, parts, asked)


def _of(history: History, name: str, parts: list[str], asked: Asked) -> Answer:
    if not parts:
        branch = history.default_branch() if history.names("heads") else None
        return Answer(data={"id": 1, "path_with_namespace": name, "default_branch": branch})
    match parts[1:] if parts[0] == "repository" else []:
        case ["commits", ref]:
            sha = _find(history, ref)
            if sha is None:
                return _missing("Commit")
            return Answer(data={"id": sha, "short_id": sha[:8], "title": "change"})
        case ["branches" | "tags" as kind]:
            return _names(history, kind, asked)
        case ["files", path, "raw"]:
            return _raw(history, path, asked.query.get("ref", "HEAD"))
        case ["tree"]:
            return _tree(history, asked)
    return Answer(404, {"error": "404 Not Found"})


def _find(history: History, ref: str) -> str | None:
    return (
        history.exactly(f"refs/tags/{ref}")
        or history.exactly(f"refs/heads/{ref}")
        or (history.commit(ref) if re.fullmatch("HEAD|[0-9a-f]{4,64}", ref) else None)
    )


def _names(history: History, kind: str, asked: Asked) -> Answer:
    size, page = int(asked.query.get("per_page", 20)), int(asked.query.get("page", 1))
    ref = "heads" if kind == "branches" else "tags"
    names = history.names(ref)
    data: list[dict[str, Any]] = [
        {"name": name, "commit": {"id": history.commit(f"refs/{ref}/{name}")}}
        for name in names[(page - 1) * size : page * size]
    ]
    pages = -(-len(names) // size)
    headers = {
        "X-Page": str(page),
        "X-Per-Page": str(size),
        "X-Total": str(len(names)),
        "X-Total-Pages": str(pages),
        "X-Next-Page": str(page + 1) if page < pages else "",
        "X-Prev-Page": "",
    }
    return Answer(data=data, headers=headers)


def _raw(history: History, path: str, ref: str) -> Answer:
    commit = _find(history, ref)
    if commit is None:
        return _missing("Commit")
    entry = history.entry(commit, path)
    if entry is None or entry.kind != "blob":
        return _missing("File")
    content = history.blob(entry.sha)
    return Answer(
        data=content,
        headers={
            "Content-Type": "text/plain; charset=utf-8",
            "X-Gitlab-Blob-Id": entry.sha,
            "X-Gitlab-Commit-Id": commit,
            "X-Gitlab-Size": str(entry.size),
        },
    )


def _tree(history: History, asked: Asked) -> Answer:
    commit = _find(history, asked.query.get("ref", "HEAD"))
    path = asked.query.get("path", "")
    entry = None if commit is None else history.entry(commit, path)
    if commit is None or entry is None or entry.kind != "tree":
        return _missing("Tree")
    size = int(asked.query.get("per_page", 20))
    data = [
        {
            "id": below.sha,
            "name": below.path.rpartition("/")[2],
            "type": below.kind,
            "path": below.path,
        }
        for below in history.folder(commit, path)[:size]
    ]
    return Answer(data=data)

"""GitHub's REST API, as far as files, blobs, commits, branches and tags go; published: docs.github.com."""

from __future__ import annotations

import base64
import re
import time
from typing import Any
from urllib.parse import urlencode

from tests.integration.components.code_host import TOKEN, Answer, Asked, CodeHost, History

#: The contents endpoint gives no content of files beyond this, and blobs end at a hundred times it.
_MEGABYTE = 1024 * 1024
_DOCS = "https://docs.github.com/rest"
_REPO = re.compile(r"/repos/([^/]+)/([^/]+)(?:/(.*))?")
_NUMBERED = re.compile(r"/repositories/(\d+)(?:/(.*))?")


def _error(status: int, message: str, **more: Any) -> Answer:
    data = {"message": message, "documentation_url": _DOCS, "status": str(status), **more}
    return Answer(status, data)


class GitHubApi(CodeHost):
    """GitHub: `api.github.com`, or with a prefix a GitHub Enterprise server."""

    def __init__(self, root: Any, prefix: str = "") -> None:
        super().__init__(root)
        self.prefix = prefix
        #: The names that repositories had before, and have now.
        self.renamed: dict[str, str] = {}

    def limit(self, seconds: float) -> None:
        """Say to the next request that there have been too many."""
        self.faults.append(
            Answer(
                403,
                {"message": "API rate limit exceeded for 127.0.0.1.", "documentation_url": _DOCS},
                {
                    "X-RateLimit-Limit": "60",
                    "X-RateLimit-Remaining": "0",
                    "X-RateLimit-Reset": str(int(time.time() + seconds)),
                },
            )
        )

    def answer(self, asked: Asked) -> Answer:
        sent = asked.headers.get("authorization")
        if sent is not None and sent not in (f"token {TOKEN}", f"Bearer {TOKEN}"):
            return _error(401, "Bad credentials")
        if "user-agent" not in asked.headers:
            return _error(403, "Request forbidden by administrative rules.")
        path = asked.path.removeprefix(self.prefix)
        if numbered := _NUMBERED.fullmatch(path):
            known = list(self.histories)[int(numbered[1])]
            path = f"/repos/{known}" + (f"/{numbered[2]}" if numbered[2] else "")
        match = _REPO.fullmatch(path)
        if match is None or (self.prefix and not asked.path.startswith(self.prefix)):
            return _error(404, "Not Found")
        owner, name, rest = match.groups()
        if (now := self.renamed.get(f"{owner}/{name}")) is not None:
            return self._moved(now, rest, asked)
        history = self.histories.get(f"{owner}/{name}")
        if history is None or (self.is_private and sent is None):
            return _error(404, "Not Found")
        return self._of(history, f"{owner}/{name}", rest or "", asked)

    def _moved(self, name: str, rest: str | None, asked: Asked) -> Answer:
        number = list(self.histories).index(name)
        url = f"{self.url}{self.prefix}/repositories/{number}" + (f"/{rest}" if rest else "")
        if asked.query:
            url += f"?{urlencode(asked.query)}"
        moved = _error(301, "Moved Permanently", url=url)
        return Answer(301, moved.data, {"Location": url})

    def _of(self, history: History, name: str, rest: str, asked: Asked) -> Answer:
        url = f"{self.url}{self.prefix}/repos/{name}"
        parts = Asked("GET", rest, {}, {}, b"").parts
        if not rest:
            data = {
                "id": 1,
                "name": name.split("/")[1],
                "full_name": name,
                "private": self.is_private,
                "default_branch": history.default_branch(),
                "url": url,
            }
            return Answer(data=data)
        if parts[0] == "commits" and len(parts) > 1:
            return _commit(history, "/".join(parts[1:]), url)
        if parts[0] in ("branches", "tags") and len(parts) == 1:
            return _names(history, parts[0], asked, f"{url}/{parts[0]}")
        if parts[0] == "contents":
            return _contents(history, "/".join(parts[1:]), asked.query.get("ref"), url)
        if parts[:2] == ["git", "blobs"] and len(parts) == 3:
            return _blob(history, parts[2], url)
        return _error(404, "Not Found")


def _find(history: History, ref: str) -> str | None:
    # Names come before hashes that are shortened; a branch may be said as heads/main.
    return (
        history.exactly(f"refs/heads/{ref}")
        or history.exactly(f"refs/tags/{ref}")
        or history.exactly(f"refs/{ref}")
        or (history.commit(ref) if re.fullmatch("[0-9a-f]{4,64}", ref) else None)
    )


def _commit(history: History, ref: str, url: str) -> Answer:
    if not history.names("heads"):
        return _error(409, "Git Repository is empty.")
    sha = _find(history, ref)
    if sha is None:
        return _error(422, f"No commit found for SHA: {ref}")
    return Answer(data={"sha": sha, "url": f"{url}/commits/{sha}", "files": []})


def _names(history: History, kind: str, asked: Asked, url: str) -> Answer:
    size, page = int(asked.query.get("per_page", 30)), int(asked.query.get("page", 1))
    names = history.names("heads" if kind == "branches" else "tags")
    ref = "heads" if kind == "branches" else "tags"
    data = [
        {"name": name, "commit": {"sha": history.commit(f"refs/{ref}/{name}"), "url": url}}
        for name in names[(page - 1) * size : page * size]
    ]
    more = page * size < len(names)
    link = f'<{url}?page={page + 1}&per_page={size}>; rel="next"'
    return Answer(data=data, headers={"Link": link} if more else {})


def _contents(history: History, path: str, ref: str | None, url: str) -> Answer:
    commit = _find(history, ref if ref is not None else history.default_branch())
    if commit is None:
        return _error(404, f"No commit found for the ref {ref}")
    entry = history.entry(commit, path)
    if entry is None:
        return _error(404, "Not Found")
    described = {
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": entry.sha,
        "size": entry.size,
        "url": f"{url}/contents/{path}?ref={commit}",
    }
    if entry.kind == "tree":
        return Answer(
            data=[
                {"type": "dir" if below.kind == "tree" else "file", "path": below.path}
                for below in history.folder(commit, path)
            ]
        )
    if entry.kind == "commit":
        return Answer(data={**described, "type": "submodule", "submodule_git_url": "…"})
    if entry.size > 100 * _MEGABYTE:
        return _error(403, "This API returns blobs up to 100 MB in size.")
    content = history.blob(entry.sha)
    assert content is not None
    if entry.size > _MEGABYTE:
        return Answer(data={**described, "type": "file", "encoding": "none", "content": ""})
    encoded = base64.encodebytes(content).decode()
    return Answer(data={**described, "type": "file", "encoding": "base64", "content": encoded})


def _blob(history: History, sha: str, url: str) -> Answer:
    content = history.blob(sha)
    if content is None:
        return _error(404, "Not Found")
    encoded = base64.encodebytes(content).decode()
    size = len(content)
    return Answer(
        data={
            "sha": sha,
            "size": size,
            "encoding": "base64",
            "content": encoded,
            "url": f"{url}/git/blobs/{sha}",
        }
    )

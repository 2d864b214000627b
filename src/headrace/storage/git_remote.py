"""Git repositories elsewhere: asked and fetched from. The one module that knows dulwich."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from headrace.core.errors import MissingExtraError, RepositoryError

if TYPE_CHECKING:
    from headrace.storage.git_address import Address

#: How many seconds a host may be silent.
_TIMEOUT: Final = 60.0


class GitRemote:
    """A repository that is elsewhere.

    Args:
        address: Where it is.

    Raises:
        MissingExtraError: If dulwich is not installed.
    """

    def __init__(self, address: Address) -> None:
        try:
            from dulwich.client import default_urllib3_manager, get_transport_and_path
            from dulwich.config import StackedConfig
        except ImportError as error:
            raise MissingExtraError("Git storage", "git", "dulwich") from error
        self._address = address
        self._connections: _Authorized | None = None
        # A user's own settings hold as they do for `git`: proxies, certificates, ssh commands.
        config = StackedConfig.default()
        arguments: dict[str, Any] = {}
        if address.url.startswith("http"):
            manager = default_urllib3_manager(config, base_url=address.url, timeout=_TIMEOUT)
            arguments["pool_manager"] = self._connections = _Authorized(manager, address)
        else:
            arguments["ssh_command"] = os.environ.get("GIT_SSH_COMMAND")
        client, path = get_transport_and_path(address.url, config=config, **arguments)
        # dulwich has types of its own for names and hashes, which are bytes.
        self._client: Any = client
        self._path = path.encode()

    def resolve(self, branch: str | None, tag: str | None) -> str:
        """Return the commit that a branch or a tag is at; of neither, the default branch.

        Raises:
            RepositoryError: If the repository cannot be had, or has no such branch or tag.
        """
        with self._errors():
            refs = self._client.get_refs(self._path).refs
        start = b"refs/tags/" if tag is not None else b"refs/heads/"
        wanted = tag if tag is not None else branch
        name = b"HEAD" if wanted is None else start + wanted.encode()
        # What an annotated tag is put on stands beside it.
        found = refs.get(name + b"^{}") or refs.get(name)
        if not found:
            raise self._no_such(refs, start, wanted)
        if tag is None or refs.get(name + b"^{}"):
            return str(found, "ascii")
        return self._peeled(found)

    def check_out(self, commit: str, folder: str, depth: int | None) -> None:
        """Fetch a commit and write its files.

        Args:
            commit: The whole hash of the commit.
            folder: An empty folder.
            depth: How many commits are fetched; None or 0 for all.

        Raises:
            RepositoryError: If the repository cannot be had, or has no such commit.
        """
        from dulwich.index import build_index_from_tree
        from dulwich.objects import Commit
        from dulwich.repo import Repo

        repo: Any
        with self._errors(), Repo.init(folder) as repo:
            wanted = commit.encode()
            self._fetch(repo, wanted, depth or None)
            if wanted not in repo.object_store:
                raise self._error(
                    f"there is no commit {commit}. Was it taken back by a forced push? Register the "
                    "flow again"
                )
            found = repo[wanted]
            if not isinstance(found, Commit):
                raise self._error(f"{commit} is no commit but a {found.type_name.decode()}")
            repo.refs[b"HEAD"] = wanted
            build_index_from_tree(repo.path, repo.index_path(), repo.object_store, found.tree)

    # -- parts --------------------------------------------------------------------------------

    def _fetch(self, repo: Any, wanted: bytes, depth: int | None) -> None:
        from dulwich.client import InvalidWants
        from dulwich.errors import GitProtocolError

        try:
            self._client.fetch(self._path, repo, lambda *_, **__: [wanted], depth=depth)
        except (GitProtocolError, InvalidWants, KeyError):
            # The last is what a repository on this machine says of a commit that it does not have.
            # Some hosts give away only what a branch or tag is at; then there is all or nothing.
            if depth is None and wanted in repo.object_store:
                raise
            self._client.fetch(self._path, repo, _tips)

    def _peeled(self, tag: bytes) -> str:
        """Return the commit that an annotated tag is put on."""
        import tempfile

        from dulwich.objects import Tag
        from dulwich.repo import Repo

        repo: Any
        with (
            self._errors(),
            tempfile.TemporaryDirectory(prefix="headrace-git-") as folder,
            Repo.init(folder) as repo,
        ):
            self._fetch(repo, tag, 1)
            found = repo[tag]
            while isinstance(found, Tag):
                found = repo[found.object[1]]
            return str(found.id, "ascii")

    def _no_such(self, refs: Any, start: bytes, wanted: str | None) -> RepositoryError:
        if wanted is None:
            return self._error("nothing has been pushed to its default branch yet")
        kind = "tag" if start == b"refs/tags/" else "branch"
        names = sorted(
            ref[len(start) :].decode(errors="replace")
            for ref in refs
            if ref.startswith(start) and not ref.endswith(b"^{}")
        )
        close = difflib.get_close_matches(wanted, names, n=1)
        shown = ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "")
        hint = f"Did you mean {close[0]!r}" if close else f"There are: {shown or 'none'}"
        return self._error(f"there is no {kind} {wanted!r}. {hint}")

    def _error(self, what: str) -> RepositoryError:
        return RepositoryError(f"In the repository {self._address.url} {what}.")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what dulwich raises into errors that name the repository and no secret."""
        from dulwich.client import HTTPUnauthorized, InvalidWants
        from dulwich.errors import GitProtocolError, NotGitRepository

        url = self._address.url
        try:
            yield
        except HTTPUnauthorized:
            raise RepositoryError(self._unauthorized("401")) from None
        except NotGitRepository:
            raise RepositoryError(
                f"There is no repository at {url}, or it is not to be seen without "
                f"{'other ' if self._address.authorization else ''}credentials. Mend repo and "
                "repo_host, or name a secret with a token as git_token_secret_name."
            ) from None
        # What they say may hold what was sent, so it is not kept as the cause.
        except (GitProtocolError, InvalidWants, OSError, ValueError, KeyError) as error:
            if isinstance(error, RepositoryError):
                raise
            text = self._address.shown(f"{error}").strip() or type(error).__name__
            if " 403 " in f"{text} ":
                raise RepositoryError(self._unauthorized("403")) from None
            raise RepositoryError(
                f"The repository {url} cannot be read: {text}. Is its host reachable from this "
                "machine, and are its keys and certificates here?"
            ) from None
        finally:
            if self._connections is not None:
                self._connections.close()

    def _unauthorized(self, status: str) -> str:
        if self._address.authorization is None:
            return (
                f"The repository {self._address.url} asks for credentials ({status}). Put a token "
                "into a secret and give its name as git_token_secret_name."
            )
        return (
            f"The repository {self._address.url} refuses the credentials ({status}). Is the token in "
            "the secret right and not expired, may it read this repository, and does it go with "
            "git_token_username and git_token_scheme?"
        )


class _Authorized:
    """Connections to a host that carry an authorization there, and nowhere else.

    Args:
        manager: What makes the connections.
        address: Where the authorization belongs.
    """

    def __init__(self, manager: Any, address: Address) -> None:
        self._manager = manager
        self._address = address
        self.headers = manager.headers
        self._answers: list[Any] = []

    def request(self, method: str, url: str, **kwargs: Any) -> Any:
        """Perform a request, as urllib3 does."""
        from urllib.parse import urlsplit

        here, there = urlsplit(self._address.url), urlsplit(url)
        at_home = (here.scheme, here.netloc.lower()) == (there.scheme, there.netloc.lower())
        if at_home and self._address.authorization is not None:
            headers = {**kwargs.pop("headers", {}), "Authorization": self._address.authorization}
            kwargs["headers"] = headers
        answer = self._manager.request(method, url, **kwargs)
        self._answers.append(answer)
        return answer

    def close(self) -> None:
        """Close all connections, those too whose answer was not read to its end."""
        for answer in self._answers:
            answer.close()
        self._answers.clear()
        self._manager.clear()


def _tips(refs: Any, depth: int | None = None) -> list[bytes]:
    """Want all that branches and tags are at."""
    return [
        commit
        for name, commit in refs.items()
        if name.startswith((b"refs/heads/", b"refs/tags/")) and not name.endswith(b"^{}")
    ]

"""`GitLab`: flows in files on GitLab. The one module that knows python-gitlab."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final

from headrace.core.errors import MissingExtraError
from headrace.storage.host import SHOWN, TIMEOUT, Host, address_of
from headrace.storage.hosted import Hosted
from headrace.storage.refusal import Refusal, refusals_of_requests
from headrace.storage.token import Token, token_of

if TYPE_CHECKING:
    from gitlab.v4.objects import Project

_CLOUD: Final = "https://gitlab.com"


class GitLab(Hosted):
    """A flow in a file on GitLab, on gitlab.com or a server of one's own. Needs the extra `gitlab`.

    Registration finds out which commit the branch or tag is at, and runs load the file as it is at
    that one, whatever is pushed later. They get this one file; `Git` gives them all of the repository.

    Args:
        repo: The project: its path with all groups, `group/name`, or its number.
        host: The server, by default gitlab.com; with `http://` before it, that is how it is reached,
            else by https.
        path: The Python file, from the repository's top folder on.
        ref: The branch, the tag or the commit, whose hash may be shortened; by default the default
            branch.
        access_token_secret: The name of a secret that holds an access token that may read the
            repository (scope `read_api`). Without it a secret named GITLAB_ACCESS_TOKEN is taken, or
            else the environment variable of that name, if there is one.
        **kwargs: Arguments of every storage.

    Raises:
        StorageError: If an argument cannot be.
    """

    title: ClassVar[str] = "GitLab"
    described: ClassVar[tuple[str, ...]] = ("repo", "host", "path", "ref", "access_token_secret")

    def __init__(
        self,
        repo: str,
        host: str | None = None,
        path: str | None = None,
        ref: str | None = None,
        access_token_secret: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(repo, path, ref, **kwargs)
        self.host = host
        self.ref = ref
        self.access_token_secret = access_token_secret
        self._address = address_of(host or _CLOUD, "host")

    def _open(self) -> Host:
        token = token_of(self.access_token_secret, "GITLAB_ACCESS_TOKEN")
        return _GitLabHost(self._address, self.repo.strip("/"), token)


class _GitLabHost(Host):
    def __init__(self, address: str, repo: str, token: Token | None) -> None:
        try:
            import gitlab
        except ImportError as error:
            raise MissingExtraError("GitLab storage", "gitlab", "python-gitlab") from error
        super().__init__(address, token)
        self._session = _session()
        self._client = gitlab.Gitlab(
            address,
            private_token=None if token is None else token.value,
            timeout=TIMEOUT,
            session=self._session,
        )
        # python-gitlab drops an answer's headers, and those say when to ask again.
        self._headers: dict[str, str] = {}
        self._session.hooks["response"].append(self._note)
        self._name = repo
        self._project: Project = self._client.projects.get(repo, lazy=True)

    def check(self) -> None:
        """Ask for the project; see `Host`."""
        with self._refusals():
            self._client.projects.get(self._name, obey_rate_limit=False)

    def commit_of(self, ref: str | None) -> str | None:
        """Resolve a ref; see `Host`."""
        with self._refusals():
            if ref is None:
                project = self._client.projects.get(self._name, obey_rate_limit=False)
                ref = project.attributes.get("default_branch")
                if ref is None:
                    return None
            commit = self._project.commits.get(ref, obey_rate_limit=False)
            return str(commit.get_id())

    def names(self) -> list[str]:
        """List branches and tags; see `Host`."""
        found: list[str] = []
        with self._refusals():
            for kind in (self._project.branches, self._project.tags):
                page = kind.list(get_all=False, per_page=SHOWN, obey_rate_limit=False)
                found += [str(ref.get_id()) for ref in page]
        return found

    def read(self, path: str, commit: str) -> bytes:
        """Read a file; see `Host`."""
        try:
            with self._refusals():
                return self._project.files.raw(path, ref=commit, obey_rate_limit=False)
        except Refusal as refusal:
            if refusal.is_missing and self._is_folder(path, commit):
                raise Refusal("a folder", kind="folder") from None
            raise

    def close(self) -> None:
        """Close connections; see `Host`."""
        self._session.close()

    # -- parts --------------------------------------------------------------------------------

    def _is_folder(self, path: str, commit: str) -> bool:
        try:
            with self._refusals():
                found = self._project.repository_tree(
                    path, ref=commit, get_all=False, per_page=1, obey_rate_limit=False
                )
        except Refusal:
            return False
        return bool(found)

    def _note(self, answer: Any, *_: Any, **__: Any) -> None:
        self._headers = dict(answer.headers)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        from gitlab.exceptions import GitlabError

        try:
            with refusals_of_requests():
                yield
        except GitlabError as error:
            if error.response_code is None:
                raise Refusal(f"{error}", kind="stranger") from None
            text = f"{error.error_message}"
            raise Refusal(text, error.response_code, self._headers) from None


def _session() -> Any:
    """Return a session that takes the token to no other host, should this one send it there."""
    import requests

    class AtHome(requests.Session):
        def rebuild_auth(self, prepared_request: Any, response: Any) -> None:
            """Leave out what a redirect must not get; `requests` knows GitLab's own header not."""
            super().rebuild_auth(prepared_request, response)
            if self.should_strip_auth(response.request.url, prepared_request.url):
                prepared_request.headers.pop("PRIVATE-TOKEN", None)

    return AtHome()

"""`GitHub`: flows in files on GitHub. The one module that knows PyGithub."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote

from headrace.core.errors import MissingExtraError, StorageError
from headrace.storage.host import SHOWN, TIMEOUT, Host, address_of
from headrace.storage.hosted import Hosted
from headrace.storage.refusal import Refusal, refusals_of_requests
from headrace.storage.token import Token, token_of

if TYPE_CHECKING:
    from github.Repository import Repository

_API: Final = "https://api.github.com"


class GitHub(Hosted):
    """A flow in a file on GitHub, or on a GitHub Enterprise server. Needs the extra `github`.

    Registration finds out which commit the branch or tag is at, and runs load the file as it is at
    that one, whatever is pushed later. They get this one file; `Git` gives them all of the repository.

    Args:
        repo: The repository, `owner/name`.
        path: The Python file, from the repository's top folder on.
        ref: The branch, the tag or the commit, whose hash may be shortened; by default the default
            branch. Where a branch and a tag have one name, `heads/name` and `tags/name` tell them
            apart.
        access_token_secret: The name of a secret that holds an access token. Without it a secret named
            GITHUB_ACCESS_TOKEN is taken, or else the environment variable of that name, if there is
            one.
        base_url: The address of the API of a GitHub Enterprise server, such as
            `https://github.example.com/api/v3`.
        **kwargs: Arguments of every storage.

    Raises:
        StorageError: If an argument cannot be.
    """

    title: ClassVar[str] = "GitHub"
    described: ClassVar[tuple[str, ...]] = (
        "repo",
        "path",
        "ref",
        "access_token_secret",
        "base_url",
    )

    def __init__(
        self,
        repo: str,
        path: str,
        ref: str | None = None,
        access_token_secret: str | None = None,
        base_url: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(repo, path, ref, **kwargs)
        if repo.count("/") != 1 or not all(repo.split("/")) or " " in repo:
            raise StorageError(
                f"The repo of a GitHub storage is the owner and the name, 'company/flows', not {repo!r}."
            )
        self.ref = ref
        self.access_token_secret = access_token_secret
        self.base_url = base_url
        self._address = address_of(base_url or _API, "base_url")

    def _open(self) -> Host:
        token = token_of(self.access_token_secret, "GITHUB_ACCESS_TOKEN")
        return _GitHubHost(self._address, self.repo, token)


class _GitHubHost(Host):
    def __init__(self, address: str, repo: str, token: Token | None) -> None:
        try:
            from github import Auth, Github
        except ImportError as error:
            raise MissingExtraError("GitHub storage", "github", "PyGithub") from error
        super().__init__(address, token)
        # What is asked again, and how long is waited for it, is the same for all hosts: `Asking`.
        self._client = Github(
            auth=None if token is None else Auth.Token(token.value),
            base_url=address,
            timeout=int(TIMEOUT),
            retry=None,
            seconds_between_requests=None,
            lazy=True,
        )
        self._name = repo

    @cached_property
    def _repository(self) -> Repository:
        # Some versions of PyGithub ask the host for it at once, so it stands where refusals are met.
        return self._client.get_repo(self._name)

    def check(self) -> None:
        """Ask for the repository; see `Host`."""
        with _refusals():
            self._client.get_repo(self._name).complete()

    def commit_of(self, ref: str | None) -> str | None:
        """Resolve a ref; see `Host`."""
        with _refusals():
            wanted = self._repository.default_branch if ref is None else ref
            # A large commit lists its files along; one is the least that can be asked for.
            _, commit = self._client.requester.requestJsonAndCheck(
                "GET",
                f"{self._repository.url}/commits/{quote(wanted, safe='')}",
                parameters={"per_page": 1},
            )
            return str(commit.get("sha"))

    def names(self) -> list[str]:
        """List branches and tags; see `Host`."""
        with _refusals():
            branches = [branch.name for branch in islice(self._repository.get_branches(), SHOWN)]
            return [*branches, *(tag.name for tag in islice(self._repository.get_tags(), SHOWN))]

    def read(self, path: str, commit: str) -> bytes:
        """Read a file; see `Host`."""
        with _refusals():
            found = self._repository.get_contents(path, ref=commit)
            if not isinstance(found, list) and commit not in str(found.url):
                # It has another name now, and where PyGithub follows the host to that it forgets the
                # commit; who the repository is says its address, which leads to no other.
                self._repository = self._client.get_repo(self._name).complete()
                found = self._repository.get_contents(path, ref=commit)
            if isinstance(found, list):
                raise Refusal("a folder", kind="folder")
            if found.type != "file":
                raise Refusal(f"a {found.type}", kind="folder")
            if found.encoding == "base64":
                return found.decoded_content
            # Of a file of more than 1 MB this endpoint gives the name alone, and the blob has the rest.
            return base64.b64decode(self._repository.get_git_blob(found.sha).content)

    def close(self) -> None:
        """Close connections; see `Host`."""
        self._client.close()


@contextmanager
def _refusals() -> Iterator[None]:
    from github import GithubException

    try:
        with refusals_of_requests():
            yield
    except GithubException as error:
        said = error.data.get("message") if isinstance(error.data, dict) else None
        raise Refusal(
            str(said or error.message or "it does not say why"), error.status, error.headers
        ) from None
    # What PyGithub says of redirects to elsewhere, and of answers that are none of GitHub's API.
    except (RuntimeError, AssertionError, AttributeError, TypeError, ValueError) as error:
        raise Refusal(f"{error}", kind="stranger") from None

"""`Bitbucket`: flows in files on Bitbucket. The one module that knows atlassian-python-api."""

from __future__ import annotations

from typing import Any, ClassVar, Final
from urllib.parse import quote

from headrace.core.errors import MissingExtraError, StorageError
from headrace.storage.host import SHOWN, TIMEOUT, Host, address_of
from headrace.storage.hosted import Hosted
from headrace.storage.refusal import Refusal, refusals_of_requests
from headrace.storage.token import Token, token_of

_CLOUD: Final = "https://api.bitbucket.org"


class Bitbucket(Hosted):
    """A flow in a file on Bitbucket, in the cloud or on a server. Needs the extra `bitbucket`.

    Registration finds out which commit the branch or tag is at, and runs load the file as it is at
    that one, whatever is pushed later. They get this one file; `Git` gives them all of the repository.

    Args:
        project: The project's key. In the cloud it is a name for people only.
        repo: The repository's short name, as in its address.
        workspace: In the cloud: the workspace.
        host: Of a server (Data Center): its address; with `http://` before it, that is how it is
            reached, else by https. In the cloud: the address of the API, if it is another than
            `https://api.bitbucket.org`.
        path: The Python file, from the repository's top folder on.
        ref: The branch, the tag or the commit, whose hash may be shortened; by default the default
            branch.
        access_token_secret: The name of a secret that holds an access token. Without it a secret named
            BITBUCKET_ACCESS_TOKEN is taken, or else the environment variable of that name, if there
            is one.
        cloud_username_secret: In the cloud, instead of an access token: the name of a secret that
            holds the user's name, or the email address that goes with an API token. Without it
            BITBUCKET_CLOUD_USERNAME is taken likewise.
        cloud_app_password_secret: The name of a secret that holds the user's app password or API
            token. Without it BITBUCKET_CLOUD_APP_PASSWORD is taken likewise.
        **kwargs: Arguments of every storage.

    Raises:
        StorageError: If an argument cannot be, or neither workspace nor host is given.
    """

    title: ClassVar[str] = "Bitbucket"
    described: ClassVar[tuple[str, ...]] = (
        "project",
        "repo",
        "workspace",
        "host",
        "path",
        "ref",
        "access_token_secret",
        "cloud_username_secret",
        "cloud_app_password_secret",
    )

    def __init__(
        self,
        project: str,
        repo: str,
        workspace: str | None = None,
        host: str | None = None,
        path: str | None = None,
        ref: str | None = None,
        access_token_secret: str | None = None,
        cloud_username_secret: str | None = None,
        cloud_app_password_secret: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(repo, path, ref, **kwargs)
        self.project = project
        self.workspace = workspace
        self.host = host
        self.ref = ref
        self.access_token_secret = access_token_secret
        self.cloud_username_secret = cloud_username_secret
        self.cloud_app_password_secret = cloud_app_password_secret
        if workspace is None and host is None:
            raise StorageError(
                "A Bitbucket storage needs the workspace (Bitbucket Cloud), or the host (a server of "
                "one's own)."
            )
        if workspace is None and (cloud_username_secret or cloud_app_password_secret):
            raise StorageError(
                "A Bitbucket storage has secrets for the cloud, and no workspace: there it is a "
                "server's, which takes an access_token_secret."
            )
        if access_token_secret and (cloud_username_secret or cloud_app_password_secret):
            raise StorageError(
                "A Bitbucket storage takes either an access token, or a name and an app password: "
                "leave out access_token_secret, or the secrets whose arguments begin with cloud_."
            )
        self._address = address_of(host or _CLOUD, "host")

    @property
    def _remedy(self) -> str:
        if self.workspace is None:
            return super()._remedy
        return (
            "put a token into a secret and give its name as access_token_secret, or a name and an app "
            "password, by cloud_username_secret and cloud_app_password_secret"
        )

    @property
    def _repository(self) -> str:
        return f"{self.workspace or self.project}/{self.repo}"

    def _open(self) -> Host:
        if self.workspace is None:
            token = token_of(self.access_token_secret, "BITBUCKET_ACCESS_TOKEN")
            return _ServerHost(self._address, f"projects/{self.project}/repos/{self.repo}", token)
        name = f"repositories/{self.workspace}/{self.repo}"
        if self.access_token_secret is None:
            user = token_of(self.cloud_username_secret, "BITBUCKET_CLOUD_USERNAME")
            password = token_of(self.cloud_app_password_secret, "BITBUCKET_CLOUD_APP_PASSWORD")
            if user is not None and password is not None:
                return _CloudHost(self._address, name, password, user)
            if self.cloud_username_secret or self.cloud_app_password_secret:
                raise StorageError(
                    "A Bitbucket storage has a user's name or an app password, and not the other: "
                    "give the names of both secrets, cloud_username_secret and "
                    "cloud_app_password_secret."
                )
        token = token_of(self.access_token_secret, "BITBUCKET_ACCESS_TOKEN")
        return _CloudHost(self._address, name, token)


class _BitbucketHost(Host):
    """Either kind of Bitbucket: they differ in addresses and answers."""

    #: What stands before a repository in an address.
    root: ClassVar[str]

    def __init__(
        self, address: str, repository: str, token: Token | None, user: Token | None = None
    ) -> None:
        try:
            from atlassian import Bitbucket as Client
        except ImportError as error:
            raise MissingExtraError(
                "Bitbucket storage", "bitbucket", "atlassian-python-api"
            ) from error
        super().__init__(address, token, user)
        credentials = {} if token is None else {"token": token.value}
        if token is not None and user is not None:
            credentials = {"username": user.value, "password": token.value}
        # What is asked again, and how long is waited for it, is the same for all hosts: `Asking`.
        client: Any = Client  # its constructor has no types
        self._client = client(
            address, timeout=int(TIMEOUT), retry_with_header=False, cloud=False, **credentials
        )
        self._base = f"{self.root}/{quote(repository)}"

    def check(self) -> None:
        """Ask for the repository; see `Host`."""
        self._ask("")

    def close(self) -> None:
        """Close connections; see `Host`."""
        self._client.close()

    def _ask(self, path: str, **params: str | int) -> Any:
        """Return an answer with a status of success, whole.

        Args:
            path: What is asked for, below the repository; it is quoted already.
            **params: What stands behind the question mark.
        """
        with refusals_of_requests():
            answer = self._client.get(
                f"{self._base}/{path}" if path else self._base,
                params=params,
                headers={"Accept": "*/*"},
                advanced_mode=True,
            )
        if answer.ok:
            return answer
        raise Refusal(_words(answer), answer.status_code, answer.headers)

    def _json(self, path: str, **params: str | int) -> dict[str, Any]:
        answer = self._ask(path, **params)
        try:
            said = answer.json()
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise Refusal("it is no JSON, or no object", kind="stranger")
        return said


class _CloudHost(_BitbucketHost):
    root = "2.0"

    def commit_of(self, ref: str | None) -> str | None:
        """Resolve a ref; see `Host`."""
        if ref is None:
            ref = (self._json("").get("mainbranch") or {}).get("name")
            if ref is None:
                return None
        # A slash in a name stands as it is, as in the links that Bitbucket itself gives.
        for kind in ("refs/branches", "refs/tags"):
            try:
                return _hash(self._json(f"{kind}/{quote(ref)}").get("target"), "hash")
            except Refusal as refusal:
                if not refusal.is_missing:
                    raise
        return _hash(self._json(f"commit/{quote(ref)}"), "hash")

    def names(self) -> list[str]:
        """List branches and tags; see `Host`."""
        return [
            ref["name"]
            for kind in ("refs/branches", "refs/tags")
            for ref in self._json(kind, pagelen=SHOWN).get("values", [])
        ]

    def read(self, path: str, commit: str) -> bytes:
        """Read a file; see `Host`."""
        place = f"src/{commit}/{quote(path)}"
        found = self._json(place, format="meta")
        if found.get("type") != "commit_file":
            raise Refusal("a folder", kind="folder")
        if "subrepository" in (found.get("attributes") or ()):
            raise Refusal("a submodule", kind="folder")
        content: bytes = self._ask(place).content
        return content


class _ServerHost(_BitbucketHost):
    root = "rest/api/1.0"

    def commit_of(self, ref: str | None) -> str | None:
        """Resolve a ref; see `Host`."""
        until = {} if ref is None else {"until": ref}
        try:
            commits = self._json("commits", limit=1, **until).get("values") or [None]
        except Refusal as refusal:
            if ref is None and "NoDefaultBranch" in refusal.text:
                return None
            raise
        return None if commits[0] is None else _hash(commits[0], "id")

    def names(self) -> list[str]:
        """List branches and tags; see `Host`."""
        return [
            ref["displayId"]
            for kind in ("branches", "tags")
            for ref in self._json(kind, limit=SHOWN).get("values", [])
        ]

    def read(self, path: str, commit: str) -> bytes:
        """Read a file; see `Host`."""
        try:
            content: bytes = self._ask(f"raw/{quote(path)}", at=commit).content
            return content
        except Refusal as refusal:
            kind = self._type(path, commit) if refusal.status in {400, 404, 409} else "FILE"
            if kind != "FILE":
                what = "a folder" if kind == "DIRECTORY" else f"a {kind.lower()}"
                raise Refusal(what, kind="folder") from None
            raise

    def _type(self, path: str, commit: str) -> str:
        """Return what is at a path; FILE if there is nothing."""
        try:
            return str(
                self._json(f"browse/{quote(path)}", at=commit, type="true").get("type", "FILE")
            )
        except Refusal:
            return "FILE"


def _hash(commit: Any, field: str) -> str:
    """Return what an answer says of a commit; whether that is a hash is looked at elsewhere."""
    return str(commit.get(field)) if isinstance(commit, dict) else f"{commit}"


def _words(answer: Any) -> str:
    """Return a refusal's own words: the cloud has one error, a server has a list of them."""
    try:
        said = answer.json()
        if "errors" in said:
            return "; ".join(
                f"{error.get('message')} ({error.get('exceptionName')})" for error in said["errors"]
            )
        return str(said["error"]["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return str(answer.reason or "it does not say why")

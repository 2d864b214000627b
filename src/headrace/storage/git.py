"""`Git`: flows in a Git repository on any host."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING, Any, ClassVar, Final

from headrace.config.secrets import Secret
from headrace.core.errors import RepositoryError, StorageError
from headrace.storage.base import Storage
from headrace.storage.git_address import (
    SCHEMES,
    Address,
    plain_url,
    with_everything,
    with_token,
)

if TYPE_CHECKING:
    from headrace.flow import Flow
    from headrace.storage.git_remote import GitRemote

_COMMIT_LENGTHS: Final = (40, 64)


class Git(Storage):
    """Python files in a Git repository, on any host. Needs the extra `git`.

    Registration finds out which commit the branch or tag is at, and runs load exactly that one,
    whatever is pushed later. A run has a checkout of its own, so that a flow's file can import
    modules from beside it and from the repository's top folder. Submodules and files of Git LFS are
    not fetched.

    Over ssh the program `ssh` is asked, with the keys and the configuration that it finds;
    GIT_SSH_COMMAND is heeded.

    Args:
        flow_path: The Python file, from the repository's top folder on.
        repo: The repository's name on its host, such as `company/flows`, or its whole address.
        repo_host: The host; with `http://` or `file://` before it, that is how it is reached, else by
            https.
        flow_name: The flow's name in the file, if it is another than the one it was registered by.
        git_token_secret_name: The name of a secret that holds an access token.
        git_token_username: The user's name that goes with the token; by default the repository's
            owner.
        git_clone_url_secret_name: The name of a secret that holds the whole address, credentials and
            all; it takes the place of `repo` and of all that is said about tokens.
        branch_name: The branch; without branch, tag and commit it is the repository's default one.
        tag: The tag.
        commit: The whole hash of a commit.
        clone_depth: How many commits are fetched.
        use_ssh: Whether the host is reached by ssh.
        format_access_token: Whether the user's name is put before the token; if not, the secret is
            sent as it is: `name:token`, or the token alone in the name's place.
        git_token_scheme: How the token is sent over HTTP: `basic`, as most hosts take it, or
            `bearer`.
        **kwargs: Arguments of every storage.

    Raises:
        StorageError: If arguments are missing, contradict each other or hold a password.
    """

    described: ClassVar[tuple[str, ...]] = (
        "flow_path",
        "repo",
        "repo_host",
        "flow_name",
        "git_token_secret_name",
        "git_token_username",
        "git_clone_url_secret_name",
        "branch_name",
        "tag",
        "commit",
        "clone_depth",
        "use_ssh",
        "format_access_token",
        "git_token_scheme",
    )

    def __init__(
        self,
        flow_path: str,
        repo: str | None = None,
        repo_host: str = "github.com",
        flow_name: str | None = None,
        git_token_secret_name: str | None = None,
        git_token_username: str | None = None,
        git_clone_url_secret_name: str | None = None,
        branch_name: str | None = None,
        tag: str | None = None,
        commit: str | None = None,
        clone_depth: int = 1,
        use_ssh: bool = False,
        format_access_token: bool = True,
        *,
        git_token_scheme: str = "basic",  # noqa: S107 - the name of a scheme, not a token
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.flow_path = flow_path
        self.repo = repo
        self.repo_host = repo_host
        self.flow_name = flow_name
        self.git_token_secret_name = git_token_secret_name
        # Without one, the token is taken to be that of the organization that owns the repository.
        self.git_token_username = git_token_username or _owner(repo)
        self.git_clone_url_secret_name = git_clone_url_secret_name
        self.branch_name = branch_name
        self.tag = tag
        self.commit = commit
        self.clone_depth = clone_depth
        self.use_ssh = use_ssh
        self.format_access_token = format_access_token
        self.git_token_scheme = git_token_scheme
        self._checkouts: list[str] = []
        self._check()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_checkouts": []}

    def add_flow(self, flow: Flow) -> str:
        """Note that a flow is in this file; return the file's path in the repository."""
        self.check_name(flow)
        return self.keep(flow, self.flow_path)

    def get_flow(self, flow_name: str) -> Flow:
        """Check the repository out and load a flow.

        The checkout stays until `close`, or until this process ends.

        Raises:
            StorageError: If there is no such flow here.
            RepositoryError: If repository, branch, tag, commit or file cannot be had.
            SecretError: If a secret that it needs is not there.
            MissingExtraError: If the extra `git` is not installed.
            LoadError: If the file makes no such flow.
            Exception: Whatever the file raises.
        """
        from headrace.loading import extract_flow_from_file

        path = self.location_of(flow_name).lstrip("/")
        address = self._address()
        commit, folder = self._check_out(address)
        file = os.path.join(folder, path)
        if not os.path.isfile(file):
            raise RepositoryError(
                f"There is no file {path} in {address.url} at {self._at()} (commit {commit[:12]}). "
                "Push it, or mend flow_path, which counts from the repository's top folder."
            )
        self.logger.info("Loading the flow %r from %s, commit %s.", flow_name, address.url, commit)
        if folder not in sys.path:
            sys.path.insert(0, folder)  # the folder of the file itself will come before it
        return extract_flow_from_file(file, flow_name=self.flow_name or flow_name)

    def pinned(self) -> Git:
        """Return this storage with the commit that its branch or tag is at now.

        Raises:
            RepositoryError: If the repository, or what is asked of it, cannot be had.
            SecretError: If a secret that it needs is not there.
            MissingExtraError: If the extra `git` is not installed.
        """
        if self.commit is not None:
            return self
        from headrace.storage.rebuilding import storage_from

        commit = _remote(self._address()).resolve(self.branch_name, self.tag)
        # Of branch, tag and commit a storage has one.
        pinned = storage_from(
            {**self.serialize(), "commit": commit, "branch_name": None, "tag": None}
        )
        assert isinstance(pinned, Git)
        pinned.result = self.result
        return pinned

    def close(self) -> None:
        """Remove the checkouts of this storage."""
        for folder in self._checkouts:
            sys.path[:] = [path for path in sys.path if not _is_below(path, folder)]
            shutil.rmtree(folder, ignore_errors=True)
        self._checkouts.clear()

    # -- parts --------------------------------------------------------------------------------

    def _check(self) -> None:
        chosen = [
            name for name in ("branch_name", "tag", "commit") if getattr(self, name) is not None
        ]
        if len(chosen) > 1:
            raise StorageError(
                f"A Git storage has {' and '.join(chosen)}, of which only one can be given."
            )
        if self.repo is None and self.git_clone_url_secret_name is None:
            raise StorageError(
                "A Git storage needs the repository: repo='company/flows', or the name of a secret "
                "with its address as git_clone_url_secret_name."
            )
        if not self.flow_path.strip("/"):
            raise StorageError("A Git storage needs flow_path, the path of the flow's file.")
        if ".." in self.flow_path.split("/"):
            raise StorageError(f"The flow_path {self.flow_path!r} leads out of the repository.")
        if self.commit is not None and (
            len(self.commit) not in _COMMIT_LENGTHS or set(self.commit) - set("0123456789abcdef")
        ):
            raise StorageError(
                f"The commit {self.commit!r} is not the whole hash of a commit, which has 40 digits "
                "(0 to 9, a to f). `git rev-parse` gives it."
            )
        if self.git_token_scheme not in SCHEMES:
            raise StorageError(
                f"git_token_scheme is one of {', '.join(SCHEMES)}, not {self.git_token_scheme!r}."
            )
        if self.repo is not None:
            plain_url(self.repo, self.repo_host, self.use_ssh)

    def _address(self) -> Address:
        if self.git_clone_url_secret_name is not None:
            return with_everything(Secret(self.git_clone_url_secret_name).get())
        assert self.repo is not None
        url = plain_url(self.repo, self.repo_host, self.use_ssh)
        if self.git_token_secret_name is None or not url.startswith("http"):
            return Address(url=url)
        username = self.git_token_username if self.format_access_token else None
        token = Secret(self.git_token_secret_name).get()
        return with_token(url, token, username, self.git_token_scheme)

    def _at(self) -> str:
        """Say in words what is asked of the repository."""
        if self.commit is not None:
            return f"commit {self.commit[:12]}"
        if self.tag is not None:
            return f"tag {self.tag!r}"
        return "its default branch" if self.branch_name is None else f"branch {self.branch_name!r}"

    def _check_out(self, address: Address) -> tuple[str, str]:
        """Return the commit, and the folder that it is checked out in."""
        remote = _remote(address)
        commit = self.commit or remote.resolve(self.branch_name, self.tag)
        folder = tempfile.mkdtemp(prefix="headrace-git-")
        if not self._checkouts:
            atexit.register(_close_in, os.getpid(), self)
        self._checkouts.append(folder)
        remote.check_out(commit, folder, self.clone_depth)
        return commit, folder


def _remote(address: Address) -> GitRemote:
    from headrace.storage.git_remote import GitRemote

    return GitRemote(address)


def _close_in(process: int, storage: Git) -> None:
    # A process that was forked off inherits what is to be done at the end, and is not the owner.
    if os.getpid() == process:
        storage.close()


def _owner(repo: str | None) -> str | None:
    """Return the owner in a repository's name; None if it has none."""
    if repo is None or "://" in repo or "@" in repo:
        return None
    return repo.strip("/").split("/")[0]


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)

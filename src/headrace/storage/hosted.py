"""`Hosted`: what storages have in common that read single files over the API of a Git host."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

from headrace.core.errors import HeadraceError, LoadError, RepositoryError, StorageError
from headrace.storage.asking import Asking
from headrace.storage.base import Storage
from headrace.storage.host import Host, is_commit

if TYPE_CHECKING:
    from headrace.flow import Flow


class Hosted(Storage):
    """A Python file in a repository, read by itself over the API of the repository's host.

    A run gets the file as it was at the commit that was registered, and nothing else of the
    repository: the file cannot import what stands beside it, and has no `__file__`.

    A kind implements `_open`, and says what its arguments are called.

    Args:
        repo: The repository's name.
        path: The file, from the repository's top folder on. A storage that several flows share may be
            given another path before each is added.
        ref: A branch, a tag or a commit; without one it is the default branch.
        **kwargs: Arguments of every storage.

    Attributes:
        hashes: Of a pinned storage: by the name of each flow, the SHA-256 of its file. It tells
            whether a flow has changed, in the place of the commit: a push that leaves its file alone
            does not change it.

    Raises:
        StorageError: If an argument cannot be.
    """

    by_flow: ClassVar[tuple[str, ...]] = ("flows", "hashes")
    #: What its users call the host.
    title: ClassVar[str]
    #: Which of its arguments has the ref, for messages and for pinning.
    ref_argument: ClassVar[str] = "ref"

    def __init__(self, repo: str, path: str | None, ref: str | None, **kwargs: Any) -> None:
        kwargs["stored_as_script"] = True  # it cannot be otherwise; Prefect 1 lets it be said
        super().__init__(**kwargs)
        given: dict[str, object] = {"repo": repo, "path": path, self.ref_argument: ref}
        for argument, value in given.items():
            if value is not None and (not isinstance(value, str) or not value.strip("/ ")):
                raise StorageError(
                    f"The {argument} of a {self.name} storage is a string with something in it, not "
                    f"{value!r}."
                )
        if given["repo"] is None:
            raise StorageError(f"A {self.name} storage needs the repository's name as repo.")
        if path is not None and ".." in path.split("/"):
            raise StorageError(f"The path {path!r} leads out of the repository.")
        self.repo = repo
        self.path = path
        self.hashes: dict[str, str] = {}

    @abstractmethod
    def _open(self) -> Host:
        """Return the repository, ready to be asked.

        Raises:
            SecretError: If a secret that it needs is not there.
            MissingExtraError: If its library is not installed.
        """

    @property
    def _remedy(self) -> str:
        """What gives the host a token, in words that begin with a verb."""
        return "put a token into a secret and give its name as access_token_secret"

    @property
    def _repository(self) -> str:
        """The repository in words, without its host."""
        return self.repo

    @property
    def _ref(self) -> str | None:
        ref: str | None = getattr(self, self.ref_argument)
        return ref

    def add_flow(self, flow: Flow) -> str:
        """Note that a flow is in this file; return the file's path in the repository.

        Raises:
            StorageError: If another flow of this name was added, or there is no path.
        """
        self.check_name(flow)
        if self.path is None:
            raise StorageError(
                f"A {self.name} storage needs the path of the flow's file in the repository: "
                f"{self.name}(..., path='flows/nightly.py')."
            )
        if self.flows.get(flow.name) != self.path:
            self.hashes.pop(flow.name, None)
        return self.keep(flow, self.path)

    def serialize(self) -> dict[str, Any]:
        """Describe the storage; see `Storage.serialize`."""
        return {**super().serialize(), "hashes": dict(sorted(self.hashes.items()))}

    def restore(self, description: dict[str, Any]) -> None:
        """Take over flows and hashes; see `Storage.restore`."""
        super().restore(description)
        self.hashes = dict(description.get("hashes") or {})

    def known_by(self, flow_name: str) -> dict[str, Any]:
        """Return what tells whether a flow's file has changed: its hash, whichever the commit."""
        described = self.serialize_for(flow_name)
        if flow_name in self.hashes:
            del described[self.ref_argument]
        return described

    def serialize_for(self, flow_name: str) -> dict[str, Any]:
        """Describe the storage as it is for one of its flows; see `Storage.serialize_for`."""
        return {**super().serialize_for(flow_name), "path": self.flows[flow_name]}

    def get_flow(self, flow_name: str) -> Flow:
        """Read the file and load a flow from it.

        Raises:
            StorageError: If there is no such flow here.
            RepositoryError: If host, repository, ref or file cannot be had.
            SecretError: If a secret that it needs is not there.
            MissingExtraError: If the library for this host is not installed.
            LoadError: If the file makes no such flow, or imports what is not here.
            Exception: Whatever the file raises.
        """
        from headrace.loading import choose, flows_in_code

        path = self.location_of(flow_name).lstrip("/")
        with self._open() as host:
            asking = self._asking(host)
            commit = asking.commit()
            code = asking.read(path, commit)
        known = self.hashes.get(flow_name)
        if known is not None and known != _hash(code):
            raise RepositoryError(
                f"{path} in repository {self._repository} at commit {commit} is not the file that was "
                f"registered: {self.title} gives another text. Register the flow again."
            )
        self.logger.info(
            "Loading the flow %r from %s in %s, commit %s.",
            *(flow_name, path, self._repository, commit),
        )
        where = f"{path} in {self._repository} at commit {commit[:12]}"
        try:
            return choose(flows_in_code(code, where), flow_name, where)
        except ImportError as error:
            if isinstance(error, HeadraceError):
                raise
            raise LoadError(
                f"{where} cannot be loaded here: {error}. A {self.name} storage gives a run this one "
                "file, and nothing that stands beside it. Is that a file of the repository? Then use "
                "headrace.storage.Git, which checks all of it out. Else install it where the flow "
                "runs."
            ) from error

    def pinned(self) -> Self:
        """Return this storage with the commit that its branch or tag is at now.

        Raises:
            RepositoryError: If host, repository, ref or a flow's file cannot be had.
            SecretError: If a secret that it needs is not there.
            MissingExtraError: If the library for this host is not installed.
        """
        if is_commit(self._ref) and self.hashes.keys() >= self.flows.keys():
            return self
        from headrace.storage.rebuilding import storage_from

        with self._open() as host:
            asking = self._asking(host)
            commit = asking.commit()
            files = {
                path: _hash(asking.read(path.lstrip("/"), commit))
                for path in sorted({*self.flows.values()})
            }
        hashes = {flow: files[path] for flow, path in self.flows.items()}
        pinned = storage_from({**self.serialize(), self.ref_argument: commit, "hashes": hashes})
        assert isinstance(pinned, type(self))
        pinned.result = self.result
        return pinned

    def _asking(self, host: Host) -> Asking:
        return Asking(
            host=host,
            title=self.title,
            repository=self._repository,
            ref=self._ref,
            ref_argument=self.ref_argument,
            remedy=self._remedy,
        )


def _hash(code: bytes) -> str:
    from hashlib import sha256

    return sha256(code).hexdigest()

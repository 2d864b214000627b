"""`Asking`: one conversation with a host, and what its refusals mean for a user."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn, TypeVar

from headrace.core.errors import RepositoryError
from headrace.core.now import now
from headrace.storage.host import SHOWN, Host, is_commit
from headrace.storage.refusal import Refusal

#: How many seconds to wait before a host that has failed is asked again.
_DELAYS: Final = (0.25, 0.5, 1.0)
#: For how many seconds a host may ask for patience that was asked too often; beyond that it is an error.
_PATIENCE: Final = 10.0
_LFS: Final = b"version https://git-lfs.github.com/spec/"

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Asks a host for commits and files of one repository.

    Attributes:
        host: The host.
        title: What its users call it.
        repository: The repository's name.
        ref: The branch, tag or commit that is wanted; None for the default branch.
        ref_argument: Which argument of the storage has it.
        remedy: What gives the host a token, in words that begin with a verb.
    """

    host: Host
    title: str
    repository: str
    ref: str | None
    ref_argument: str
    remedy: str

    def commit(self) -> str:
        """Return the whole hash of the commit that is wanted.

        Raises:
            RepositoryError: If host, repository or ref cannot be had.
        """
        host, ref = self.host, self.ref
        if ref is not None and is_commit(ref):
            return ref
        try:
            commit = _patiently(lambda: host.commit_of(ref))
        except Refusal as refusal:
            if not refusal.is_missing:
                self._refused(refusal)
            self._check()
            if ref is not None:
                raise self._no_ref(ref) from None
            commit = None
        if commit is None:
            raise RepositoryError(
                f"In {self._at()} nothing has been pushed to the default branch yet. Push the "
                f"flow's file, or name a branch as {self.ref_argument}."
            )
        if not is_commit(commit):
            raise RepositoryError(
                f"{self._at()} gives no commit for {self._wanted()}, but {commit!r:.80}. Is that "
                "the address of the host's API?"
            )
        return commit

    def read(self, path: str, commit: str) -> bytes:
        """Return a file as it is at a commit.

        Raises:
            RepositoryError: If host, repository, commit or file cannot be had.
        """
        host = self.host
        try:
            code = _patiently(lambda: host.read(path, commit))
        except Refusal as refusal:
            if refusal.kind == "folder":
                raise RepositoryError(
                    f"{path} in {self._at()} at {self._wanted()} is {refusal.text} and no file. "
                    "Give the path of the flow's Python file."
                ) from None
            if not refusal.is_missing:
                self._refused(refusal, path)
            self._check()
            raise self._no_file(path, commit) from None
        if code.startswith(_LFS):
            raise RepositoryError(
                f"{path} in {self._at()} is kept by Git LFS, and what is in the repository only "
                "names it. Keep Python files in the repository itself (.gitattributes)."
            )
        return code

    def _check(self) -> None:
        """Make sure that the repository is there: a host says the same of all that is missing."""
        try:
            _patiently(self.host.check)
        except Refusal as refusal:
            if not refusal.is_missing:
                self._refused(refusal)
            raise RepositoryError(
                f"There is no {self._at()}, or it is not to be seen "
                f"{self._with_tokens()}. Mend repo or the host's address, or "
                f"{'give a token that may read it' if self.host.sources else self.remedy}."
            ) from None

    def _no_ref(self, ref: str) -> RepositoryError:
        try:
            names = list(self.host.names())
        except Refusal:
            names = []  # they only help to find the right one
        close = difflib.get_close_matches(ref, names, n=1)
        shown = ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "")
        hint = f"Did you mean {close[0]!r}" if close else f"There are: {shown}" if names else ""
        return RepositoryError(
            f"In {self._at()} there is no branch, tag or commit {ref!r}. "
            f"{hint or f'Mend {self.ref_argument}'}{'' if len(names) < SHOWN else ', and more'}."
        )

    def _no_file(self, path: str, commit: str) -> RepositoryError:
        try:
            _patiently(lambda: self.host.commit_of(commit))
        except Refusal as refusal:
            if refusal.is_missing:
                return RepositoryError(
                    f"In {self._at()} there is no commit {commit}. Was it taken back by a forced "
                    f"push? Then register the flow again; else mend {self.ref_argument}."
                )
        return RepositoryError(
            f"There is no file {path} in {self._at()} at {self._wanted()} (commit "
            f"{commit[:12]}). Push it, or mend the path, which counts from the repository's top "
            "folder."
        )

    # -- what a refusal means -------------------------------------------------------------------

    def _refused(self, refusal: Refusal, path: str | None = None) -> NoReturn:
        text = refusal.text.strip()
        for token in self.host.tokens:
            text = token.hide(text)
        place = self._wanted() if path is None else f"{path} at {self._wanted()}"
        what = f"for {place} of {self._at()}"
        if refusal.kind == "unreachable":
            message = (
                f"{self.title} cannot be asked {what}: {text}. Is the host's address right, and is "
                "it reachable from this machine?"
            )
        elif refusal.kind == "stranger":
            message = (
                f"What answers for {self.title}, when it is asked {what}, is not its API, it seems: "
                f"{text}. Is the host's address right?"
            )
        elif refusal.kind == "certificate":
            message = (
                f"{self.title} cannot be asked {what}, because its certificate is not trusted here: "
                f"{text}. Name the file with the authority's certificate in {self.host.ca_variable}."
            )
        elif refusal.status == 401 and not self.host.sources:
            message = f"{self.title} asks for a token {what}. To go on, {self.remedy}."
        elif refusal.status == 401:
            message = (
                f"{self.title} refuses {self._sources()} {what}: {text}. Is it right, of this "
                "host, and not expired?"
            )
        elif refusal.is_limit:
            message = self._limited(refusal, what)
        elif refusal.status == 403:
            way = "give the token the right to read the repository's contents"
            message = (
                f"{self.title} does not allow what was asked {what} {self._with_tokens()}: {text}. "
                f"To go on, {way if self.host.sources else self.remedy}."
            )
        elif refusal.is_failure:
            message = (
                f"{self.title} failed when it was asked {what}: {text} ({refusal.status}). It was "
                f"asked {len(_DELAYS) + 1} times; try again later."
            )
        else:
            message = (
                f"{self.title} refuses what it was asked {what}: {text} "
                f"({refusal.status}). Mend the arguments of the storage."
            )
        raise RepositoryError(message) from None

    def _limited(self, refusal: Refusal, what: str) -> str:
        until = refusal.until()
        when = "later"
        if until is not None:
            minutes = max(0.0, (until - now()).total_seconds()) / 60
            when = f"after {until:%Y-%m-%d %H:%M:%S} UTC (in {minutes:.0f} minutes)"
        more = "" if self.host.sources else f" With a token the limit is higher: {self.remedy}."
        return (
            f"{self.title} was asked too often ({refusal.status}), and says nothing {what}: try again "
            f"{when}.{more}"
        )

    # -- words ----------------------------------------------------------------------------------

    def _at(self) -> str:
        return f"repository {self.repository} on {self.host.address}"

    def _wanted(self) -> str:
        ref = self.ref
        if ref is None:
            return "the default branch"
        return f"commit {ref[:12]}" if is_commit(ref) else f"{self.ref_argument} {ref!r}"

    def _sources(self) -> str:
        return " and ".join(self.host.sources)

    def _with_tokens(self) -> str:
        return f"with {self._sources()}" if self.host.sources else "without a token"


def _patiently(ask: Callable[[], _T]) -> _T:
    """Ask a host, and again if it fails or asks for a little patience.

    Raises:
        Refusal: The last one.
    """
    for delay in (*_DELAYS, None):
        try:
            return ask()
        except Refusal as refusal:
            wait = _wait(refusal, delay)
            if wait is None:
                raise
            time.sleep(wait)
    raise AssertionError("the last time there is no waiting")


def _wait(refusal: Refusal, delay: float | None) -> float | None:
    """Return for how many seconds to wait before asking again; None for not at all."""
    if delay is None:
        return None
    if refusal.is_failure:
        return delay
    until = refusal.until() if refusal.is_limit else None
    if until is None:
        return None
    seconds = max(0.0, (until - now()).total_seconds())
    return seconds + delay if seconds <= _PATIENCE else None

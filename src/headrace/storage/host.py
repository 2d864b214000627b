"""`Host`: one repository on a host, as its own API shows it."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Final, Self
from urllib.parse import urlsplit, urlunsplit

from headrace.core.errors import StorageError
from headrace.storage.token import Token

#: How many seconds a host may be silent.
TIMEOUT: Final = 30.0
#: How many branches, and how many tags, are looked at to name the one that was meant.
SHOWN: Final = 100
_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class Host(ABC):
    """One repository on a host; the base of those that speak a vendor's API.

    What it cannot give it raises as a `Refusal`.

    Attributes:
        address: Where the host is, for messages; it holds no secret.
        tokens: What opens the repository.
        sources: Where that is from, in words.
    """

    #: The environment variable that names a file of certificates that are trusted.
    ca_variable: ClassVar[str] = "REQUESTS_CA_BUNDLE"

    def __init__(self, address: str, *tokens: Token | None) -> None:
        self.address = address
        self.tokens = [token for token in tokens if token is not None]
        self.sources = list(dict.fromkeys(token.source for token in self.tokens))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def check(self) -> None:
        """Ask for the repository itself."""

    @abstractmethod
    def commit_of(self, ref: str | None) -> str | None:
        """Return the hash of the commit that a branch, a tag or the beginning of a hash means.

        Args:
            ref: The name; None for the default branch.

        Returns:
            The hash; None if nothing has been pushed to the default branch yet.
        """

    @abstractmethod
    def names(self) -> Iterable[str]:
        """Return the names of branches and tags, or of the first ones if there are many."""

    @abstractmethod
    def read(self, path: str, commit: str) -> bytes:
        """Return a file as it is at a commit."""

    @abstractmethod
    def close(self) -> None:
        """Close connections."""


def is_commit(ref: str | None) -> bool:
    """Tell whether a ref is the whole hash of a commit, which stays what it is."""
    return ref is not None and _COMMIT.fullmatch(ref) is not None


def address_of(host: str, argument: str) -> str:
    """Return the address of a host: https, unless it says another scheme, without a slash at the end.

    Args:
        host: The host, or its address.
        argument: What it was given as, for messages.

    Raises:
        StorageError: If it is no address of http or https, or holds a password.
    """
    url = host if "://" in host else f"https://{host}"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - asking is what checks it
    except ValueError as error:
        raise StorageError(f"The {argument} {host!r} is no address of a host: {error}.") from error
    if parts.username is not None:
        bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        raise StorageError(
            f"The {argument} {bare} is given with a name or a password in it, and it is stored with "
            "the flow. Put the token into a secret, and give the secret's name."
        )
    if parts.query or parts.fragment:
        raise StorageError(
            f"The {argument} {urlunsplit(parts._replace(query='', fragment=''))} goes on after a ? or a "
            "#, as the address of a host does not. A token is put into a secret."
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StorageError(
            f"The {argument} {host!r} is no address of a host; give one such as "
            "'https://code.example.com'."
        )
    return url.rstrip("/")

"""Where a Git repository is, and what opens it: the two are kept apart."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from headrace.core.errors import RepositoryError, SecretError, StorageError

#: How a token can be sent.
SCHEMES = ("basic", "bearer")
_TRANSPORTS = ("https", "http", "ssh", "file")


@dataclass(frozen=True, kw_only=True)
class Address:
    """The address of a repository.

    Attributes:
        url: The address, which holds no secret and may be shown.
        authorization: The HTTP header of that name, if there is one.
        hidden: What must never be shown: tokens and passwords.
    """

    url: str
    authorization: str | None = field(default=None, repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)

    def shown(self, text: str) -> str:
        """Return a text with everything hidden in it blotted out."""
        for secret in self.hidden:
            text = text.replace(secret, "***")
        return text


def plain_url(repo: str, repo_host: str, use_ssh: bool) -> str:
    """Return the address of a repository on a host.

    Args:
        repo: Its name there, such as `company/flows`, or the whole address.
        repo_host: The host; with `http://` or `file://` before it, that is how it is reached.
        use_ssh: Whether ssh is.

    Raises:
        StorageError: If the address holds a password, or is none.
    """
    url = repo if "://" in repo or _is_scp(repo) else _on_host(repo, repo_host, use_ssh)
    if _is_scp(url):
        return url
    parts = _split(url)
    if parts.password or (parts.username and parts.scheme in ("http", "https")):
        raise StorageError(
            f"The address of a repository holds a user's name or a password, and it is stored with "
            f"the flow: {_bare(parts)}. Put the token into a secret and give its name as "
            "git_token_secret_name, or the whole address as git_clone_url_secret_name."
        )
    return url


def with_token(url: str, token: object, username: str | None, scheme: str) -> Address:
    """Return an address that is opened by a token.

    Args:
        url: The address.
        token: The token.
        username: The user's name that goes with it; without one the token is the name, unless it is
            `name:token` itself.
        scheme: How it is sent: one of `SCHEMES`.

    Raises:
        SecretError: If it cannot be sent as that.
    """
    text = str(token).strip()
    if scheme == "bearer":
        if not text.isascii() or not text.isprintable():
            # What sends it would show it when it refuses to.
            raise SecretError(
                "The secret that git_token_secret_name names holds no token: it has line breaks, or "
                "letters that a Bearer token never has."
            )
        return Address(url=url, authorization=f"Bearer {text}", hidden=(text,))
    pair = f"{username}:{text}" if username else text if ":" in text else f"{text}:"
    return _basic(url, pair, text)


def with_everything(url: object) -> Address:
    """Return the address that a secret holds, with the name and the password apart from it."""
    text = str(url).strip()
    if _is_scp(text):
        return Address(url=text)
    try:
        parts = _split(text)
    except StorageError:
        # The address is a secret: what is wrong with it cannot be shown.
        raise RepositoryError(
            "The secret that git_clone_url_secret_name names holds no address of a repository, such "
            "as https://name:token@host/company/flows.git."
        ) from None
    if parts.scheme == "ssh" and parts.password is not None:
        raise RepositoryError(
            "The secret that git_clone_url_secret_name names holds an address for ssh with a password in "
            "it, and ssh takes keys. Leave the password out, or use an address of https."
        )
    if parts.scheme not in ("http", "https") or parts.username is None:
        return Address(url=text)
    name, password = unquote(parts.username), unquote(parts.password or "")
    return _basic(_bare(parts), f"{name}:{password}", password or name)


def _basic(url: str, pair: str, secret: str) -> Address:
    encoded = base64.b64encode(pair.encode()).decode()
    return Address(url=url, authorization=f"Basic {encoded}", hidden=(secret, encoded))


def _on_host(repo: str, repo_host: str, use_ssh: bool) -> str:
    host, name = repo_host.rstrip("/"), repo.strip("/")
    if repo_host.startswith("file://"):
        return f"file://{repo_host.removeprefix('file://').rstrip('/')}/{name}"
    dot_git = "" if name.endswith(".git") else ".git"
    if use_ssh:
        host = host.partition("://")[2] or host
        # The short form takes no port.
        return f"ssh://git@{host}/{name}{dot_git}" if ":" in host else f"git@{host}:{name}{dot_git}"
    return f"{host if '://' in host else f'https://{host}'}/{name}{dot_git}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - asking is what checks it
    except ValueError as error:
        raise StorageError(f"{url!r} is no address of a repository: {error}.") from error
    if parts.scheme not in _TRANSPORTS or not (parts.hostname or parts.scheme == "file"):
        raise StorageError(
            f"{url!r} is no address of a repository. It begins with one of: "
            f"{', '.join(f'{name}://' for name in _TRANSPORTS)}."
        )
    if parts.scheme in ("http", "https") and (parts.query or parts.fragment):
        # It may well be a token, so it is not shown.
        raise StorageError(
            f"The address {_bare(parts._replace(query='', fragment=''))} of a repository goes on after a ? "
            "or a #, as none does. A token is put into a secret, whose name is git_token_secret_name."
        )
    return parts


def _bare(parts: SplitResult) -> str:
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _is_scp(text: str) -> bool:
    """Tell whether an address is of the short form for ssh, `user@host:path`."""
    return "://" not in text and "@" in text and ":" in text.partition("@")[2]

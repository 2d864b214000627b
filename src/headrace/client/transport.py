"""How a server is asked: over HTTP, on connections that are kept."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any, TypeVar, overload
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NewConnectionError,
    ReadTimeoutError,
)
from urllib3.util import Timeout, parse_url

from headrace.client.answers import read
from headrace.client.bodies import encode
from headrace.core.errors import ConfigError, ServerFailed, ServerUnreachable
from headrace.wire.base import WIRE_HEADER, WIRE_VERSION

T = TypeVar("T")

#: How many seconds a connection may take to come about.
CONNECT_TIMEOUT = 5.0
#: How many seconds an answer may take, beyond what the server was told to hold it back for.
READ_TIMEOUT = 30.0
#: How many seconds pass before each further try.
_PAUSES = (0.1, 0.4)
#: Connections that are kept; each thread needs one, and they are made when they are needed.
_KEPT = 32


class Transport:
    """Connections to one server. Threads may share it; after a fork the child makes its own.

    Args:
        api_url: The server's address, such as `http://127.0.0.1:4200`; `https` works too, and a
            path before `/api`.
        api_key: The key to identify with; None or empty for none.
        retries: Whether to try again, at most twice and within half a second, what may be repeated.

    Attributes:
        url: The server's address, without `/api`.

    Raises:
        ConfigError: If the address is none.
    """

    def __init__(self, api_url: str, api_key: str | None = None, *, retries: bool = True) -> None:
        self.url, self._path = _parsed(api_url)
        self._retries = retries
        self._headers = {
            WIRE_HEADER: str(WIRE_VERSION),
            "content-type": "application/json",
            "accept": "application/json",
            "user-agent": "headrace",
        }
        if api_key:
            self._headers["authorization"] = _bearer(api_key)
        self._open()

    def _open(self) -> None:
        # A child that wrote to the connections of its parent would mix up both their answers.
        self._pid = os.getpid()
        self._pool = urllib3.connection_from_url(
            self.url, maxsize=_KEPT, block=False, retries=False
        )

    def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        self._pool.close()
        self._open()

    @overload
    def request(
        self,
        method: str,
        path: str,
        body: Any = ...,
        *,
        query: Mapping[str, Any] | None = ...,
        wait: float = ...,
        token: str | None = ...,
        repeatable: bool | None = ...,
    ) -> None: ...

    @overload
    def request(
        self,
        method: str,
        path: str,
        *,
        answer: type[T],
        query: Mapping[str, Any] | None = ...,
        wait: float = ...,
        token: str | None = ...,
        repeatable: bool | None = ...,
    ) -> T: ...

    @overload
    def request(
        self,
        method: str,
        path: str,
        body: Any,
        answer: type[T],
        *,
        query: Mapping[str, Any] | None = ...,
        wait: float = ...,
        token: str | None = ...,
        repeatable: bool | None = ...,
    ) -> T: ...

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        answer: type[T] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        wait: float = 0.0,
        token: str | None = None,
        repeatable: bool | None = None,
    ) -> T | None:
        """Ask the server for something.

        Args:
            method: The HTTP method.
            path: What follows `/api`.
            body: A message, or the bytes of one; None for none.
            answer: The type of what is expected; None if nothing is.
            query: What stands behind the question mark; what is None is left out.
            wait: For how many seconds the server was told to hold its answer back.
            token: The key to identify with this time.
            repeatable: Whether a repeat changes nothing; by default only that of a GET.

        Returns:
            What the server has answered.

        Raises:
            ClientError: One of its children: see `headrace.core.errors`.
            NotJsonError: If the body holds what is no JSON.
        """
        if self._pid != os.getpid():
            self._open()
        data = None if body is None else encode(body)
        headers = self._headers
        if token is not None:
            headers = {**headers, "authorization": _bearer(token)}
        target = f"{self._path}/api{path}{_query(query)}"
        timeout = Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT + wait)
        if repeatable is None:
            repeatable = method == "GET"
        pauses = _PAUSES if self._retries else ()
        for pause in (*pauses, None):
            try:
                response = self._pool.urlopen(
                    method, target, data, headers, redirect=False, timeout=timeout, retries=False
                )
                found: T | None = read(
                    self.url, response.status, response.headers, response.data, answer
                )
                return found
            except HTTPError as error:
                # A connection that did not come about has carried nothing: any request may repeat.
                may = isinstance(error, NewConnectionError) or (
                    repeatable and not isinstance(error, ReadTimeoutError | ConnectTimeoutError)
                )
                if pause is None or not may:
                    raise ServerUnreachable(_unreachable(self.url, error, timeout)) from error
            except ServerFailed:
                if pause is None or not repeatable:
                    raise
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")


def _parsed(api_url: str) -> tuple[str, str]:
    """Return an address as scheme, host and port, and the path that stands before `/api`."""
    try:
        url = parse_url(api_url.strip())
    except (LocationParseError, ValueError, AttributeError):
        url = None
    if url is None or url.scheme not in ("http", "https") or not url.host or url.query or url.auth:
        raise ConfigError(
            f"{api_url!r} is no address of a server. Write it like http://127.0.0.1:4200, as "
            "HEADRACE_API_URL, or as api_url in config.toml."
        )
    path = (url.path or "").rstrip("/").removesuffix("/api")
    port = f":{url.port}" if url.port else ""
    return f"{url.scheme}://{url.host}{port}", path


def _bearer(key: str) -> str:
    if not key.isascii() or not key.isprintable():
        raise ConfigError("The API key holds characters that no key has. Copy it again, whole.")
    return f"Bearer {key.strip()}"


def _query(query: Mapping[str, Any] | None) -> str:
    if not query:
        return ""
    given = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in query.items()
        if value is not None
    }
    return f"?{urlencode(given, doseq=True)}" if given else ""


def _unreachable(url: str, error: HTTPError, timeout: Timeout) -> str:
    if "WRONG_VERSION_NUMBER" in str(error):
        plain = "http" + url.removeprefix("https")
        return f"What answers at {url} does not speak https. Try {plain}, as HEADRACE_API_URL."
    return (
        f"No Headrace server answers at {url} ({_cause(error, timeout)}). Start one with "
        "`headrace server start`, or say where yours is by HEADRACE_API_URL=http://HOST:PORT, or "
        "by api_url in config.toml."
    )


def _cause(error: HTTPError, timeout: Timeout) -> str:
    if isinstance(error, ReadTimeoutError):
        return f"no answer within {timeout.read_timeout:g} s"
    if isinstance(error, ConnectTimeoutError) and not isinstance(error, NewConnectionError):
        return f"no connection within {CONNECT_TIMEOUT:g} s"
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    text = (isinstance(cause, OSError) and cause.strerror) or str(cause)
    return f"{text[:1].lower()}{text[1:]}".rstrip(".")

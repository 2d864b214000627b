"""What a server's answer means: a value, or an error."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from headrace.core.errors import (
    ClientError,
    Conflict,
    NoHeadraceServer,
    NotAuthorized,
    NotFound,
    Refused,
    ServerFailed,
    TooManyRequests,
    VersionMismatch,
)
from headrace.wire.base import WIRE_HEADER, WIRE_VERSION, Problem

_ERRORS: dict[int, type[ClientError]] = {
    401: NotAuthorized,
    403: NotAuthorized,
    404: NotFound,
    409: Conflict,
    426: VersionMismatch,
    429: TooManyRequests,
}
#: What stands between client and server answers with these when the server is away.
_FROM_BETWEEN = (502, 503, 504)


@cache
def _decoder(answer: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(answer)


def read(url: str, status: int, headers: Mapping[str, str], data: bytes, answer: Any) -> Any:
    """Return what an answer holds.

    Args:
        url: The server's address, for errors.
        status: The HTTP status.
        headers: The headers; names in any case.
        data: The body.
        answer: The type of what is expected; None if nothing is.

    Raises:
        ClientError: One of its children, if the answer says that something is wrong, or is not
            that of a Headrace server.
    """
    spoken = headers.get(WIRE_HEADER)
    if spoken is None:
        raise _not_ours(url, status)
    if spoken != str(WIRE_VERSION):
        raise VersionMismatch(_mismatch(url, spoken), "wire_version", status)
    if status >= 300:
        raise _error(url, status, data)
    if answer is None:
        return None
    try:
        return _decoder(answer).decode(data)
    except msgspec.DecodeError as error:
        raise VersionMismatch(
            f"The answer of the server at {url} cannot be read ({error}). Client and server are "
            "probably of different versions: upgrade the older one.",
            "unreadable_answer",
            status,
        ) from error


def _error(url: str, status: int, data: bytes) -> ClientError:
    try:
        problem = _decoder(Problem).decode(data)
        message, code = problem.message, problem.code
    except msgspec.DecodeError:
        message, code = f"The server at {url} answered with status {status}.", None
    kind = _ERRORS.get(status, ServerFailed if status >= 500 else Refused)
    return kind(message, code, status)


def _mismatch(url: str, spoken: str) -> str:
    older = spoken.isdecimal() and int(spoken) < WIRE_VERSION
    return (
        f"The server at {url} speaks version {spoken} of the messages, and this client version "
        f"{WIRE_VERSION}. Upgrade the {'server' if older else 'client'}: "
        "pip install --upgrade headrace"
    )


def _not_ours(url: str, status: int) -> ClientError:
    if status in _FROM_BETWEEN:
        return ServerFailed(
            f"The server at {url} is away: what stands before it answers with status {status}.",
            status=status,
        )
    return NoHeadraceServer(
        f"What answers at {url} (with status {status}) is no Headrace server. Say where yours is "
        "by HEADRACE_API_URL=http://HOST:PORT, or by api_url in config.toml.",
        status=status,
    )

"""What a host of Git repositories says in the place of an answer, and what that means for a user."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Literal

from headrace.core.now import now

#: `answer`: it has answered, with a status; `folder`: there is no file but a folder, or something
#: else that is no file; `unreachable` and `certificate`: it could not be asked; `stranger`: what answers
#: is not the API that is expected.
Kind = Literal["answer", "folder", "unreachable", "certificate", "stranger"]

_LIMITED = 429
_FORBIDDEN = 403
_FAILED = 500


class Refusal(Exception):
    """Why a host has not given what it was asked for. It never leaves `headrace.storage`.

    Args:
        text: The host's own words.
        status: The HTTP status, if it has answered.
        headers: The HTTP headers of the answer.
        kind: What sort of refusal it is.
    """

    def __init__(
        self,
        text: str,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        kind: Kind = "answer",
    ) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.kind = kind
        self._headers = {name.lower(): value for name, value in (headers or {}).items()}

    @property
    def is_missing(self) -> bool:
        """Whether the host has no such thing: no repository, commit or file."""
        return self.status in {404, 409, 410, 422}

    @property
    def is_limit(self) -> bool:
        """Whether the host was asked too often."""
        if self.status == _LIMITED:
            return True
        return self.status == _FORBIDDEN and (
            "retry-after" in self._headers
            or self._headers.get("x-ratelimit-remaining") == "0"
            or "rate limit" in self.text.lower()
        )

    @property
    def is_failure(self) -> bool:
        """Whether the host, or the way to it, has failed, so that it may answer if it is asked again."""
        return self.kind == "unreachable" or (self.status is not None and self.status >= _FAILED)

    def until(self) -> datetime | None:
        """Return when the host may be asked again; None if it does not say."""
        if (after := self._headers.get("retry-after")) is not None:
            return _moment(after)
        for name in ("x-ratelimit-reset", "ratelimit-reset"):
            if (seconds := _number(self._headers.get(name))) is not None:
                return _at(seconds)
        return None


@contextmanager
def refusals_of_requests() -> Iterator[None]:
    """Turn what the library `requests` raises, which vendors' libraries are built on, into `Refusal`."""
    import requests

    try:
        yield
    except requests.exceptions.SSLError as error:
        raise Refusal(_innermost(error), kind="certificate") from None
    except requests.exceptions.RequestException as error:
        raise Refusal(_innermost(error), kind="unreachable") from None


def _innermost(error: BaseException) -> str:
    """Return what was wrong in the end: urllib3 and requests wrap it in sentences of their own."""
    reason: object = error
    while True:
        inner = getattr(reason, "reason", None)
        if inner is None and isinstance(reason, BaseException) and reason.args:
            inner = reason.args[0]
        if not isinstance(inner, BaseException):
            return f"{reason}"
        reason = inner


def _moment(after: str) -> datetime | None:
    """Read a Retry-After: a number of seconds, or a date."""
    seconds = _number(after)
    if seconds is not None:
        return _at(now().timestamp() + seconds)
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(after)
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _at(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return None

"""What a test has go wrong between a client and the API server."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from tests.integration.components.kubernetes.answers import Refused
from tests.integration.components.kubernetes.calls import Call
from tests.integration.components.kubernetes.watching import Cut


@dataclass
class Fault:
    """One thing that goes wrong, for some requests."""

    #: Of `create`, `get`, `list`, `watch`, `update`, `patch`, `delete`, `deletecollection`.
    verbs: tuple[str, ...]
    #: Of the resource, as `jobs` or `pods/log`; empty for all.
    resources: tuple[str, ...]
    #: How many requests it still happens to; `None` for all until it is taken back.
    left: int | None
    seconds: float = 0.0
    refusal: Callable[[], Exception] | None = None
    #: Whether the request is carried out before its answer is lost.
    after: bool = False
    #: How many requests it has happened to.
    happened: int = 0

    def fits(self, call: Call) -> bool:
        target = call.resource.plural if call.resource else call.path
        if call.subresource:
            target += f"/{call.subresource}"
        return (
            self.left != 0
            and (not self.verbs or call.verb in self.verbs)
            and (not self.resources or target in self.resources)
        )


class Faults:
    """All that is to go wrong."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._numbers = count()

    def add(self, fault: Fault) -> Callable[[], None]:
        number = next(self._numbers)
        self._faults[number] = fault
        return lambda: (self._faults.pop(number, None), None)[1]

    def clear(self) -> None:
        self._faults.clear()

    async def before(self, call: Call) -> None:
        """Have a request go wrong, or late, where a test wants that."""
        await self._happen(call, after=False)

    async def after(self, call: Call) -> None:
        """Lose the answer of a request that was carried out, where a test wants that."""
        await self._happen(call, after=True)

    async def _happen(self, call: Call, *, after: bool) -> None:
        for fault in list(self._faults.values()):
            if fault.after is not after or not fault.fits(call):
                continue
            fault.happened += 1
            if fault.left is not None:
                fault.left -= 1
            if fault.seconds:
                await asyncio.sleep(fault.seconds)
            if fault.refusal is not None:
                raise fault.refusal()


def refusal(
    code: int, message: str = "", retry_after: int | None = None
) -> Callable[[], Exception]:
    """Return what makes the error that the API server answers with this code."""
    reason, text = _KNOWN[code]
    seconds = retry_after if retry_after is not None else (1 if code == 429 else None)
    headers = {} if seconds is None else {"Retry-After": str(seconds)}
    details = None if seconds is None else {"retryAfterSeconds": seconds}
    # What has too many requests turns them away before it looks at them.
    plain = code == 429
    return lambda: Refused(
        code, reason, message or text, details=details, headers=headers, is_plain=plain
    )


def cut() -> Exception:
    return Cut()


_KNOWN = {
    401: ("Unauthorized", "Unauthorized"),
    403: ("Forbidden", "forbidden by a test"),
    404: ("NotFound", "the server could not find the requested resource"),
    409: ("Conflict", "the object has been modified"),
    410: ("Expired", "The resourceVersion for the provided watch is too old."),
    429: ("TooManyRequests", "Too many requests, please try again later."),
    500: ("InternalError", "Internal error occurred: etcdserver: request timed out"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "Timeout: request did not complete within the allotted timeout"),
}

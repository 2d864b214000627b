"""What containers have written, and requests to read it."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.integration.components.kubernetes.answers import (
    Cause,
    Object,
    Refused,
    bad_request,
    invalid,
)
from tests.integration.components.kubernetes.calls import Call
from tests.integration.components.kubernetes.resources import Resource

#: The container runtime splits longer lines.
_LINE = 16 * 1024
_OPTIONS = Resource("", "v1", "podlogoptions", "PodLogOptions", "")


class ContainerLog:
    """The lines that one container has written, in a file, each with its time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._path.touch()
        self._partial: dict[str, bytes] = {}
        self._news = asyncio.Event()
        self.ended = False

    def write(self, stream: str, data: bytes) -> None:
        """Add what came out of a stream; lines are kept once they are whole."""
        *lines, rest = (self._partial.get(stream, b"") + data).split(b"\n")
        while len(rest) >= _LINE:
            self._append(rest[:_LINE], whole=False)
            rest = rest[_LINE:]
        self._partial[stream] = rest
        for line in lines:
            self._append(line, whole=True)
        self._tell()

    def end(self) -> None:
        """Keep what is left of lines: nothing will follow."""
        for rest in self._partial.values():
            if rest:
                self._append(rest, whole=False)
        self._partial = {}
        self.ended = True
        self._tell()

    async def changed(self) -> None:
        await self._news.wait()

    def lines(self) -> list[tuple[str, bytes]]:
        """Return all lines, each with its time."""
        found: list[tuple[str, bytes]] = []
        if not self._path.exists():
            # Its pod is gone while somebody reads it.
            return found
        for raw in self._path.read_bytes().splitlines(keepends=True):
            stamp, flag, text = raw.split(b" ", 2)
            found.append((stamp.decode(), text if flag == b"F" else text[:-1]))
        return found

    def _append(self, line: bytes, *, whole: bool) -> None:
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        with self._path.open("ab") as file:
            file.write(
                f"{stamp} {'F' if whole else 'P'} ".encode() + line.replace(b"\r", b"") + b"\n"
            )

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def container_of(call: Call, pod: Object) -> str:
    """Return the container whose log is asked for, or refuse the request."""
    _check(call)
    spec = pod["spec"]
    regular = [one["name"] for one in spec["containers"]]
    inits = [one["name"] for one in spec.get("initContainers", [])]
    asked = call.query.get("container", "")
    name = pod["metadata"]["name"]
    if not asked:
        if len(regular) + len(inits) == 1:
            return str(regular[0])
        said = f"a container name must be specified for pod {name}, choose one of: [{' '.join(regular)}]"
        if inits:
            said += f" or one of the init containers: [{' '.join(inits)}]"
        if len(regular) > 1 or inits:
            raise bad_request(said)
    if asked not in regular + inits:
        raise bad_request(f"container {asked} is not valid for pod {name}")
    return asked


def waiting_refusal(pod: Object, container: str, *, previous: bool) -> Refused | None:
    """Return why the kubelet has no log to show, if so."""
    name = pod["metadata"]["name"]
    status = pod["status"]
    states = status.get("containerStatuses", []) + status.get("initContainerStatuses", [])
    found = next((one for one in states if one["name"] == container), None)
    if found is None:
        return bad_request(f'container "{container}" in pod "{name}" is not available')
    if previous:
        if "terminated" not in found.get("lastState", {}):
            return bad_request(
                f'previous terminated container "{container}" in pod "{name}" not found'
            )
        return None
    waiting = found["state"].get("waiting")
    if waiting is None:
        return None
    if "terminated" in found.get("lastState", {}):
        return None
    reason = {
        "ErrImagePull": "image can't be pulled",
        "ImagePullBackOff": "trying and failing to pull image",
    }.get(waiting["reason"], waiting["reason"])
    return bad_request(f'container "{container}" in pod "{name}" is waiting to start: {reason}')


async def read(call: Call, log: ContainerLog) -> AsyncGenerator[bytes, None]:
    """Yield a log as a request asks for it."""
    lines = log.lines()
    seen = len(lines)
    since = call.number("sinceSeconds")
    if since is not None:
        from_ = (datetime.now(UTC) - timedelta(seconds=since)).strftime("%Y-%m-%dT%H:%M:%S")
        lines = [line for line in lines if line[0] >= from_]
    tail = call.number("tailLines")
    if tail is not None:
        lines = lines[-tail:] if tail else []
    left = call.number("limitBytes")
    stamps = call.flag("timestamps")
    while True:
        for stamp, text in lines:
            piece = f"{stamp} ".encode() + text if stamps else text
            if left is not None:
                piece = piece[:left]
                left -= len(piece)
            if piece:
                yield piece
            if left == 0:
                return
        if not call.flag("follow"):
            return
        # What is written from here on is news: nothing else runs in between.
        newest = log.lines()
        if len(newest) == seen:
            if log.ended:
                return
            await log.changed()
            newest = log.lines()
        lines, seen = newest[seen:], len(newest)


def _check(call: Call) -> None:
    causes = []
    limit, tail, since = (call.number(one) for one in ("limitBytes", "tailLines", "sinceSeconds"))
    if tail is not None and tail < 0:
        causes.append(Cause.invalid("tailLines", tail, "must be greater than or equal to 0"))
    if limit is not None and limit < 1:
        causes.append(Cause.invalid("limitBytes", limit, "must be greater than 0"))
    if since is not None and since < 1:
        causes.append(Cause.invalid("sinceSeconds", since, "must be greater than 0"))
    if causes:
        raise invalid(_OPTIONS, call.name, causes)

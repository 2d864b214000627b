"""Follows the jobs, pods or events of a namespace: a list, then every change, for as long as it takes.

The protocol is Kubernetes' own: a watch goes on from the version that was seen last, which bookmarks
move on; when the cluster does not know that version any more (410), everything is listed again.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import msgspec
import urllib3

from headrace.agents.kubernetes.api import ApiRefusal, KubernetesApi
from headrace.agents.kubernetes.objects import Bookmark, Change, Event, Job, Listed, Pod, Status
from headrace.config.logging import get_logger

T = TypeVar("T", Job, Pod, Event)

#: How many objects one part of a list holds.
_PAGE = 500
#: For how many seconds the cluster is asked to answer one watch: it is spread, as its own clients do.
_SHORTEST, _LONGEST = 240, 360
#: How many seconds pass until a watch that went wrong is begun again, at first and at most.
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 30.0
#: For how many seconds a watch may be silent: the cluster sends a bookmark a minute. What is between
#: us and it may have lost the connection with no word to either.
_SILENT = 150.0
#: How many seconds a watch must have gone well for its troubles to be forgotten.
_WELL = 5.0
_GONE = 410
#: After these a watch goes on where it was: no answer, and too many requests.
_SAME_VERSION = frozenset({0, 429})


class Watch(Generic[T]):
    """Follows objects of one kind in a thread of its own.

    Args:
        api: The cluster.
        kind: `jobs`, `pods` or `events`.
        type: What is read of each.
        selector: Which of them: a label selector; empty for all.
        on_all: Called with all that there are, at first and after each gap, and with the time by a
            monotonic clock at which they were asked for.
        on_change: Called with each that has changed, and whether it is gone.
    """

    def __init__(
        self,
        api: KubernetesApi,
        kind: str,
        type: type[T],
        selector: str,
        on_all: Callable[[list[T], float], None],
        on_change: Callable[[T, bool], None],
    ) -> None:
        self._api = api
        self._kind = kind
        self._query = {"labelSelector": selector} if selector else {}
        self._on_all: Callable[[list[T], float], None] = on_all
        self._on_change: Callable[[T, bool], None] = on_change
        # The parameter of a generic struct is known only here.
        self._list: msgspec.json.Decoder[Listed[T]] = msgspec.json.Decoder(Listed[type])  # type: ignore[valid-type]
        self._object: msgspec.json.Decoder[T] = msgspec.json.Decoder(type)
        self._change = msgspec.json.Decoder(Change)
        self._version = ""
        self._stopping = threading.Event()
        self._trouble: str | None = None
        self._answer: urllib3.BaseHTTPResponse | None = None
        self._log = get_logger("agent")
        self._thread = threading.Thread(target=self._follow, name=f"watch {kind}", daemon=True)

    def read(self, patience: float = 0.0) -> None:
        """List everything now, before `start`.

        Args:
            patience: For how many seconds to try again while the cluster is busy, or away.

        Raises:
            ApiRefusal: If the cluster says no, or does not answer.
        """
        since = time.monotonic()
        self._on_all(self._all(patience), since)

    def start(self) -> None:
        """Follow, from what was read; if nothing was, from a list. Does nothing the second time."""
        if not self._thread.ident:
            self._thread.start()

    def stop(self) -> None:
        """Follow no longer."""
        self._stopping.set()
        answer = self._answer
        # urllib3 can end a read from another thread since 2.3; before, the thread ends with the process.
        if answer is not None and hasattr(answer, "shutdown"):
            try:
                answer.shutdown()
            except (OSError, ValueError, RuntimeError) as error:
                self._log.debug("A watch of %s was over already: %s", self._kind, error)
        if self._thread.is_alive():
            self._thread.join(2.0)

    # -- in the thread --------------------------------------------------------------------------

    def _follow(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            began, after = time.monotonic(), 0.0
            try:
                if not self._version:
                    self.read()
                self._watch()
                trouble = None
            except ApiRefusal as refusal:
                if refusal.status not in _SAME_VERSION:
                    # Gone, or never heard of: a cluster may have been restored from a backup.
                    self._version = ""
                trouble, after = str(refusal), refusal.after
                was_cut = refusal.status == 0 and time.monotonic() - began > _WELL
                is_expected = refusal.status == _GONE or was_cut
            except (urllib3.exceptions.HTTPError, OSError, msgspec.DecodeError) as error:
                trouble, is_expected = f"the connection was cut: {error}", True
            except Exception:  # noqa: BLE001 - one odd object must not end the news of all others
                self._log.exception("Following the %s went wrong.", self._kind)
                self._version, trouble, is_expected = "", "a fault", True
            if self._stopping.is_set():
                return
            if time.monotonic() - began > _WELL:
                pause, self._trouble = _FIRST_PAUSE, None
            if trouble is not None:
                # A proxy that cuts every minute is no news; a right that is missing is, once.
                new = not is_expected and trouble != self._trouble
                level = self._log.warning if new else self._log.debug
                level("The %s of %s are not seen now: %s", self._kind, self._api.where, trouble)
                self._trouble = trouble
            elif time.monotonic() - began > _WELL:
                continue  # the watch came to its regular end
            self._stopping.wait(max(after, random.uniform(pause / 2, pause)))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _all(self, patience: float) -> list[T]:
        path, more = self._api.path(self._kind), ""
        found: list[T] = []
        while True:
            query = {**self._query, "limit": str(_PAGE)}
            if more:
                query["continue"] = more
            part = self._list.decode(self._api.call("GET", path, query=query, patience=patience))
            found += part.items or ()
            more = part.metadata.more or ""
            if not more:
                self._version = part.metadata.resource_version
                return found

    def _watch(self) -> None:
        seconds = random.randint(_SHORTEST, _LONGEST)
        query = {
            **self._query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(seconds),
        }
        with self._api.stream(self._api.path(self._kind), query, _SILENT) as answer:
            self._answer = answer
            try:
                if self._stopping.is_set():
                    return  # whoever stops looks for an answer only after that
                for line in _lines(answer):
                    self._take(line)
                    if self._stopping.is_set():
                        return
            finally:
                self._answer = None

    def _take(self, line: bytes) -> None:
        change = self._change.decode(line)
        if change.type == "ERROR":
            said = msgspec.json.decode(change.object, type=Status)
            message = f"the cluster says: {said.message} ({said.code})"
            raise ApiRefusal(message, said.code or 500, said.reason or "")
        if change.type == "BOOKMARK":
            self._version = msgspec.json.decode(
                change.object, type=Bookmark
            ).metadata.resource_version
            return
        found = self._object.decode(change.object)
        self._on_change(found, change.type == "DELETED")
        self._version = found.metadata.resource_version


def _lines(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """Yield the lines of an answer as they come."""
    rest = b""
    for part in _parts(answer):
        whole, newline, last = (rest + part).rpartition(b"\n")
        if newline:
            yield from filter(None, whole.split(b"\n"))
        rest = last
    # A connection that ends in the middle of a line has lost it; the watch goes on before it.


def _parts(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    if getattr(answer, "chunked", False):
        yield from answer.stream(1 << 16)
        return
    # A proxy of HTTP/1.0 sends until it closes; reading must not wait for a full buffer.
    while part := answer.read1(1 << 16):
        yield part

"""Watches: lists' changes, as streams of JSON lines."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator
from typing import Any

from tests.integration.components.kubernetes.answers import (
    Cause,
    Object,
    Refused,
    bad_request,
    expired,
    invalid,
)
from tests.integration.components.kubernetes.calls import Call
from tests.integration.components.kubernetes.event_shapes import shown_as
from tests.integration.components.kubernetes.resources import EVENTS, NEW_EVENTS, Resource
from tests.integration.components.kubernetes.selectors import fields_match, labels_match
from tests.integration.components.kubernetes.store import Change, Store

#: The API server ends a watch that names no time by itself after 30 to 60 minutes.
_LONGEST = 1800
#: Seconds between bookmarks.
BOOKMARKS = 60.0
_INITIAL_END = "k8s.io/initial-events-end"
#: What Go writes for an object that is empty but for its version.
_EMPTY_POD: Object = {"spec": {"containers": None}, "status": {}}
_TEMPLATE: Object = {"metadata": {"creationTimestamp": None}, "spec": {"containers": None}}
_EMPTY: dict[str, Object] = {
    "Pod": _EMPTY_POD,
    "Job": {"spec": {"template": _TEMPLATE}, "status": {}},
    "Event": {
        "involvedObject": {}, "source": {}, "firstTimestamp": None, "lastTimestamp": None,
        "eventTime": None, "reportingComponent": "", "reportingInstance": "",
    },
}  # fmt: skip


class Cut(Exception):
    """A test cuts the connection."""


class Watches:
    """All watches that are under way."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.bookmarks = BOOKMARKS
        self._queues: dict[asyncio.Queue[Change | Exception | None], Call] = {}

    def end(self, why: Exception | None, plural: str | None = None) -> int:
        """End all watches of a resource: with an error in the stream, a cut, or as by timeout."""
        ended = 0
        for queue, call in self._queues.items():
            if plural is None or (call.resource and call.resource.plural == plural):
                queue.put_nowait(why)
                ended += 1
        return ended

    def __len__(self) -> int:
        return len(self._queues)

    def check(self, call: Call, resource: Resource) -> None:
        """Refuse a watch whose request is wrong, before anything is answered."""
        labels_match(call.query.get("labelSelector", ""))
        fields_match(call.query.get("fieldSelector", ""), resource)
        version = call.query.get("resourceVersion", "")
        if version and not version.isdecimal():
            raise bad_request(
                f'Invalid value: "{version}": strconv.ParseUint: parsing "{version}": invalid syntax'
            )
        matches = call.query.get("resourceVersionMatch")
        initial = call.query.get("sendInitialEvents")
        options = Resource("meta.k8s.io", "v1", "listoptions", "ListOptions", "")
        if initial is not None and matches != "NotOlderThan":
            path, text = (
                "resourceVersionMatch",
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            )
            raise invalid(options, "", [Cause.forbidden(path, text)])
        if matches and initial is None:
            text = (
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            )
            raise invalid(options, "", [Cause.forbidden("resourceVersionMatch", text)])

    async def stream(self, call: Call, resource: Resource) -> AsyncGenerator[bytes, None]:
        """Yield the lines of a watch until its time is up.

        Raises:
            Cut: If a test cuts it.
        """
        queue: asyncio.Queue[Change | Exception | None] = asyncio.Queue()
        self._queues[queue] = call
        kept = EVENTS if resource is NEW_EVENTS else resource

        def listen(change: Change) -> None:
            if change.resource is kept:
                queue.put_nowait(change)

        stop = self._store.listen(listen)
        try:
            async with contextlib.aclosing(self._lines(call, resource, queue)) as lines:
                async for line in lines:
                    yield line
        finally:
            stop()
            del self._queues[queue]

    async def _lines(
        self, call: Call, resource: Resource, queue: "asyncio.Queue[Change | Exception | None]"
    ) -> AsyncGenerator[bytes, None]:
        until = time.monotonic() + (call.number("timeoutSeconds") or _LONGEST)
        filter_ = _Filter(call, resource)
        try:
            begun = self._begin(call, resource, filter_)
        except Refused as refused:
            yield _line("ERROR", refused.status)
            return
        for line in begun:
            yield line
        bookmarks = call.flag("allowWatchBookmarks")
        while True:
            left = until - time.monotonic()
            try:
                wait = min(left, self.bookmarks) if bookmarks else left
                change = await asyncio.wait_for(queue.get(), max(wait, 0))
            except TimeoutError:
                if bookmarks:
                    yield self._bookmark(resource)
                if time.monotonic() >= until:
                    return
                continue
            if change is None:
                return
            if isinstance(change, Refused):
                yield _line("ERROR", change.status)
                return
            if isinstance(change, Exception):
                raise change
            news = filter_.line(change)
            if news:
                yield news

    def _begin(self, call: Call, resource: Resource, filter_: "_Filter") -> list[bytes]:
        asked = call.query.get("resourceVersion", "")
        initial = call.query.get("sendInitialEvents")
        wanted = asked in ("", "0") if initial is None else call.flag("sendInitialEvents")
        if wanted:
            lines = [
                _line("ADDED", shown_as(resource, one))
                for one in self._store.objects(resource, call.namespace)
                if filter_.fits(one)
            ]
            if initial is not None and call.flag("allowWatchBookmarks"):
                lines.append(self._bookmark(resource, {_INITIAL_END: "true"}))
            return lines
        if asked in ("", "0"):
            return []
        version = int(asked)
        if version < self._store.compacted:
            raise expired(f"too old resource version: {version} ({self._store.compacted})")
        kept = EVENTS if resource is NEW_EVENTS else resource
        missed = [
            filter_.line(change)
            for change in self._store.changes
            if change.version > version and change.resource is kept
        ]
        return [line for line in missed if line]

    def _bookmark(self, resource: Resource, annotations: dict[str, str] | None = None) -> bytes:
        meta: dict[str, Any] = {
            "resourceVersion": str(self._store.version),
            "creationTimestamp": None,
        }
        if annotations:
            meta["annotations"] = annotations
        return _line(
            "BOOKMARK",
            {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
            | _EMPTY.get(resource.kind, {}),
        )


class _Filter:
    """What of all changes a watch is told: objects come and go as they start and cease to fit."""

    def __init__(self, call: Call, resource: Resource) -> None:
        self._namespace = call.namespace
        self._resource = resource
        self._name = call.name
        self._labels = labels_match(call.query.get("labelSelector", ""))
        self._fields = fields_match(call.query.get("fieldSelector", ""), resource)

    def fits(self, found: Object | None) -> bool:
        if found is None:
            return False
        meta = found["metadata"]
        return (
            (not self._namespace or meta.get("namespace") == self._namespace)
            and (not self._name or meta["name"] == self._name)
            and self._labels(found)
            and self._fields(found)
        )

    def line(self, change: Change) -> bytes | None:
        was, fits = self.fits(change.before), self.fits(change.object)
        if change.type == "DELETED":
            type_ = "DELETED" if was or fits else None
        elif fits:
            type_ = "MODIFIED" if was else "ADDED"
        else:
            type_ = "DELETED" if was else None
        if type_ is None:
            return None
        told = change.object
        if type_ == "DELETED" and change.type != "DELETED" and change.before is not None:
            # It is there, but fits no more: told as it last did, at the version of the change.
            meta = change.before["metadata"] | {"resourceVersion": str(change.version)}
            told = change.before | {"metadata": meta}
        return _line(type_, shown_as(self._resource, told))


def _line(type_: str, told: Object) -> bytes:
    return json.dumps({"type": type_, "object": told}, separators=(",", ":")).encode() + b"\n"

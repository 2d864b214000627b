"""All objects of the cluster, their versions, and the changes that watches are told."""

import uuid
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tests.integration.components.kubernetes.answers import (
    MODIFIED,
    Object,
    already_exists,
    conflict,
    not_found,
)
from tests.integration.components.kubernetes.resources import EVENTS, NEW_EVENTS, Resource


class Change(NamedTuple):
    """One write: what is there now (or was last, if it was deleted), and what was there before."""

    version: int
    resource: Resource
    type: str
    object: Object
    before: Object | None


class Store:
    """Objects by resource, namespace and name; what is in it is never changed, only replaced."""

    def __init__(self, history: int = 20_000) -> None:
        self.version = 1000
        #: Changes up to this version are forgotten.
        self.compacted = 0
        self.changes: deque[Change] = deque(maxlen=history)
        self._objects: dict[Resource, dict[tuple[str, str], Object]] = {}
        self._listeners: list[Callable[[Change], None]] = []

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Have a function called with each change; return what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        return self._of(resource).get((namespace, name))

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """Return an object, or answer that there is none."""
        found = self.find(resource, namespace, name)
        if found is None:
            raise not_found(resource, name)
        return found

    def objects(self, resource: Resource, namespace: str = "") -> list[Object]:
        """Return all objects of a namespace, or of all, in the order of their names."""
        found = self._of(resource)
        keys = [key for key in found if not namespace or key[0] == namespace]
        return [found[key] for key in sorted(keys)]

    def all(self) -> Iterable[tuple[Resource, Object]]:
        for resource, objects in list(self._objects.items()):
            for one in list(objects.values()):
                yield resource, one

    def create(self, resource: Resource, new: Object) -> Object:
        meta = new["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        if key in self._of(resource):
            raise already_exists(resource, meta["name"])
        meta = {
            "uid": str(uuid.uuid4()),
            **meta,
            "creationTimestamp": meta.get("creationTimestamp", now()),
        }
        return self._write(resource, "ADDED", new | {"metadata": meta}, None)

    def replace(self, resource: Resource, new: Object) -> Object:
        """Write an object over what is there; nothing is written where nothing is changed.

        It is deleted where it was only kept by finalizers, or for a time of grace, that are over.
        """
        meta = new["metadata"]
        before = self.get(resource, meta.get("namespace", ""), meta["name"])
        if meta.get("uid") not in (None, before["metadata"]["uid"]):
            raise conflict(
                resource,
                meta["name"],
                f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {before['metadata']['uid']}",
            )
        version = before["metadata"]["resourceVersion"]
        if meta.get("resourceVersion", version) != version:
            raise conflict(resource, meta["name"], MODIFIED)
        if new == before:
            return before
        if (
            "deletionTimestamp" in meta
            and not meta.get("finalizers")
            and not meta.get("deletionGracePeriodSeconds")
        ):
            return self.remove(resource, new)
        return self._write(resource, "MODIFIED", new, before)

    def change(
        self, resource: Resource, found: Object, how: Callable[[Object], Object]
    ) -> Object | None:
        """Write a function of an object's newest version; nothing if it is there no more."""
        meta = found["metadata"]
        newest = self.find(resource, meta.get("namespace", ""), meta["name"])
        if newest is None or newest["metadata"]["uid"] != meta["uid"]:
            return None
        return self.replace(resource, how(newest))

    def remove(self, resource: Resource, last: Object) -> Object:
        """Delete an object at once, whatever holds it."""
        meta = last["metadata"]
        before = self._of(resource).get((meta.get("namespace", ""), meta["name"]))
        return self._write(resource, "DELETED", last, before)

    def forget_changes(self) -> None:
        """Forget what changed so far, as etcd's compaction does."""
        self.changes.clear()
        self.compacted = self.version

    def _of(self, resource: Resource) -> dict[tuple[str, str], Object]:
        kept = EVENTS if resource is NEW_EVENTS else resource
        return self._objects.setdefault(kept, {})

    def _write(self, resource: Resource, type_: str, new: Object, before: Object | None) -> Object:
        self.version += 1
        meta = {**new["metadata"], "resourceVersion": str(self.version)}
        written = {**new, "metadata": meta}
        key = (meta.get("namespace", ""), meta["name"])
        kept = EVENTS if resource is NEW_EVENTS else resource
        if type_ == "DELETED":
            del self._objects[kept][key]
        else:
            self._of(kept)[key] = written
        if len(self.changes) == self.changes.maxlen:
            self.compacted = self.changes[0].version
        change = Change(self.version, kept, type_, written, before)
        self.changes.append(change)
        for listener in list(self._listeners):
            listener(change)
        return written


def now() -> str:
    """Return the time, as Kubernetes writes it: to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_now() -> str:
    """Return the time to the microsecond."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds_since(stamp: str) -> float:
    """Return how long ago a time was."""
    return (datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds()


def meta(found: Object) -> dict[str, Any]:
    """Return an object's metadata."""
    metadata: dict[str, Any] = found["metadata"]
    return metadata

"""The garbage collector and the namespace controller: what is owned goes with its owner."""

from collections.abc import Hashable

from tests.integration.components.kubernetes.answers import Object
from tests.integration.components.kubernetes.deletion import FOREGROUND, ORPHAN, delete
from tests.integration.components.kubernetes.resources import NAMESPACES, Resource
from tests.integration.components.kubernetes.store import Change, Store
from tests.integration.components.kubernetes.work import WorkQueue


class GarbageCollector:
    """Deletes what owners leave behind, or lets it go."""

    def __init__(self, store: Store, crashes: list[str]) -> None:
        self._store = store
        self.queue = WorkQueue(self._reconcile, crashes)
        #: The objects that each owner has: resource, namespace, name.
        self._owned: dict[str, set[tuple[Resource, str, str]]] = {}
        self._kinds: dict[str, tuple[Resource, str, str]] = {}

    def see(self, change: Change) -> None:
        meta = change.object["metadata"]
        key = (change.resource, meta.get("namespace", ""), meta["name"])
        for owner in meta.get("ownerReferences", []):
            if change.type == "DELETED":
                self._owned.get(owner["uid"], set()).discard(key)
            else:
                self._owned.setdefault(owner["uid"], set()).add(key)
            # A dependent may come after its owner is gone, and its end may let the owner go.
            if change.type != "MODIFIED":
                self.queue.add(owner["uid"])
        self._kinds[meta["uid"]] = key
        if change.type == "DELETED" or "deletionTimestamp" in meta:
            self.queue.add(meta["uid"])
        if change.type == "DELETED" and meta.get("namespace"):
            space = self._store.find(NAMESPACES, "", meta["namespace"])
            if space is not None and "deletionTimestamp" in space["metadata"]:
                self.queue.add(space["metadata"]["uid"])

    def _reconcile(self, key: Hashable) -> None:
        uid = str(key)
        owner = self._find(uid)
        if owner is None:
            self._collect(uid)
            return
        resource, found = owner
        finalizers = found["metadata"].get("finalizers", [])
        if "deletionTimestamp" not in found["metadata"]:
            return
        if resource is NAMESPACES:
            self._empty(found)
        elif ORPHAN in finalizers:
            for dependent in list(self._owned.get(uid, ())):
                self._let_go(dependent, uid)
            self._without(resource, found, ORPHAN)
        elif FOREGROUND in finalizers:
            blocking = self._delete_dependents(uid)
            if not blocking:
                self._without(resource, found, FOREGROUND)

    def _find(self, uid: str) -> tuple[Resource, Object] | None:
        if uid not in self._kinds:
            return None
        resource, namespace, name = self._kinds[uid]
        found = self._store.find(resource, namespace, name)
        if found is None or found["metadata"]["uid"] != uid:
            return None
        return resource, found

    def _collect(self, uid: str) -> None:
        """Delete what an owner that is gone has left, unless somebody else owns it too."""
        for dependent in list(self._owned.get(uid, ())):
            resource, namespace, name = dependent
            found = self._store.find(resource, namespace, name)
            if found is None or "deletionTimestamp" in found["metadata"]:
                continue
            others = [
                one for one in found["metadata"].get("ownerReferences", []) if one["uid"] != uid
            ]
            if any(self._find(one["uid"]) is not None for one in others):
                self._let_go(dependent, uid)
            else:
                delete(self._store, resource, found, {"propagationPolicy": "Background"})

    def _delete_dependents(self, uid: str) -> bool:
        """Delete what an owner has; tell whether any of it is still in its way."""
        blocking = False
        for resource, namespace, name in list(self._owned.get(uid, ())):
            found = self._store.find(resource, namespace, name)
            if found is None:
                continue
            references = [
                one for one in found["metadata"].get("ownerReferences", []) if one["uid"] == uid
            ]
            if not references:
                continue
            blocking = blocking or any(one.get("blockOwnerDeletion") for one in references)
            if "deletionTimestamp" not in found["metadata"]:
                left = delete(self._store, resource, found, {"propagationPolicy": "Background"})
                blocking = blocking and (left is not None or len(self._owned.get(uid, ())) > 0)
        return blocking

    def _let_go(self, dependent: tuple[Resource, str, str], uid: str) -> None:
        resource, namespace, name = dependent
        found = self._store.find(resource, namespace, name)
        self._owned.get(uid, set()).discard(dependent)
        if found is None:
            return
        meta = dict(found["metadata"])
        left = [one for one in meta.pop("ownerReferences", []) if one["uid"] != uid]
        if left:
            meta["ownerReferences"] = left
        self._store.replace(resource, found | {"metadata": meta})

    def _without(self, resource: Resource, found: Object, finalizer: str) -> None:
        meta = dict(found["metadata"])
        left = [one for one in meta.pop("finalizers", []) if one != finalizer]
        if left:
            meta["finalizers"] = left
        self._store.replace(resource, found | {"metadata": meta})

    def _empty(self, namespace: Object) -> None:
        name = namespace["metadata"]["name"]
        inside = [
            (resource, one)
            for resource, one in self._store.all()
            if one["metadata"].get("namespace") == name
        ]
        for resource, one in inside:
            if "deletionTimestamp" not in one["metadata"]:
                delete(self._store, resource, one, {"propagationPolicy": "Background"})
        if not inside:
            self._store.remove(NAMESPACES, namespace)

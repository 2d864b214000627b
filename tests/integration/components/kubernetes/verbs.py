"""What the API server does with objects: create, read, change."""

import uuid

from tests.integration.components.kubernetes import patches
from tests.integration.components.kubernetes.access import Access, Action
from tests.integration.components.kubernetes.admission import admit, require_quota, suffix
from tests.integration.components.kubernetes.answers import (
    Cause,
    Object,
    Refused,
    bad_request,
    invalid,
    not_allowed,
)
from tests.integration.components.kubernetes.calls import Call, decoded
from tests.integration.components.kubernetes.defaults import fill, quality_of
from tests.integration.components.kubernetes.event_shapes import as_core, shown_as
from tests.integration.components.kubernetes.job_rules import (
    as_read,
    job_causes,
    job_update_causes,
    with_selector,
)
from tests.integration.components.kubernetes.object_rules import (
    metadata_causes,
    metadata_update_causes,
)
from tests.integration.components.kubernetes.pod_rules import pod_spec_causes, pod_update_causes
from tests.integration.components.kubernetes.resources import (
    ACCESS_REVIEWS,
    JOBS,
    PODS,
    RESOURCES,
    Resource,
)
from tests.integration.components.kubernetes.store import Store, now

#: What follows the part of a generated name that is kept: 63 characters in all.
_PREFIX = 58
_ATTEMPTS = 8


class Verbs:
    """Answers requests about objects."""

    def __init__(self, store: Store, access: Access) -> None:
        self._store = store
        self._access = access

    def create(self, call: Call, resource: Resource) -> Object:
        new = decoded(call, resource, call.document())
        _same_place(call, resource, new)
        if resource is ACCESS_REVIEWS:
            return self._review(call, new)
        return self.make(resource, as_core(resource, new), dry=_dry(call))

    def make(self, resource: Resource, new: Object, *, dry: bool = False) -> Object:
        """Check a new object, and keep it, under the rules that everybody's objects are under."""
        new = fill(resource, new)
        given = new["metadata"].get("name")
        prefix = new["metadata"].get("generateName", "")
        # Until it has a name of its own, admission plugins call it by its prefix.
        new["metadata"]["name"] = given or prefix
        new = admit(self._store, resource, new)
        for attempt in range(_ATTEMPTS):
            tried = new if given or not prefix else _named(new, prefix[:_PREFIX] + suffix())
            made = self._prepared(resource, tried)
            causes = _causes(resource, made)
            if causes:
                raise invalid(resource, made["metadata"]["name"], causes)
            require_quota(self._store, resource, made)
            if resource is JOBS:
                made = as_read(made)
            try:
                if dry:
                    return _dry_made(self._store, resource, made)
                return self._store.create(resource, made)
            except Refused:
                if given or attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("the last attempt ends")

    def get(self, call: Call, resource: Resource) -> Object:
        return shown_as(resource, self._store.get(resource, call.namespace, call.name))

    def update(self, call: Call, resource: Resource) -> Object:
        new = decoded(call, resource, call.document())
        _same_place(call, resource, new)
        before = self._store.get(resource, call.namespace, call.name)
        return self._changed(call, resource, new, before)

    def patch(self, call: Call, resource: Resource) -> Object:
        kind = call.headers.get("content-type", "").partition(";")[0].strip()
        document = call.document()
        before = self._store.find(resource, call.namespace, call.name)
        if before is None and kind == patches.APPLY:
            new = decoded(call, resource, document)
            return self.make(resource, as_core(resource, new), dry=_dry(call))
        before = self._store.get(resource, call.namespace, call.name)
        result = patches.patched(kind, before, document, resource.definition)
        return self._changed(call, resource, decoded(call, resource, result), before)

    def _changed(self, call: Call, resource: Resource, new: Object, before: Object) -> Object:
        if call.subresource == "status":
            new = before | {
                "status": new.get("status", {}),
                "metadata": before["metadata"]
                | {
                    "resourceVersion": new["metadata"].get(
                        "resourceVersion", before["metadata"]["resourceVersion"]
                    )
                },
            }
        else:
            new = fill(resource, new)
            meta = {
                key: before["metadata"][key]
                for key in (
                    "uid",
                    "creationTimestamp",
                    "generation",
                    "deletionTimestamp",
                    "deletionGracePeriodSeconds",
                    "namespace",
                )
                if key in before["metadata"]
            }
            new["metadata"] = meta | new["metadata"] | {"name": before["metadata"]["name"]}
            if "status" in before:
                new["status"] = before["status"]
            causes = metadata_causes(resource, new) + metadata_update_causes(new, before)
            if resource is JOBS:
                causes += job_update_causes(new["spec"], before["spec"])
            elif resource is PODS:
                causes += pod_update_causes(new["spec"], before["spec"])
            if causes:
                raise invalid(resource, call.name, causes)
            if "generation" in meta and new.get("spec") != before.get("spec"):
                new["metadata"]["generation"] = meta["generation"] + 1
        return before if _dry(call) else self._store.replace(resource, new)

    def _prepared(self, resource: Resource, new: Object) -> Object:
        """Return a new object as its own strategy makes it: no status of others, a uid."""
        meta = {
            key: value
            for key, value in new["metadata"].items()
            if key
            not in (
                "resourceVersion",
                "deletionTimestamp",
                "deletionGracePeriodSeconds",
                "selfLink",
            )
        }
        meta["uid"] = str(uuid.uuid4())
        made = new | {"metadata": meta}
        if resource is PODS:
            made["status"] = {"phase": "Pending", "qosClass": quality_of(made["spec"])}
        elif resource.plural in ("jobs", "deployments"):
            meta["generation"] = 1
            made["status"] = {}
        elif resource.plural == "events":
            made.setdefault("source", {})
        return with_selector(made) if resource is JOBS else made

    def _review(self, call: Call, review: Object) -> Object:
        asked = review.get("spec", {}).get("resourceAttributes", {})
        resource = next(
            (
                one
                for one in RESOURCES
                if one.plural == asked.get("resource") and one.group == asked.get("group", "")
            ),
            None,
        )
        allowed = resource is not None and self._access.allows(
            call.user,
            Action(
                asked.get("verb", ""),
                resource,
                asked.get("namespace", ""),
                asked.get("name", ""),
                asked.get("subresource", ""),
            ),
        )
        return review | {"status": {"allowed": allowed}}


def _causes(resource: Resource, made: Object) -> list[Cause]:
    causes = metadata_causes(resource, made)
    if resource is JOBS:
        causes += job_causes(made)
    elif resource is PODS:
        causes += pod_spec_causes(made["spec"], "spec")
    return causes


def _dry(call: Call) -> bool:
    asked = call.query.get("dryRun", "")
    if asked not in ("", "All"):
        raise Refused(
            422,
            "Invalid",
            f'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: "{asked}": supported values: "All"',
        )
    return asked == "All"


def _dry_made(store: Store, resource: Resource, made: Object) -> Object:
    meta = made["metadata"]
    if store.find(resource, meta.get("namespace", ""), meta["name"]) is not None:
        from tests.integration.components.kubernetes.answers import already_exists

        raise already_exists(resource, meta["name"])
    return made | {"metadata": meta | {"creationTimestamp": now()}}


def _named(new: Object, name: str) -> Object:
    return new | {"metadata": new["metadata"] | {"name": name}}


def _same_place(call: Call, resource: Resource, new: Object) -> None:
    if not resource.namespaced:
        return
    if not call.namespace:
        raise not_allowed()
    said = new["metadata"].get("namespace", call.namespace)
    if said != call.namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    new["metadata"]["namespace"] = call.namespace
    if call.name and new["metadata"].get("name", call.name) != call.name:
        raise bad_request(
            f"the name of the object ({new['metadata']['name']}) does not match the name on the URL ({call.name})"
        )
    if call.name:
        new["metadata"]["name"] = call.name

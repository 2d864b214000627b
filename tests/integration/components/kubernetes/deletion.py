"""How objects are deleted: at once, with a time of grace, or after what they own."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.integration.components.kubernetes.answers import (
    Cause,
    Object,
    Refused,
    conflict,
    invalid,
    success,
)
from tests.integration.components.kubernetes.calls import Call
from tests.integration.components.kubernetes.lists import Lists
from tests.integration.components.kubernetes.resources import (
    JOBS,
    NAMESPACES,
    PODS,
    SERVICE_ACCOUNTS,
    Resource,
)
from tests.integration.components.kubernetes.shapes import check
from tests.integration.components.kubernetes.store import Store

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
_POLICIES = ("Foreground", "Background", "Orphan")
_ORPHANS = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them "
    "or set propagationPolicy=Orphan to suppress this warning"
)


class Deletion:
    """Answers requests to delete."""

    def __init__(self, store: Store, lists: Lists) -> None:
        self._store = store
        self._lists = lists

    def delete(self, call: Call, resource: Resource) -> Object:
        options = _options(call)
        found = self._store.get(resource, call.namespace, call.name)
        if (
            resource is JOBS
            and "propagationPolicy" not in options
            and "orphanDependents" not in options
        ):
            call.warnings.append(_ORPHANS)
        _require(resource, found, options.get("preconditions", {}))
        if options.get("dryRun"):
            return found
        left = delete(self._store, resource, found, options)
        if left is not None:
            return left
        if resource in (PODS, SERVICE_ACCOUNTS):
            return found
        return success(resource, call.name, found["metadata"]["uid"])

    def delete_collection(self, call: Call, resource: Resource) -> Object:
        options = _options(call)
        listed = self._lists.page(call, resource)
        for one in self._lists.matching(call, resource):
            delete(self._store, resource, one, options)
        return listed


def delete(
    store: Store, resource: Resource, found: Object, options: dict[str, Any] | None = None
) -> Object | None:
    """Delete an object by these options; return what is left of it until it is gone."""
    options = options or {}
    meta = dict(found["metadata"])
    finalizers = [one for one in meta.get("finalizers", []) if one not in (FOREGROUND, ORPHAN)]
    policy = options.get("propagationPolicy")
    if policy is None and options.get("orphanDependents") is not None:
        policy = "Orphan" if options["orphanDependents"] else "Background"
    if policy is None:
        held = meta.get("finalizers", [])
        # For batch/v1 the default is what it was long ago: what a job has started stays.
        fallback = "Orphan" if resource is JOBS else "Background"
        policy = "Foreground" if FOREGROUND in held else "Orphan" if ORPHAN in held else fallback
    if policy == "Foreground":
        finalizers.append(FOREGROUND)
    elif policy == "Orphan":
        finalizers.append(ORPHAN)
    grace = _grace(resource, found, options.get("gracePeriodSeconds"))
    if "deletionTimestamp" in meta and resource is PODS:
        grace = min(grace, meta.get("deletionGracePeriodSeconds") or 0)
    if resource is NAMESPACES:
        stamp = meta.get("deletionTimestamp") or _in(0)
        gone = found | {
            "status": {"phase": "Terminating"},
            "metadata": meta | {"deletionTimestamp": stamp},
        }
        return store.replace(resource, gone)
    if not grace and not finalizers:
        store.remove(resource, found)
        return None
    if "deletionTimestamp" not in meta or grace != meta.get("deletionGracePeriodSeconds"):
        meta |= {"deletionTimestamp": _in(grace), "deletionGracePeriodSeconds": grace}
    meta["finalizers"] = finalizers
    if not finalizers:
        del meta["finalizers"]
    if "generation" in meta and "deletionTimestamp" not in found["metadata"]:
        meta["generation"] += 1
    return store.replace(resource, found | {"metadata": meta})


def _grace(resource: Resource, found: Object, asked: int | None) -> int:
    if resource is not PODS:
        return 0
    if not found["spec"].get("nodeName") or found["status"].get("phase") in ("Failed", "Succeeded"):
        # Nobody has anything to end.
        return 0
    grace: int = found["spec"]["terminationGracePeriodSeconds"] if asked is None else asked
    return max(grace, 0)


def _options(call: Call) -> dict[str, Any]:
    document = call.document() or {}
    options, wrong = check(_OPTIONS, document)
    if wrong.mistyped:
        raise Refused(400, "BadRequest", wrong.mistyped[0])
    for name in ("propagationPolicy", "dryRun"):
        if call.query.get(name):
            options[name] = call.query[name]
    for name in ("gracePeriodSeconds",):
        number = call.number(name)
        if number is not None:
            options[name] = number
    if "orphanDependents" in call.query:
        options["orphanDependents"] = call.flag("orphanDependents")
    policy = options.get("propagationPolicy")
    if policy is not None and policy not in _POLICIES:
        shown = Cause.unsupported(
            "propagationPolicy", policy, ("Foreground", "Background", "Orphan", "nil")
        )
        raise _invalid_options(shown)
    if policy is not None and options.get("orphanDependents") is not None:
        raise _invalid_options(
            Cause.invalid(
                "propagationPolicy",
                policy,
                "orphanDependents and deletionPropagation cannot be both set",
            )
        )
    cleaned: dict[str, Any] = options
    return cleaned


def _invalid_options(cause: Cause) -> Refused:
    resource = Resource("meta.k8s.io", "v1", "deleteoptions", "DeleteOptions", _OPTIONS)
    return invalid(resource, "", [cause])


def _require(resource: Resource, found: Object, preconditions: dict[str, str]) -> None:
    meta = found["metadata"]
    for key, label in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        asked = preconditions.get(key)
        if asked is not None and asked != meta[key]:
            raise conflict(
                resource,
                meta["name"],
                f"Precondition failed: {label} in precondition: {asked}, {label} in object meta: {meta[key]}",
            )


def _in(seconds: int) -> str:
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")

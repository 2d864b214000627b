"""What the API server refuses in any object's metadata."""

import json
from collections.abc import Callable
from typing import Any

from tests.integration.components.kubernetes.answers import Cause, Object
from tests.integration.components.kubernetes.names import (
    dns_label_errors,
    label_errors,
    label_value_errors,
    subdomain_errors,
)
from tests.integration.components.kubernetes.resources import NAMESPACES, SERVICES, Resource

_ANNOTATIONS_BYTES = 256 * 1024
_IMMUTABLE = (
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "uid",
    "name",
    "namespace",
)


def metadata_causes(resource: Resource, found: Object) -> list[Cause]:
    """Return what is wrong with an object's metadata."""
    meta = found["metadata"]
    rule: Callable[[str], list[str]] = subdomain_errors
    if resource in (NAMESPACES, SERVICES):
        rule = dns_label_errors
    elif resource.group == "rbac.authorization.k8s.io":
        rule = _path_segment_errors
    causes = []
    prefix = meta.get("generateName")
    if prefix:
        # A trailing dash is fine: something follows.
        tried = prefix[:-1] + "a" if prefix.endswith("-") and len(prefix) > 1 else prefix
        causes += [Cause.invalid("metadata.generateName", prefix, why) for why in rule(tried)]
    if not meta.get("name"):
        causes.append(Cause.required("metadata.name", "name or generateName is required"))
    else:
        causes += [Cause.invalid("metadata.name", meta["name"], why) for why in rule(meta["name"])]
    causes += label_causes(meta.get("labels"), "metadata.labels")
    causes += annotation_causes(meta.get("annotations"), "metadata.annotations")
    for i, owner in enumerate(meta.get("ownerReferences", [])):
        path = f"metadata.ownerReferences[{i}]"
        causes += [
            Cause.invalid(f"{path}.{key}", owner.get(key, ""), f"{key} must not be empty")
            for key in ("kind", "name", "uid")
            if not owner.get(key)
        ]
    if sum(bool(owner.get("controller")) for owner in meta.get("ownerReferences", [])) > 1:
        causes.append(
            Cause.invalid(
                "metadata.ownerReferences",
                json.dumps(meta["ownerReferences"]),
                "Only one reference can have Controller set to true.",
            )
        )
    causes += [
        Cause.invalid("metadata.finalizers", one, why)
        for one in meta.get("finalizers", [])
        for why in label_errors(one)
    ]
    return causes


def label_causes(labels: dict[str, str] | None, path: str) -> list[Cause]:
    causes = []
    for key, value in sorted((labels or {}).items()):
        causes += [Cause.invalid(path, key, why) for why in label_errors(key)]
        causes += [Cause.invalid(path, value, why) for why in label_value_errors(value or "")]
    return causes


def annotation_causes(annotations: dict[str, str] | None, path: str) -> list[Cause]:
    causes = []
    for key in annotations or {}:
        causes += [Cause.invalid(path, key, why) for why in label_errors(key.lower())]
    size = sum(
        len(key.encode()) + len((value or "").encode())
        for key, value in (annotations or {}).items()
    )
    if size > _ANNOTATIONS_BYTES:
        causes.append(
            Cause(
                "FieldValueTooLong",
                path,
                f"Too long: may not be more than {_ANNOTATIONS_BYTES} bytes",
            )
        )
    return causes


def metadata_update_causes(new: Object, before: Object) -> list[Cause]:
    """Return what an update may not change in metadata."""
    return [
        Cause.invalid(f"metadata.{key}", new["metadata"].get(key, ""), "field is immutable")
        for key in _IMMUTABLE
        if new["metadata"].get(key) != before["metadata"].get(key)
    ]


def immutable_causes(
    new: dict[str, Any], before: dict[str, Any], path: str, *names: str
) -> list[Cause]:
    return [
        Cause.invalid(f"{path}.{name}", json.dumps(new.get(name)), "field is immutable")
        for name in names
        if new.get(name) != before.get(name)
    ]


def _path_segment_errors(name: str) -> list[str]:
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{char}'" for char in "/%" if char in name]

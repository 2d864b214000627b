"""Descriptions of Kubernetes jobs, looked at as far as it takes to make a flow run's job of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_VERSION = "batch/v1"


def objection_to_job(template: Mapping[str, Any]) -> str | None:
    """Say what keeps a description from being that of a flow run's job.

    Whether Kubernetes takes all of it is for Kubernetes to say.

    Args:
        template: The description, as it was read from YAML or JSON.

    Returns:
        What to say of it after its name; None if nothing does.
    """
    kind, version = template.get("kind", "Job"), template.get("apiVersion", _VERSION)
    if kind != "Job":
        return f"describes a {kind}, and not a Job: its kind must be Job"
    if version != _VERSION:
        return f"has the apiVersion {version!r}, and a Job has {_VERSION!r}"
    place: list[str] = []
    found: Any = template
    for name in ("spec", "template", "spec"):
        place.append(name)
        found = {} if found.get(name) is None else found[name]
        if not isinstance(found, Mapping):
            return (
                f"is no Job: its {'.'.join(place)} must be a mapping, not a {type(found).__name__}"
            )
    for name in ("metadata.labels", "metadata.annotations"):
        for prefix, root in (("", template), ("spec.template.", _at(template, "spec.template"))):
            value = _at(root, name)
            if not isinstance(value, Mapping):
                return (
                    f"is no Job: its {prefix}{name} must be a mapping, not a {type(value).__name__}"
                )
    return _objection_to_containers(found.get("containers"))


def _objection_to_containers(containers: Any) -> str | None:
    if containers is None:
        return None
    if not isinstance(containers, list) or not all(
        isinstance(each, Mapping) for each in containers
    ):
        return "is no Job: its containers must be a list of mappings"
    for container in containers:
        name = container.get("name", "flow")
        for field in ("env", "args", "command"):
            if not isinstance(container.get(field) or [], list):
                return f"is no Job: the {field} of its container {name!r} must be a list"
        for entry in container.get("env") or []:
            if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
                return f"is no Job: its container {name!r} has an env entry without a name"
        for field in ("limits", "requests"):
            if not isinstance(_at(container, f"resources.{field}"), Mapping):
                return f"is no Job: the resources of its container {name!r} must be mappings"
    return None


def _at(root: Any, path: str) -> Any:
    """Return what is at a path of names; an empty mapping if there is nothing."""
    for name in path.split("."):
        if not isinstance(root, Mapping):
            return root
        root = {} if root.get(name) is None else root[name]
    return root

"""Label selectors and field selectors."""

import re
from collections.abc import Callable
from typing import Any

from tests.integration.components.kubernetes.answers import Object, bad_request
from tests.integration.components.kubernetes.names import label_errors, label_value_errors
from tests.integration.components.kubernetes.resources import (
    EVENTS,
    JOBS,
    NEW_EVENTS,
    NODES,
    PODS,
    SECRETS,
    Resource,
)

Test = Callable[[Object], bool]

_SET = re.compile(r"^(?P<key>[^\s=!,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUAL = re.compile(r"^(?P<key>[^\s=!,()]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s=!,()]*)$")
_EXISTS = re.compile(r"^(?P<not>!?)\s*(?P<key>[^\s=!,()]+)$")


def labels_match(text: str) -> Test:
    """Return the test of a label selector, as `app=x,tier in (a, b),!old`."""
    tests = [_requirement(part.strip(), text) for part in _parts(text)]
    return lambda found: all(test(found["metadata"].get("labels") or {}) for test in tests)


def selector_matches(selector: Object, labels: dict[str, str]) -> bool:
    """Tell whether a `LabelSelector` object matches."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for one in selector.get("matchExpressions") or []:
        key, values = one["key"], one.get("values") or []
        fits = {
            "In": key in labels and labels[key] in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }[one["operator"]]
        if not fits:
            return False
    return True


def fields_match(text: str, resource: Resource) -> Test:
    """Return the test of a field selector, as `involvedObject.name=x,type!=Normal`."""
    tests = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        found = re.match(r"^([^=!]+)(==|=|!=)(.*)$", part)
        if found is None:
            raise bad_request(
                f'Unable to find "{resource.api_version}, Resource={resource.plural}" that match label selector "", field selector "{text}": invalid selector: \'{text}\'; can\'t understand \'{part}\''
            )
        name, operator, value = found.groups()
        if name not in _FIELDS.get(resource, ()) and name not in _ALWAYS:
            raise bad_request(
                f'Unable to find "{resource.api_version}, Resource={resource.plural}" that match label selector "", field selector "{text}": field label not supported: {name}'
            )
        tests.append((name, operator != "!=", value))
    return lambda found: all(
        (_field(found, name, resource) == value) is equal for name, equal, value in tests
    )


_ALWAYS = ("metadata.name", "metadata.namespace")
_EVENT_FIELDS = (
    "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
    "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath",
    "reason", "reportingComponent", "source", "type",
)  # fmt: skip
_FIELDS = {
    PODS: (
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName",
    ),
    JOBS: ("status.successful",),
    EVENTS: _EVENT_FIELDS,
    NEW_EVENTS: (
        "reason", "regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid",
        "regarding.apiVersion", "regarding.resourceVersion", "regarding.fieldPath",
        "reportingController", "type",
    ),
    SECRETS: ("type",),
    NODES: ("spec.unschedulable",),
}  # fmt: skip


def _field(found: Object, name: str, resource: Resource) -> str:
    if name.startswith("regarding."):
        name = "involvedObject." + name.removeprefix("regarding.")
    elif name == "reportingController":
        name = "reportingComponent"
    if name == "source" or (name == "reportingComponent" and resource in (EVENTS, NEW_EVENTS)):
        return str(found.get("source", {}).get("component") or found.get("reportingComponent", ""))
    if name == "status.successful":
        return str(found.get("status", {}).get("succeeded", 0))
    value: Any = found
    for part in name.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if name in ("spec.hostNetwork", "spec.unschedulable") and value == "":
        return "false"
    return str(value)


def _parts(text: str) -> list[str]:
    """Split at the commas that stand in no parentheses."""
    return [part for part in re.split(r",(?![^()]*\))", text) if part.strip()]


def _requirement(part: str, whole: str) -> Callable[[dict[str, str]], bool]:
    for pattern in (_SET, _EQUAL, _EXISTS):
        found = pattern.match(part)
        if found is not None:
            break
    else:
        raise bad_request(f"unable to parse requirement: found '{part}', in selector '{whole}'")
    groups = found.groupdict()
    key = groups["key"]
    wrong = label_errors(key)
    if wrong:
        raise bad_request(
            f'unable to parse requirement: <nil>: Invalid value: "{key}": {"; ".join(wrong)}'
        )
    if pattern is _EXISTS:
        return lambda labels: (key in labels) is not bool(groups["not"])
    values = (
        [one.strip() for one in groups["values"].split(",")]
        if pattern is _SET
        else [groups["value"]]
    )
    for i, value in enumerate(values):
        wrong = label_value_errors(value)
        if wrong:
            raise bad_request(
                f'unable to parse requirement: values[{i}][{key}]: Invalid value: "{value}": {"; ".join(wrong)}'
            )
    if groups["op"] in ("in", "=", "=="):
        return lambda labels: labels.get(key) in values
    return lambda labels: labels.get(key) not in values

"""Events in the shapes of core/v1 and of events.k8s.io/v1: the same objects in two dresses."""

from tests.integration.components.kubernetes.answers import Object
from tests.integration.components.kubernetes.resources import NEW_EVENTS, Resource

_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_BACK = {new: old for old, new in _NAMES.items()}


def shown_as(resource: Resource, found: Object) -> Object:
    """Return what is stored in the shape that a resource has."""
    if resource is not NEW_EVENTS:
        return found
    shown = {_NAMES.get(key, key): value for key, value in found.items()}
    return shown | {"apiVersion": NEW_EVENTS.api_version}


def as_core(resource: Resource, found: Object) -> Object:
    """Return an object as it is stored: an event of events.k8s.io in the shape of core/v1."""
    if resource is not NEW_EVENTS:
        return found
    return {_BACK.get(key, key): value for key, value in found.items()} | {"apiVersion": "v1"}

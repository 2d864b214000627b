"""Events, as the cluster's components record them; what repeats is counted."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.integration.components.kubernetes.answers import Object
from tests.integration.components.kubernetes.resources import EVENTS
from tests.integration.components.kubernetes.store import Store, micro_now, now

_numbers = count(0x1854_0000_0000_0000, 7919)


@dataclass(frozen=True)
class Recorder:
    """One component that records events."""

    store: Store
    component: str
    host: str = ""
    #: The names of events so far, by what they say about what.
    _said: dict[tuple[str, ...], tuple[str, str]] = field(default_factory=dict)

    def record(
        self, about: Object, type_: str, reason: str, message: str, *, field_path: str = ""
    ) -> None:
        """Record an event in the old way, as the kubelet and most controllers do."""
        meta = about["metadata"]
        key = (meta["uid"], reason, message, field_path)
        at = now()
        said = self.store.find(EVENTS, *self._said[key]) if key in self._said else None
        if said is not None:
            self.store.replace(
                EVENTS, said | {"count": said.get("count", 1) + 1, "lastTimestamp": at}
            )
            return
        involved = _reference(about)
        if field_path:
            involved["fieldPath"] = field_path
        source = {"component": self.component}
        if self.host:
            source["host"] = self.host
        self._said[key] = self._create(
            about,
            {
                "involvedObject": involved,
                "reason": reason,
                "message": message,
                "source": source,
                "firstTimestamp": at,
                "lastTimestamp": at,
                "count": 1,
                "type": type_,
                "eventTime": None,
                "reportingComponent": self.component,
                "reportingInstance": self.host,
            },
        )

    def record_new(self, about: Object, type_: str, reason: str, action: str, message: str) -> None:
        """Record an event in the new way, as the scheduler does: it has only an `eventTime`."""
        self._create(
            about,
            {
                "involvedObject": _reference(about),
                "reason": reason,
                "message": message,
                "source": {},
                "firstTimestamp": None,
                "lastTimestamp": None,
                "type": type_,
                "eventTime": micro_now(),
                "action": action,
                "reportingComponent": self.component,
                "reportingInstance": f"{self.component}-control-plane",
            },
        )

    def _create(self, about: Object, event: dict[str, Any]) -> tuple[str, str]:
        meta = about["metadata"]
        named = {
            "name": f"{meta['name']}.{next(_numbers):x}",
            "namespace": meta.get("namespace", "default"),
        }
        self.store.create(EVENTS, {"kind": "Event", "apiVersion": "v1", "metadata": named, **event})
        return named["namespace"], named["name"]


def _reference(about: Object) -> dict[str, Any]:
    meta = about["metadata"]
    return {
        "kind": about["kind"],
        "namespace": meta.get("namespace"),
        "name": meta["name"],
        "uid": meta["uid"],
        "apiVersion": about["apiVersion"],
        "resourceVersion": meta["resourceVersion"],
    }

"""The scheduler: finds a node for each pod, or says why there is none."""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable
from decimal import Decimal
from typing import Any

from tests.integration.components.kubernetes.admission import total
from tests.integration.components.kubernetes.answers import Object
from tests.integration.components.kubernetes.deletion import delete
from tests.integration.components.kubernetes.names import quantity
from tests.integration.components.kubernetes.pod_status import with_condition
from tests.integration.components.kubernetes.recorder import Recorder
from tests.integration.components.kubernetes.resources import NODES, PODS
from tests.integration.components.kubernetes.store import Change, Store
from tests.integration.components.kubernetes.work import WorkQueue

_COUNTED = ("cpu", "memory")


class Scheduler:
    """Binds pods to nodes."""

    def __init__(self, store: Store, crashes: list[str]) -> None:
        self._store = store
        self._recorder = Recorder(store, "default-scheduler")
        self.queue = WorkQueue(self._reconcile, crashes)
        #: What pods on each node ask for.
        self._used: dict[str, Counter[str]] = {}
        #: Tells why a pod is not to be scheduled, if a test wants that.
        self.refuses: Callable[[Object], str | None] = lambda pod: None

    def see(self, change: Change) -> None:
        if change.resource is NODES:
            self.again()
        if change.resource is not PODS:
            return
        for pod, sign in ((change.before, -1), (change.object, 1)):
            if pod is None or (sign == 1 and change.type == "DELETED"):
                continue
            if _counts(pod):
                used = self._used.setdefault(pod["spec"]["nodeName"], Counter())
                for name, amount in _wanted(pod).items():
                    used[name] += sign * amount  # type: ignore[assignment]
        before = change.before
        if (
            before is not None
            and _counts(before)
            and (change.type == "DELETED" or not _counts(change.object))
        ):
            self.again()
        if change.type != "DELETED" and not change.object["spec"].get("nodeName"):
            meta = change.object["metadata"]
            if change.type == "ADDED":
                self.queue.add((meta["namespace"], meta["name"]))

    def again(self) -> None:
        """Look again at all pods that wait: something has changed."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        for pod in self._store.objects(PODS):
            if not pod["spec"].get("nodeName"):
                self.queue.add((pod["metadata"]["namespace"], pod["metadata"]["name"]))

    def _reconcile(self, key: Hashable) -> None:
        assert isinstance(key, tuple)
        pod = self._store.find(PODS, *key)
        if pod is None or pod["spec"].get("nodeName") or "deletionTimestamp" in pod["metadata"]:
            return
        refused = self.refuses(pod)
        nodes = self._store.objects(NODES)
        reasons: Counter[str] = Counter()
        for node in nodes:
            why = self._why_not(pod, node) if refused is None else refused
            if why is None:
                self._bind(pod, node["metadata"]["name"])
                return
            reasons[why] += 1
        if self._preempt(pod, nodes):
            return
        self._say_unschedulable(pod, len(nodes), reasons)

    def _bind(self, pod: Object, node: str) -> None:
        def bound(newest: Object) -> Object:
            spec = newest["spec"] | {"nodeName": node}
            return with_condition(newest | {"spec": spec}, "PodScheduled", "True")

        if self._store.change(PODS, pod, bound) is not None:
            meta = pod["metadata"]
            self._recorder.record_new(
                pod,
                "Normal",
                "Scheduled",
                "Binding",
                f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}",
            )

    def _why_not(self, pod: Object, node: Object) -> str | None:
        spec = node.get("spec", {})
        name = node["metadata"]["name"]
        if spec.get("unschedulable"):
            return "node(s) were unschedulable"
        for taint in spec.get("taints", []):
            if taint["effect"] in ("NoSchedule", "NoExecute") and not _tolerates(pod, taint):
                value = taint.get("value", "")
                return f"node(s) had untolerated taint {{{taint['key']}: {value}}}"
        labels = node["metadata"].get("labels", {})
        wanted_labels = pod["spec"].get("nodeSelector", {})
        if any(labels.get(key) != value for key, value in wanted_labels.items()):
            return "node(s) didn't match Pod's node affinity/selector"
        used = self._used.get(name, Counter())
        room = node["status"]["allocatable"]
        if used["pods"] + 1 > int(room.get("pods", "110")):
            return "Too many pods"
        for what, amount in _wanted(pod).items():
            if amount and used[what] + amount > (quantity(room.get(what, "0")) or 0):
                return f"Insufficient {what}"
        return None

    def _preempt(self, pod: Object, nodes: list[Object]) -> bool:
        """Delete a pod of lower priority where that makes room."""
        priority = pod["spec"].get("priority", 0)
        if pod["spec"].get("preemptionPolicy") == "Never" or not nodes:
            return False
        victims = [
            one
            for one in self._store.objects(PODS)
            if _counts(one) and one["spec"].get("priority", 0) < priority
        ]
        if not victims or self.refuses(pod) is not None:
            return False
        lowest = min(victims, key=lambda one: one["spec"].get("priority", 0))
        if "deletionTimestamp" not in lowest["metadata"]:
            self.preempt(lowest, pod["metadata"]["uid"])
        return True

    def preempt(self, victim: Object, by: str) -> None:
        """End a pod to make room for another."""
        message = "default-scheduler: preempting to accommodate a higher priority pod"
        marked = self._store.change(
            PODS,
            victim,
            lambda newest: with_condition(
                newest, "DisruptionTarget", "True", "PreemptionByScheduler", message
            ),
        )
        if marked is not None:
            self._recorder.record_new(
                victim,
                "Normal",
                "Preempted",
                "Preempting",
                f"Preempted by pod {by} on node {victim['spec'].get('nodeName', '')}",
            )
            delete(self._store, PODS, marked)

    def _say_unschedulable(self, pod: Object, count: int, reasons: Counter[str]) -> None:
        if not count:
            message = "no nodes available to schedule pods"
        else:
            listed = ", ".join(sorted(f"{n} {why}" for why, n in reasons.items()))
            fewer = all(why.startswith(("Insufficient", "Too many")) for why in reasons)
            helps = (
                "No preemption victims found for incoming pod"
                if fewer
                else "Preemption is not helpful for scheduling"
            )
            message = (
                f"0/{count} nodes are available: {listed}. "
                f"preemption: 0/{count} nodes are available: {count} {helps}."
            )
        changed = self._store.change(
            PODS,
            pod,
            lambda newest: with_condition(
                newest, "PodScheduled", "False", "Unschedulable", message
            ),
        )
        if changed is not None and changed is not pod:
            self._recorder.record_new(pod, "Warning", "FailedScheduling", "Scheduling", message)


def _counts(pod: Object) -> bool:
    return bool(pod["spec"].get("nodeName")) and pod["status"].get("phase") not in (
        "Succeeded",
        "Failed",
    )


def _wanted(pod: Object) -> dict[str, Decimal]:
    asked = {name: total(pod["spec"], "requests", name) for name in _COUNTED}
    return asked | {"pods": Decimal(1)}


def _tolerates(pod: Object, taint: dict[str, Any]) -> bool:
    for one in pod["spec"].get("tolerations", []):
        if one.get("effect") not in (None, taint["effect"]):
            continue
        if one.get("operator", "Equal") == "Exists":
            if one.get("key") in (None, taint["key"]):
                return True
        elif one.get("key") == taint["key"] and one.get("value", "") == taint.get("value", ""):
            return True
    return False

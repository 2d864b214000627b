"""What a kubelet tells of one pod: its status, and events about it."""

import contextlib
from dataclasses import dataclass

from tests.integration.components.kubernetes import container_status
from tests.integration.components.kubernetes.answers import Object, Refused
from tests.integration.components.kubernetes.deletion import delete
from tests.integration.components.kubernetes.pod_status import (
    phase_of,
    with_condition,
    with_containers,
)
from tests.integration.components.kubernetes.recorder import Recorder
from tests.integration.components.kubernetes.resources import PODS
from tests.integration.components.kubernetes.store import Store, now

_LOST = "The container could not be located when the pod was terminated"


@dataclass(frozen=True)
class End:
    """Why a pod is ended before its containers end by themselves."""

    grace: float
    reason: str = ""
    message: str = ""
    condition: tuple[str, str] | None = None


class PodReport:
    """The statuses of a pod's containers, and what is told of them."""

    def __init__(self, pod: Object, store: Store, recorder: Recorder) -> None:
        self.pod = pod
        self._store = store
        self._recorder = recorder
        #: Whether the node no longer reaches the API server, or the pod is gone from there.
        self.cut_off = False
        self.deleted = False
        #: Why the pod is ended, once it is.
        self.end: End | None = None
        spec = pod["spec"]
        inits = spec.get("initContainers", [])
        reason = "PodInitializing" if inits else "ContainerCreating"
        self.inits = {
            one["name"]: container_status.waiting(one, "PodInitializing") for one in inits
        }
        self.regulars = {
            one["name"]: container_status.waiting(one, reason) for one in spec["containers"]
        }

    def tell(self, type_: str, reason: str, message: str, container: Object | None = None) -> None:
        """Record an event about the pod, or about one of its containers."""
        if self.cut_off:
            return
        path = ""
        if container is not None:
            group = "spec.initContainers" if container["name"] in self.inits else "spec.containers"
            path = f"{group}{{{container['name']}}}"
        self._recorder.record(self.pod, type_, reason, message, field_path=path)

    def wait(self, status: Object, reason: str, message: str) -> None:
        """Say why a container waits."""
        status |= {
            "state": {"waiting": {"reason": reason, "message": message}},
            "ready": False,
            "started": False,
        }
        self.publish()

    def give_up(self) -> None:
        """Say of containers that never ran, as they will not, that they are over."""
        for status in self.regulars.values():
            if "terminated" not in status["state"] and "terminated" not in status["lastState"]:
                never = container_status.NEVER
                lost = container_status.ended(137, "ContainerStatusUnknown", never, status, _LOST)
                del lost["containerID"]
                status |= {"state": {"terminated": lost}, "ready": False, "started": False}

    def publish(self, *, starting: bool = False, final: bool = False) -> None:
        """Write the pod's status."""
        if self.cut_off or self.deleted:
            return
        inits = [dict(one) for one in self.inits.values()]
        regulars = [dict(one) for one in self.regulars.values()]

        def written(newest: Object) -> Object:
            address = (
                {"startTime": now(), "hostIP": "127.0.0.1", "hostIPs": [{"ip": "127.0.0.1"}]}
                if starting
                else {"podIP": "10.244.0.5", "podIPs": [{"ip": "10.244.0.5"}]}
            )
            newest = newest | {"status": newest["status"] | address}
            phase = phase_of(newest["spec"], inits, regulars)
            if final and self.end is not None:
                newest, phase = _with_end(newest, self.end, regulars)
            elif not final and (self.end is not None or phase in ("Succeeded", "Failed")):
                # That the pod is over, and why, is told after the ends of its containers.
                phase = str(newest["status"]["phase"])
            return with_containers(
                newest, inits, regulars, phase=phase, ready_to_start=not starting
            )

        with contextlib.suppress(Refused):
            self._store.change(PODS, self.pod, written)

    def gone(self) -> None:
        """Tell the API server that nothing of a deleted pod is left."""
        meta = self.pod["metadata"]
        if self.deleted or self.cut_off:
            return
        newest = self._store.find(PODS, meta["namespace"], meta["name"])
        if newest is None or newest["metadata"]["uid"] != meta["uid"]:
            return
        if "deletionTimestamp" in newest["metadata"]:
            delete(self._store, PODS, newest, {"gracePeriodSeconds": 0})


def _with_end(pod: Object, end: End, regulars: list[Object]) -> tuple[Object, str]:
    """Return a pod that is over with why it is ended, and its phase."""
    codes = [one["state"].get("terminated", {"exitCode": 137})["exitCode"] for one in regulars]
    phase = "Failed" if end.reason or any(codes) else "Succeeded"
    if end.reason:
        pod = pod | {"status": pod["status"] | {"reason": end.reason, "message": end.message}}
    if end.condition is not None:
        pod = with_condition(pod, end.condition[0], "True", end.condition[1], end.message)
    return pod, phase

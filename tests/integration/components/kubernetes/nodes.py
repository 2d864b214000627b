"""Nodes: what they have, and what becomes of their pods when they are lost."""

from typing import Any

from tests.integration.components.kubernetes.answers import Object
from tests.integration.components.kubernetes.deletion import delete
from tests.integration.components.kubernetes.pod_status import with_condition
from tests.integration.components.kubernetes.recorder import Recorder
from tests.integration.components.kubernetes.resources import NODES, PODS
from tests.integration.components.kubernetes.store import Store, now

_UNREACHABLE = "node.kubernetes.io/unreachable"
_SILENT = "Kubelet stopped posting node status."
_TYPES = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    "Ready": ("KubeletReady", "kubelet is posting ready status"),
}


def new_node(name: str, cpu: str, memory: str, pods: int) -> Object:
    """Return a node that is ready."""
    room = {"cpu": cpu, "memory": memory, "pods": str(pods), "ephemeral-storage": "100Gi"}
    at = now()
    conditions = [
        {
            "type": type_,
            "status": "True" if type_ == "Ready" else "False",
            "lastHeartbeatTime": at,
            "lastTransitionTime": at,
            "reason": reason,
            "message": message,
        }
        for type_, (reason, message) in _TYPES.items()
    ]
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
            },
        },
        "spec": {"podCIDR": "10.244.0.0/24"},
        "status": {
            "capacity": room,
            "allocatable": room,
            "conditions": conditions,
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": name},
            ],
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": "",
                "containerRuntimeVersion": "containerd://1.7.24",
                "kernelVersion": "6.1.0",
                "kubeProxyVersion": "",
                "kubeletVersion": "v1.32.0",
                "machineID": "",
                "operatingSystem": "linux",
                "osImage": "Debian GNU/Linux 12 (bookworm)",
                "systemUUID": "",
            },
        },
    }


class NodeController:
    """Says which nodes are lost, and evicts their pods."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._recorder = Recorder(store, "node-controller")
        self._taints = Recorder(store, "taint-eviction-controller")

    def mark_lost(self, name: str) -> None:
        """Taint a node that says nothing more; its pods are not ready from then on."""
        taints = [
            {"key": _UNREACHABLE, "effect": effect, "timeAdded": now()}
            for effect in ("NoSchedule", "NoExecute")
        ]
        node = self._mark(name, "Unknown", "NodeStatusUnknown", _SILENT, taints)
        self._recorder.record(
            node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady"
        )
        for pod in self._pods(name):
            self._store.change(PODS, pod, lambda newest: with_condition(newest, "Ready", "False"))
            self._recorder.record(pod, "Warning", "NodeNotReady", "Node is not ready")

    def mark_ready(self, name: str) -> None:
        reason, message = _TYPES["Ready"]
        self._mark(name, "True", reason, message, [])

    def evict(self, name: str) -> None:
        """Delete a lost node's pods, as its taint has it; the kubelet cannot say when they are over."""
        for pod in self._pods(name):
            meta = pod["metadata"]
            said = f"Marking for deletion Pod {meta['namespace']}/{meta['name']}"
            self._taints.record(pod, "Normal", "TaintManagerEviction", said)
            marked = self._store.change(
                PODS,
                pod,
                lambda newest: with_condition(
                    newest,
                    "DisruptionTarget",
                    "True",
                    "DeletionByTaintManager",
                    "Taint manager: deleting due to NoExecute taint",
                ),
            )
            if marked is not None:
                delete(self._store, PODS, marked)

    def remove(self, name: str) -> None:
        """Take a node out of the cluster; its pods are failed, and collected."""
        self._store.remove(NODES, self._store.get(NODES, "", name))
        for pod in self._pods(name):

            def failed(newest: Object) -> Object:
                marked = with_condition(
                    newest,
                    "DisruptionTarget",
                    "True",
                    "DeletionByPodGC",
                    "PodGC: node no longer exists",
                )
                return marked | {"status": marked["status"] | {"phase": "Failed"}}

            marked = self._store.change(PODS, pod, failed)
            if marked is not None:
                delete(self._store, PODS, marked, {"gracePeriodSeconds": 0})

    def _mark(
        self, name: str, status: str, reason: str, message: str, taints: list[dict[str, Any]]
    ) -> Object:
        node = self._store.get(NODES, "", name)
        conditions = [
            one
            | {
                "status": status if one["type"] == "Ready" or status == "Unknown" else "False",
                "lastTransitionTime": now(),
                "reason": reason
                if status == "Unknown" or one["type"] == "Ready"
                else _TYPES[one["type"]][0],
                "message": message
                if status == "Unknown" or one["type"] == "Ready"
                else _TYPES[one["type"]][1],
            }
            for one in node["status"]["conditions"]
        ]
        kept = [one for one in node["spec"].get("taints", []) if one["key"] != _UNREACHABLE]
        spec = {key: value for key, value in node["spec"].items() if key != "taints"}
        if kept + taints:
            spec["taints"] = kept + taints
        return self._store.replace(
            NODES, node | {"spec": spec, "status": node["status"] | {"conditions": conditions}}
        )

    def _pods(self, name: str) -> list[Object]:
        return [
            pod
            for pod in self._store.objects(PODS)
            if pod["spec"].get("nodeName") == name
            and pod["status"].get("phase") not in ("Succeeded", "Failed")
        ]

"""The cluster: API server, controllers and kubelets, wired together."""

from collections.abc import AsyncGenerator
from pathlib import Path

from tests.integration.components.kubernetes import spaces
from tests.integration.components.kubernetes.access import ADMIN, Access
from tests.integration.components.kubernetes.answers import Object
from tests.integration.components.kubernetes.api import Api
from tests.integration.components.kubernetes.calls import Call
from tests.integration.components.kubernetes.faults import Faults
from tests.integration.components.kubernetes.garbage import GarbageCollector
from tests.integration.components.kubernetes.images import Images
from tests.integration.components.kubernetes.jobs import JobController
from tests.integration.components.kubernetes.kubelet import Kubelet
from tests.integration.components.kubernetes.nodes import NodeController, new_node
from tests.integration.components.kubernetes.published import Published
from tests.integration.components.kubernetes.pulling import Pace
from tests.integration.components.kubernetes.resources import NAMESPACES, NODES
from tests.integration.components.kubernetes.scheduler import Scheduler
from tests.integration.components.kubernetes.store import Change, Store

ADMIN_TOKEN = "admin-token"
#: What a node has for pods unless a test says otherwise: cores, memory, and how many pods.
ROOM = ("64", "256Gi", 1000)


class Cluster:
    """All parts of a cluster; everything here runs in one event loop."""

    def __init__(self, folder: Path, authority: str) -> None:
        self._folder = folder
        self._authority = authority
        #: Errors in the fake's own code.
        self.crashes: list[str] = []
        self.store = Store()
        self.access = Access(self.store)
        self.access.tokens[ADMIN_TOKEN] = ADMIN
        self.faults = Faults()
        self.published = Published()
        self.images = Images()
        self.pace = Pace()
        self.api = Api(
            self.store, self.access, self.faults, self.published, self._read_log, self.crashes
        )
        self.scheduler = Scheduler(self.store, self.crashes)
        self.jobs = JobController(self.store, self.api.verbs, self.crashes)
        self.garbage = GarbageCollector(self.store, self.crashes)
        self.nodes = NodeController(self.store)
        self.kubelets: dict[str, Kubelet] = {}
        #: Environment variables of every container.
        self.env: dict[str, str] = {}

    async def start(self) -> None:
        self.store.listen(self._see)
        for name in spaces.FIRST:
            self.api.verbs.make(
                NAMESPACES, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
            )

    def add_node(self, name: str, cpu: str, memory: str, pods: int) -> None:
        self.kubelets[name] = Kubelet(
            name, self.store, self.images, self.pace, self._folder / name, self.env
        )
        self.store.create(NODES, new_node(name, cpu, memory, pods))

    async def renew_nodes(self, first: str) -> None:
        """Leave one node, as it was at first; whatever runs there goes on."""
        for name in [name for name in self.kubelets if name != first]:
            await self.kubelets.pop(name).close()
            if self.store.find(NODES, "", name) is not None:
                self.nodes.remove(name)
        found = self.store.find(NODES, "", first)
        if found is None:
            self.store.create(NODES, new_node(first, *ROOM))
        else:
            fresh = new_node(first, *ROOM)
            kept = {"metadata": found["metadata"] | {"labels": fresh["metadata"]["labels"]}}
            self.store.replace(NODES, fresh | kept)
        self.kubelets[first].recover()

    async def close(self) -> None:
        for queue in (self.scheduler.queue, self.jobs.queue, self.garbage.queue):
            queue.close()
        self.api.watches.end(None)
        for kubelet in self.kubelets.values():
            await kubelet.close()

    def busy(self) -> bool:
        """Tell whether any pod's end is still under way."""
        return any(kubelet.workers for kubelet in self.kubelets.values())

    def _see(self, change: Change) -> None:
        self.published.check_change(change)
        spaces.see(self.store, change, self._authority)
        self.jobs.see(change)
        self.scheduler.see(change)
        self.garbage.see(change)
        for kubelet in self.kubelets.values():
            kubelet.see(change)

    async def _read_log(self, call: Call, pod: Object) -> AsyncGenerator[bytes, None]:
        node = pod["spec"].get("nodeName")
        if not node:
            return _nothing()
        return await self.kubelets[node].log(call, pod)


async def _nothing() -> AsyncGenerator[bytes, None]:
    nothing: tuple[bytes, ...] = ()
    for piece in nothing:
        yield piece

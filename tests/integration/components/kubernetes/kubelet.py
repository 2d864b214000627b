"""The kubelet of one node: starts what is bound to it, ends what is deleted."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

from tests.integration.components.kubernetes.answers import Object, Refused
from tests.integration.components.kubernetes.calls import Call
from tests.integration.components.kubernetes.images import Images
from tests.integration.components.kubernetes.logs import container_of, read, waiting_refusal
from tests.integration.components.kubernetes.pod_report import End
from tests.integration.components.kubernetes.pod_worker import PodWorker
from tests.integration.components.kubernetes.pulling import Pace
from tests.integration.components.kubernetes.recorder import Recorder
from tests.integration.components.kubernetes.resources import PODS
from tests.integration.components.kubernetes.store import Change, Store


class Kubelet:
    """Runs the pods of one node."""

    def __init__(
        self, node: str, store: Store, images: Images, pace: Pace, folder: Path, env: dict[str, str]
    ) -> None:
        self.node = node
        self._store, self._images, self._pace = store, images, pace
        self._folder = folder
        # Every image has what is installed for the tests.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        self._env = {"PATH": path} | env
        self._recorder = Recorder(store, "kubelet", node)
        self.workers: dict[str, PodWorker] = {}
        #: Whether the node no longer reaches the API server.
        self.lost = False

    def see(self, change: Change) -> None:
        """Take in a change."""
        pod = change.object
        if change.resource is not PODS or pod["spec"].get("nodeName") != self.node or self.lost:
            return
        uid = pod["metadata"]["uid"]
        worker = self.workers.get(uid)
        if change.type == "DELETED":
            if worker is not None:
                worker.forget()
                worker.task.add_done_callback(lambda _: self.workers.pop(uid, None))
                if worker.task.done():
                    self.workers.pop(uid, None)
            return
        if worker is None:
            if pod["status"].get("phase") == "Pending":
                self._start(pod)
        elif "deletionTimestamp" in pod["metadata"]:
            worker.delete(pod["metadata"].get("deletionGracePeriodSeconds", 0))

    def lose(self, *, processes_go_on: bool) -> None:
        """Cut the node off from the API server."""
        self.lost = True
        for worker in self.workers.values():
            worker.report.cut_off = True
            if not processes_go_on:
                worker.end(End(0))

    def recover(self) -> None:
        """Let the node reach the API server again: it learns what was deleted meanwhile."""
        self.lost = False
        for uid, worker in list(self.workers.items()):
            worker.report.cut_off = False
            meta = worker.pod["metadata"]
            pod = self._store.find(PODS, meta["namespace"], meta["name"])
            if pod is None or pod["metadata"]["uid"] != uid:
                worker.forget()
            elif "deletionTimestamp" in pod["metadata"]:
                worker.delete(pod["metadata"].get("deletionGracePeriodSeconds", 0))

    async def log(self, call: Call, pod: Object) -> AsyncGenerator[bytes, None]:
        """Return what a container has written, or refuse to."""
        container = container_of(call, pod)
        previous = call.flag("previous")
        if self.lost:
            meta = pod["metadata"]
            url = f"https://{self.node}:10250/containerLogs/{meta['namespace']}/{meta['name']}/{container}"
            raise Refused(500, "InternalError", f'Get "{url}": dial tcp: connect: no route to host')
        refused = waiting_refusal(pod, container, previous=previous)
        if refused is not None:
            raise refused
        worker = self.workers.get(pod["metadata"]["uid"])
        status = next(
            one
            for one in pod["status"].get("containerStatuses", [])
            + pod["status"].get("initContainerStatuses", [])
            if one["name"] == container
        )
        number = status["restartCount"] - int(previous or "waiting" in status["state"])
        found = worker.logs.get((container, max(number, 0))) if worker else None
        if found is None:
            raise Refused(
                400,
                "BadRequest",
                f'container "{container}" in pod "{pod["metadata"]["name"]}" is waiting to start: no logs yet',
            )
        return read(call, found)

    async def close(self) -> None:
        """End all processes."""
        self.lost = True
        tasks = []
        for worker in list(self.workers.values()):
            worker.forget()
            worker.task.cancel()
            tasks.append(worker.task)
        await asyncio.gather(*tasks, return_exceptions=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, pod: Object) -> None:
        meta = pod["metadata"]
        self.workers[meta["uid"]] = PodWorker(
            pod, self._store, self._images, self._pace, self._recorder,
            self._folder / f"{meta['namespace']}_{meta['name']}_{meta['uid'][:8]}",
            self.node, self._env,
        )  # fmt: skip

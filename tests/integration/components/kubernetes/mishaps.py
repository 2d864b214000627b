"""What tests have go wrong in the fake cluster: at its pods, at its nodes, at requests to it."""

from collections.abc import Callable
from typing import Any

from tests.integration.components.kubernetes.answers import expired
from tests.integration.components.kubernetes.cluster import ROOM, Cluster
from tests.integration.components.kubernetes.containers import Container, ProcessContainer, StandIn
from tests.integration.components.kubernetes.deletion import delete
from tests.integration.components.kubernetes.faults import Fault, cut, refusal
from tests.integration.components.kubernetes.pod_report import End
from tests.integration.components.kubernetes.pod_status import with_condition
from tests.integration.components.kubernetes.pod_worker import PodWorker
from tests.integration.components.kubernetes.recorder import Recorder
from tests.integration.components.kubernetes.resources import PODS
from tests.integration.components.kubernetes.serving import LoopThread
from tests.integration.components.kubernetes.watching import Cut

NODE = "node-1"


class Mishaps:
    """All that can go wrong."""

    _thread: LoopThread
    _cluster: Cluster

    def unschedulable(self, why: str | None = "Insufficient cpu") -> None:
        """Have no node fit pods from now on, or again as it is with `None`."""

        def refuse() -> None:
            self._cluster.scheduler.refuses = lambda pod: why
            self._cluster.scheduler.again()

        self._thread.call(refuse)

    def evict(self, pod: str, namespace: str = "default") -> None:
        """Have the kubelet evict a pod for want of memory."""
        message = (
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 92148Ki. "
            "Container main was using 31Mi, request is 0, has larger consumption of memory. "
        )
        self._end(
            pod, namespace, End(0, "Evicted", message, ("DisruptionTarget", "TerminationByKubelet"))
        )
        store = self._cluster.store
        recorder = Recorder(store, "kubelet", NODE)
        self._thread.call(
            lambda: recorder.record(store.get(PODS, namespace, pod), "Warning", "Evicted", message)
        )

    def evict_by_api(self, pod: str, namespace: str = "default") -> None:
        """Evict a pod as `kubectl drain` does."""
        store = self._cluster.store

        def evicted() -> None:
            found = store.get(PODS, namespace, pod)
            message = "Eviction API: evicting"
            marked = with_condition(
                found, "DisruptionTarget", "True", "EvictionByEvictionAPI", message
            )
            delete(store, PODS, store.replace(PODS, marked))

        self._thread.call(evicted)

    def preempt(self, pod: str, namespace: str = "default") -> None:
        """Have the scheduler end a pod in favour of a more important one."""
        store = self._cluster.store
        self._thread.call(
            lambda: self._cluster.scheduler.preempt(
                store.get(PODS, namespace, pod), "00000000-0000-0000-0000-000000000000"
            )
        )

    def out_of_memory(
        self, pod: str, container: str | None = None, namespace: str = "default"
    ) -> None:
        """Kill a container as the kernel does when its memory is used up."""
        found = self._container(pod, container, namespace)

        def killed() -> None:
            if isinstance(found, ProcessContainer):
                found.run_out_of_memory()
            else:
                found.out_of_memory = True
                found.kill()

        self._thread.call(killed)

    def finish(
        self, pod: str, code: int = 0, container: str | None = None, namespace: str = "default"
    ) -> None:
        """End a container that stands in for a process."""
        found = self._container(pod, container, namespace)
        assert isinstance(found, StandIn)
        self._thread.call(lambda: found.finish(code))

    def add_node(
        self, name: str, *, cpu: str = ROOM[0], memory: str = ROOM[1], pods: int = ROOM[2]
    ) -> None:
        self._thread.call(lambda: self._cluster.add_node(name, cpu, memory, pods))

    def lose_node(
        self, name: str = NODE, *, processes_go_on: bool = False, evict: bool = True
    ) -> None:
        """Have a node say nothing more; its pods are marked for deletion, and stay so.

        A real cluster notices after 40 s, and evicts after 300 s more.
        """

        def lost() -> None:
            self._cluster.kubelets[name].lose(processes_go_on=processes_go_on)
            self._cluster.nodes.mark_lost(name)
            if evict:
                self._cluster.nodes.evict(name)

        self._thread.call(lost)

    def remove_node(self, name: str = NODE) -> None:
        """Delete a node that is lost: its pods are failed, then gone."""
        self._thread.call(lambda: self._cluster.nodes.remove(name))

    def recover_node(self, name: str = NODE) -> None:
        """Let a lost node come back."""

        def back() -> None:
            self._cluster.nodes.mark_ready(name)
            self._cluster.kubelets[name].recover()

        self._thread.call(back)

    # ------------------------------------------------------------------ what goes wrong at requests

    def refuse(
        self,
        verb: str,
        plural: str,
        code: int,
        *,
        times: int | None = None,
        message: str = "",
        retry_after: int | None = None,
    ) -> Callable[[], None]:
        """Have requests refused with 401, 403, 404, 409, 410, 429, 500, 503 or 504.

        Returns:
            What takes it back.
        """  # fmt: skip
        return self._fault(verb, plural, times, refusal=refusal(code, message, retry_after))

    def slow(
        self, verb: str, plural: str, seconds: float, *, times: int | None = None
    ) -> Callable[[], None]:
        """Have requests answered late."""
        return self._fault(verb, plural, times, seconds=seconds)

    def cut(
        self, verb: str, plural: str, *, times: int | None = None, after: bool = False
    ) -> Callable[[], None]:
        """Have connections cut before a request is carried out, or after it, before its answer."""
        return self._fault(verb, plural, times, refusal=cut, after=after)

    def expire_watches(self, plural: str | None = None) -> int:
        """Forget all changes so far; watches end with a 410 in their stream, as do such to come.

        Returns:
            How many watches were ended.
        """

        def expire() -> int:
            store = self._cluster.store
            version = store.version
            # Whoever asks for what is just the present is too late, too.
            store.version += 1
            store.forget_changes()
            message = f"too old resource version: {version} ({store.version})"
            return self._cluster.api.watches.end(expired(message), plural)

        return self._thread.call(expire)

    def cut_watches(self, plural: str | None = None) -> int:
        """Cut the connections of watches."""
        return self._thread.call(lambda: self._cluster.api.watches.end(Cut(), plural))

    def end_watches(self, plural: str | None = None) -> int:
        """End watches as at their timeout."""
        return self._thread.call(lambda: self._cluster.api.watches.end(None, plural))

    def bookmark_every(self, seconds: float) -> None:
        """Have watches bookmarked so often that ask for it; a real one does so once a minute."""
        self._cluster.api.watches.bookmarks = seconds

    def _fault(self, verb: str, plural: str, times: int | None, **how: Any) -> Callable[[], None]:
        verbs = () if verb == "*" else (verb,)
        resources = () if plural == "*" else (plural,)
        return self._cluster.faults.add(Fault(verbs, resources, times, **how))

    def _end(self, pod: str, namespace: str, end: End) -> None:
        self._thread.call(lambda: self._worker(pod, namespace).end(end))

    def _worker(self, pod: str, namespace: str) -> PodWorker:
        found = self._cluster.store.get(PODS, namespace, pod)
        return self._cluster.kubelets[found["spec"]["nodeName"]].workers[found["metadata"]["uid"]]

    def _container(self, pod: str, container: str | None, namespace: str) -> Container:
        def found() -> Container:
            running = self._worker(pod, namespace).running
            name = container or next(iter(running))
            return running[name][0]

        return self._thread.call(found)

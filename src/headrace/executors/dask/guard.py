"""Stands beside Dask's scheduler and sees to it that no call is made twice without a word.

Dask makes a call again when the worker that ran it dies, or the worker that held its value. The
guard marks such a key before it can be sent out again (the wrapper on the next worker sees the mark
and refuses, see `worker.perform`), and tells the client at once, so that the run goes on without
waiting for another worker.

The scheduler's process need not have Headrace installed: this module is sent to it by value, and
imports nothing but the standard library and `distributed`.
"""

from __future__ import annotations

from typing import Any

from distributed import SchedulerPlugin

#: One guard serves all runs on a scheduler; another version of it gets another name.
NAME = "headrace-guard-1"
#: The topic on which all guards' clients hear of workers that come and go.
WORKERS = "headrace-workers"
#: The annotation that marks a key as ours; its value is the topic on which its client listens.
OURS = "headrace"
#: The annotation that marks a key as lost; its value is the worker that was lost.
LOST = "headrace-lost"


class Guard(SchedulerPlugin):
    """The plugin. The scheduler calls its methods, in its event loop."""

    name = NAME
    idempotent = True

    def __init__(self) -> None:
        self._scheduler: Any = None
        #: The stimulus by which a worker was last removed, and that worker.
        self._removal = ("", "")

    async def start(self, scheduler: Any) -> None:
        """Remember the scheduler."""
        self._scheduler = scheduler

    def transition(
        self, key: Any, start: str, finish: str, *args: Any, stimulus_id: str, **kwargs: Any
    ) -> None:
        """Mark a key of ours that leaves its worker, or the memory, without having been asked to.

        It is called between the step that takes the key away and the step that sends it out again.
        """
        if finish != "released" or start not in ("processing", "memory"):
            return
        task = self._scheduler.tasks.get(key)
        if task is None or not task.annotations or OURS not in task.annotations:
            return
        stimulus, removed = self._removal
        worker = removed if stimulus == stimulus_id else ""
        # A new dict: the one that was sent out with the key is not changed behind its back.
        task.annotations = {**task.annotations, LOST: worker}
        if task.who_wants:
            self._scheduler.log_event(task.annotations[OURS], ["lost", key, worker, start])

    def log_event(self, topic: str, msg: Any) -> None:
        """Learn which worker is being removed; keep no events, which hold users' reports."""
        if topic == "all":
            if isinstance(msg, dict) and msg.get("action") == "remove-worker":
                self._removal = (msg.get("stimulus_id", ""), msg["worker"])
                self._tell("removed", msg["worker"], bool(msg.get("expected")))
        elif topic.startswith("headrace-"):
            broker = getattr(self._scheduler, "_broker", None)
            if broker is not None:
                broker.truncate(topic)

    def add_worker(self, scheduler: Any, worker: str) -> None:
        """Tell the clients that there is a worker more."""
        self._tell("added", worker, True)

    def remove_client(self, scheduler: Any, client: str) -> None:
        """Forget the topic of a client that is gone."""
        broker = getattr(scheduler, "_broker", None)
        if broker is not None:
            broker._topics.pop(f"headrace-{client}", None)

    def _tell(self, what: str, worker: str, expected: bool) -> None:
        threads = self._scheduler.total_nthreads
        self._scheduler.log_event(WORKERS, ["threads", threads, what, worker, expected])


def packed() -> Any:
    """Return the guard so that the scheduler can unpickle it without having Headrace."""
    import sys

    import cloudpickle

    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)
    try:
        return _ByValue(cloudpickle.dumps(Guard()))
    finally:
        cloudpickle.unregister_pickle_by_value(module)


class _ByValue(SchedulerPlugin):
    """A guard that is pickled already."""

    name = NAME
    idempotent = True

    def __init__(self, pickled: bytes) -> None:
        self._pickled = pickled

    def __reduce__(self) -> tuple[Any, ...]:
        import cloudpickle

        return cloudpickle.loads, (self._pickled,)

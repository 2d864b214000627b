"""The job controller: makes a job's pods, counts how they end, and says what has become of it."""

from collections.abc import Hashable
from typing import Any

from tests.integration.components.kubernetes.answers import Object, Refused
from tests.integration.components.kubernetes.deletion import FOREGROUND, ORPHAN, delete
from tests.integration.components.kubernetes.failure_policy import verdict
from tests.integration.components.kubernetes.job_status import (
    TRACKING,
    condition_of,
    end_time,
    finished,
    has_ended,
    is_ready,
    phase,
    set_condition,
    tracked,
)
from tests.integration.components.kubernetes.recorder import Recorder
from tests.integration.components.kubernetes.resources import JOBS, PODS
from tests.integration.components.kubernetes.store import Change, Store, now, seconds_since
from tests.integration.components.kubernetes.verbs import Verbs
from tests.integration.components.kubernetes.work import WorkQueue

_LONGEST_BACKOFF = 600


class JobController:
    """Reconciles jobs with their pods."""

    def __init__(self, store: Store, verbs: Verbs, crashes: list[str]) -> None:
        self._store = store
        self._verbs = verbs
        self._recorder = Recorder(store, "job-controller")
        self.queue = WorkQueue(self._reconcile, crashes)
        #: Seconds before a failed pod is followed by another; doubled by each failure.
        self.backoff = 10.0
        self._refusals: dict[str, int] = {}
        self._pods: dict[str, dict[str, Object]] = {}

    def see(self, change: Change) -> None:
        """Take in a change."""
        found = change.object
        if change.resource is JOBS:
            self.queue.add(_key(found))
        elif change.resource is PODS:
            for pod in filter(None, (change.before, found)):
                owner = controller_of(pod)
                if owner is not None and owner["kind"] == "Job":
                    mine = self._pods.setdefault(owner["uid"], {})
                    name = pod["metadata"]["name"]
                    if change.type == "DELETED":
                        mine.pop(name, None)
                    elif pod is found:
                        mine[name] = pod
                    self.queue.add((pod["metadata"]["namespace"], owner["name"], owner["uid"]))

    def _reconcile(self, key: Hashable) -> None:
        assert isinstance(key, tuple)
        namespace, name, uid = key
        pods = list(self._pods.get(uid, {}).values())
        job = self._store.find(JOBS, namespace, name)
        if job is None or job["metadata"]["uid"] != uid:
            for pod in pods:
                self._untrack(pod)
            return
        if finished(job) is not None:
            for pod in pods:
                self._untrack(pod)
            self._expire(job)
            return
        self._sync(job, pods)

    def _sync(self, job: Object, pods: list[Object]) -> None:
        spec, meta = job["spec"], job["metadata"]
        status = dict(job.get("status", {}))
        if not spec.get("suspend") and "startTime" not in status:
            status["startTime"] = now()
        only_failed = spec["podReplacementPolicy"] == "Failed"
        counted = [pod for pod in pods if tracked(pod) and has_ended(pod, only_failed)]
        condition = self._count(job, status, counted)
        live = [pod for pod in pods if phase(pod) not in ("Succeeded", "Failed")]
        active = [pod for pod in live if "deletionTimestamp" not in pod["metadata"]]
        terminating = [pod for pod in live if "deletionTimestamp" in pod["metadata"]]
        condition = condition_of(status, "FailureTarget") or condition or self._overdue(job, status)
        done = status.get("succeeded", 0) >= spec.get("completions", 1)
        if condition is not None:
            set_condition(status, "FailureTarget", condition["reason"], condition["message"])
        elif done:
            set_condition(status, "SuccessCriteriaMet", "CompletionsReached", _REACHED)
        ending = condition is not None or done or "deletionTimestamp" in meta
        status |= {
            "active": 0 if ending and not active else len(active),
            "ready": sum(is_ready(pod) for pod in active),
            "terminating": len(terminating),
            "uncountedTerminatedPods": {},
        }
        if ending and not active and not terminating:
            self._finish(job, status, condition, done)
        written = self._write(job, status)
        for pod in counted:
            self._untrack(pod)
        if written is None:
            return
        if "deletionTimestamp" in meta and not {FOREGROUND, ORPHAN} & set(
            meta.get("finalizers", [])
        ):
            return
        if ending or spec.get("suspend"):
            if "deletionTimestamp" not in meta:
                self._delete(written, active)
            return
        wanted = min(spec["parallelism"], spec.get("completions", 1) - status.get("succeeded", 0))
        running = len(active) + (len(terminating) if only_failed else 0)
        if running < wanted:
            self._start(written, wanted - running, status)

    def _count(self, job: Object, status: dict[str, Any], ended: list[Object]) -> Object | None:
        """Count pods that have ended; return the condition that ends the job, if there is one."""
        condition = None
        for pod in ended:
            if phase(pod) == "Succeeded":
                status["succeeded"] = status.get("succeeded", 0) + 1
                continue
            action, message = verdict(job, pod)
            if action == "FailJob":
                condition = {"reason": "PodFailurePolicy", "message": message}
            if action != "Ignore":
                status["failed"] = status.get("failed", 0) + 1
        if condition is None and status.get("failed", 0) > job["spec"]["backoffLimit"]:
            condition = {"reason": "BackoffLimitExceeded", "message": _LIMIT}
        return condition

    def _overdue(self, job: Object, status: dict[str, Any]) -> Object | None:
        seconds = job["spec"].get("activeDeadlineSeconds")
        if seconds is None or "startTime" not in status:
            return None
        left = seconds - seconds_since(status["startTime"])
        if left <= 0:
            return {"reason": "DeadlineExceeded", "message": _DEADLINE}
        self.queue.add(_key(job), left)
        return None

    def _finish(
        self, job: Object, status: dict[str, Any], condition: Object | None, done: bool
    ) -> None:
        status.pop("active", None)
        if condition is not None:
            set_condition(status, "Failed", condition["reason"], condition["message"])
            self._recorder.record(job, "Warning", condition["reason"], condition["message"])
        elif done:
            set_condition(status, "Complete", "CompletionsReached", _REACHED)
            status["completionTime"] = now()
            self._recorder.record(job, "Normal", "Completed", "Job completed")

    def _write(self, job: Object, status: dict[str, Any]) -> Object | None:
        if not status.get("active"):
            status.pop("active", None)
        if status == job.get("status"):
            return job
        return self._store.change(JOBS, job, lambda newest: newest | {"status": status})

    def _start(self, job: Object, missing: int, status: dict[str, Any]) -> None:
        failed = status.get("failed", 0)
        if failed:
            last = max(
                (
                    seconds_since(end_time(pod)) * -1
                    for pod in self._mine(job)
                    if phase(pod) == "Failed"
                ),
                default=0.0,
            )
            left = min(self.backoff * 2 ** (failed - 1), _LONGEST_BACKOFF) + last
            if left > 0:
                self.queue.add(_key(job), left)
                return
        for _ in range(missing):
            try:
                pod = self._verbs.make(PODS, _pod_of(job))
            except Refused as refused:
                self._recorder.record(job, "Warning", "FailedCreate", f"Error creating: {refused}")
                uid = job["metadata"]["uid"]
                self._refusals[uid] = self._refusals.get(uid, 0) + 1
                self.queue.add(_key(job), min(0.1 * 2 ** self._refusals[uid], _LONGEST_BACKOFF))
                return
            self._recorder.record(
                job, "Normal", "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}"
            )

    def _delete(self, job: Object, active: list[Object]) -> None:
        for pod in active:
            newest = self._store.find(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
            if newest is not None:
                delete(self._store, PODS, newest)
                self._recorder.record(
                    job, "Normal", "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}"
                )

    def _untrack(self, pod: Object) -> None:
        def without(newest: Object) -> Object:
            left = [one for one in newest["metadata"].get("finalizers", []) if one != TRACKING]
            meta = {key: value for key, value in newest["metadata"].items() if key != "finalizers"}
            return newest | {"metadata": meta | ({"finalizers": left} if left else {})}

        if tracked(pod):
            self._store.change(PODS, pod, without)

    def _expire(self, job: Object) -> None:
        seconds = job["spec"].get("ttlSecondsAfterFinished")
        over = finished(job)
        if seconds is None or over is None or "deletionTimestamp" in job["metadata"]:
            return
        left = seconds - seconds_since(over["lastTransitionTime"])
        if left > 0:
            self.queue.add(_key(job), left)
        else:
            delete(self._store, JOBS, job, {"propagationPolicy": "Foreground"})

    def _mine(self, job: Object) -> list[Object]:
        return list(self._pods.get(job["metadata"]["uid"], {}).values())


_REACHED = "Reached expected number of succeeded pods"
_LIMIT = "Job has reached the specified backoff limit"
_DEADLINE = "Job was active longer than specified deadline"


def controller_of(found: Object) -> Object | None:
    """Return the owner that controls an object, if any."""
    for owner in found["metadata"].get("ownerReferences", []):
        if owner.get("controller"):
            return dict(owner)
    return None


def _key(job: Object) -> tuple[str, str, str]:
    meta = job["metadata"]
    return meta["namespace"], meta["name"], meta["uid"]


def _pod_of(job: Object) -> Object:
    meta, template = job["metadata"], job["spec"]["template"]
    owner = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    own = {
        key: value
        for key, value in template.get("metadata", {}).items()
        if key in ("labels", "annotations")
    }
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "generateName": f"{meta['name']}-"[:58],
            "namespace": meta["namespace"],
            **own,
            "ownerReferences": [owner],
            "finalizers": [*template.get("metadata", {}).get("finalizers", []), TRACKING],
        },
        "spec": template["spec"],
    }

"""What is known of one deployment, and what follows from it now: decisions without effects."""

from __future__ import annotations

from dataclasses import dataclass, replace

from headrace.agents.kubernetes.objects import Event, Job, Pod, condition
from headrace.agents.kubernetes.verdicts import (
    Held,
    Over,
    cause_of_job,
    disruption,
    end_of_job,
    end_of_pod,
    hold_of_pod,
    is_hopeless,
    is_running,
    pull_error_of,
)
from headrace.agents.launcher import Deployment

#: For how many seconds the cause of a violent end is waited for: pods, jobs and events are followed
#: apart, and what ended a pod may be heard after its end.
SETTLE = 1.5
#: For how many seconds a pod may be on its way before the run is told so.
SLOW = 3.0
#: How many seconds after its grace period a pod that was deleted is taken for lost with its node.
LOST = 10.0
_GRACE_PERIOD = 30

_AWAY = "its node is not ready"
#: Events that say who ends a pod, in our words.
_CAUSES = {
    "Preempted": "preempted",
    "Preempting": "preempted",
    "Evicted": "evicted",
    "TaintManagerEviction": "its node was lost or drained",
    "NodeNotReady": _AWAY,
    "NodeShutdown": "its node was shut down",
    "DeadlineExceeded": "DeadlineExceeded",
}
#: Events that say that what was warned of before is over: the pod is made, has a node, its volumes.
_PROGRESS = frozenset({"SuccessfulCreate", "Scheduled", "Pulling", "Pulled"})
#: Warnings that are about something else than a pod that does not start.
_ASIDE = frozenset({"Unhealthy", "BackOff", "FailedPreStopHook", "DNSConfigForming"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long what is wrong is waited out, in seconds.

    Attributes:
        grace: For what will not mend by itself, such as an image that does not exist.
        pending: For all else, such as a cluster without room.
    """

    grace: float = 15.0
    pending: float = 24 * 3600.0


@dataclass(slots=True, kw_only=True)
class Record:
    """What is known of one deployment. Times are those of a monotonic clock, in seconds.

    Attributes:
        deployment: Which one.
        container: The container that the flow runs in.
        since: When it was deployed, or found.
        pod: Its pod as it was seen last.
        job: Its job as it was seen last.
        pod_seen: When its pod was seen first.
        job_seen: When its job was seen first.
        pod_gone: When its pod was seen to be gone.
        job_gone: When its job was seen to be gone.
        deleted: When its pod was seen to be deleted, though it may still be there.
        warning: The cluster's last warning about a pod that does not start.
        cause: Who ended its pod, as far as events say so.
        pull_error: What the last try to pull its image was answered.
        hopeless: Since when it is held by what will not mend.
        over: Since when it is over, or seems to be.
        cancelled: Whether this agent has ended it.
        told: The last that was told of why it waits.
        ended: How it ended, once that was told.
        due: When it is to be looked at again without news.
    """

    deployment: Deployment
    container: str
    since: float
    pod: Pod | None = None
    job: Job | None = None
    pod_seen: float = 0.0
    job_seen: float = 0.0
    pod_gone: float | None = None
    job_gone: float | None = None
    deleted: float | None = None
    warning: str | None = None
    cause: str | None = None
    pull_error: str | None = None
    hopeless: float | None = None
    over: float | None = None
    cancelled: bool = False
    told: str | None = None
    ended: Over | None = None
    due: float | None = None

    def see_pod(self, pod: Pod, is_gone: bool, now: float) -> None:
        """Take in how its pod is, or was when it went."""
        if self.pod is not None and self.pod.metadata.uid != pod.metadata.uid:
            # A job may replace a pod that was disrupted. The attempt was the first one's.
            return
        self.pod = pod
        self.pod_seen = self.pod_seen or now
        if pod.metadata.deletion_timestamp is not None and self.deleted is None:
            self.deleted = now
        if is_gone and self.pod_gone is None:
            self.pod_gone = now
        self.pull_error = pull_error_of(pod) or self.pull_error
        if (
            self.cause
            and self.cause.startswith(_AWAY)
            and condition(pod.status.conditions, "Ready")
        ):
            self.cause = None  # its node is back

    def see_job(self, job: Job, is_gone: bool, now: float) -> None:
        """Take in how its job is, or was when it went."""
        self.job = job
        self.job_seen = self.job_seen or now
        if is_gone and self.job_gone is None:
            self.job_gone = now

    def see_event(self, event: Event) -> None:
        """Take in what the cluster says about its pod or its job."""
        words = _CAUSES.get(event.reason or "")
        if words is not None:
            self.cause = f"{words}: {event.message}" if event.message else words
        elif event.reason in _PROGRESS:
            self.warning = None
        elif event.type == "Warning" and event.reason not in _ASIDE:
            if event.reason == "Failed" and "ErrImage" in (event.message or ""):
                return  # "Error: ErrImagePull" says less than the line before it
            self.warning = f"{event.reason}: {event.message}"


def judge(record: Record, bounds: Bounds, now: float) -> Over | Held | None:
    """Say how a deployment fares, and note when to look at it again.

    Returns:
        Its end, or what holds it up; None if it runs, or nothing is to be said yet.
    """
    record.due = None
    over = _end(record, now)
    if over is not None or record.over is not None:
        return over
    if record.pod is not None and is_running(record.pod, record.container):
        return None
    if record.deleted is not None:
        return None  # it begins no more
    held = _hold(record)
    if held.is_hopeless:
        record.hopeless = record.hopeless or now
        if now >= record.hopeless + bounds.grace:
            return Over(how=held.why, is_final=True)
        _look(record, record.hopeless + bounds.grace)
    else:
        record.hopeless = None
    if now >= record.since + bounds.pending:
        how = f"it has not begun within {bounds.pending:g} s: {held.why}"
        return Over(how=how, is_final=True)
    _look(record, record.since + bounds.pending)
    if not held.is_error and now < record.since + SLOW:
        _look(record, record.since + SLOW)
        return None
    return held


def _end(record: Record, now: float) -> Over | None:
    pod, job = record.pod, record.job
    if pod is None:
        over = None if job is None else end_of_job(job)
        if over is None and record.job_gone is None:
            return None
        cause = _cause(record)
        if over is None or cause is not None:
            over = Over(how=cause or "its job was deleted from outside")
        if not record.cancelled and not _settled(record, now):
            return None  # its pod may only not have been seen yet
        return over
    over = end_of_pod(pod, record.container)
    if over is None and record.pod_gone is None:
        return _lost(record, now)
    if over is not None and not over.to_report:
        return over
    killed = record.deleted is not None or record.pod_gone is not None
    cause = _cause(record) if killed or over is None else _failure(record)
    # A node tells the end of a pod's containers first, and then that of the pod, with why it ended it.
    is_told = disruption(pod) or (not killed and pod.status.phase in ("Succeeded", "Failed"))
    if cause is None and not is_told and not _settled(record, now):
        return None
    if over is None:
        return Over(how=cause or disruption(pod) or "its pod was deleted from outside")
    if killed and cause is None and not disruption(pod):
        cause = "its pod was deleted from outside"
    if cause is not None and cause not in over.how:
        over = replace(over, how=f"{cause}: {over.how}")
    return over


def _cause(record: Record) -> str | None:
    """Return who has ended a pod, as far as it is known; nothing if its own state says so."""
    if record.cancelled:
        return "it was cancelled"
    found = _failure(record)
    if found is not None:
        return found
    if record.pod is not None and disruption(record.pod) is not None:
        return disruption(record.pod)
    if record.cause is not None:
        return record.cause
    job = record.job
    if record.job_gone is not None or (job and job.metadata.deletion_timestamp is not None):
        return "its job was deleted from outside"
    return None


def _failure(record: Record) -> str | None:
    """Return why its job has ended it, if the job has."""
    return None if record.job is None else cause_of_job(record.job)


def _lost(record: Record, now: float) -> Over | None:
    """Return the end of a pod that its node should have ended long ago."""
    if record.deleted is None or record.pod is None:
        return None
    seconds = record.pod.metadata.deletion_grace_period_seconds
    until = record.deleted + (_GRACE_PERIOD if seconds is None else seconds) + LOST
    if now < until:
        _look(record, until)
        return None
    cause = _cause(record) or "its pod was deleted"
    node = record.pod.spec.node_name
    return Over(how=f"its node {node} does not answer: {cause}")


def _hold(record: Record) -> Held:
    if record.pod is not None:
        return hold_of_pod(record.pod, record.container, record.warning, record.pull_error)
    if record.job is not None:
        cause = cause_of_job(record.job)
        if cause is not None:
            return Held(why=cause)
    if record.warning is not None:
        return Held(
            why=f"its pod cannot be made: {record.warning}", is_hopeless=is_hopeless(record.warning)
        )
    return Held(why="its pod is being made", is_error=False)


def _settled(record: Record, now: float) -> bool:
    record.over = record.over or now
    if now >= record.over + SETTLE:
        return True
    _look(record, record.over + SETTLE)
    return False


def _look(record: Record, at: float) -> None:
    record.due = at if record.due is None else min(record.due, at)

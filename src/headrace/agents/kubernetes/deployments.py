"""What is known of all deployments of an agent, and what is new of them."""

from __future__ import annotations

import heapq
import threading
import time

from headrace.agents.kubernetes.jobs import FLOW, job_name
from headrace.agents.kubernetes.objects import (
    ATTEMPT,
    CONTAINER,
    FLOW_RUN,
    Event,
    Job,
    Metadata,
    Pod,
)
from headrace.agents.kubernetes.records import Bounds, Record, judge
from headrace.agents.kubernetes.verdicts import Held, Over
from headrace.agents.launcher import Deployment, Ended, News, Waits

#: How many moments there may be that mean nothing any more, beside as many as there are deployments.
_SPARE = 100


class Deployments:
    """The deployments of an agent, by the names of their jobs. Any thread may call it.

    Args:
        bounds: How long what holds one up is waited out.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._records: dict[str, Record] = {}
        self._news: list[News] = []
        self._due: list[tuple[float, str]] = []
        self._changed = threading.Condition()
        #: Which lists were taken over: the first finds what an earlier process has left.
        self._listed: set[str] = set()

    def begin(self, deployment: Deployment, container: str) -> tuple[Record, bool]:
        """Note a deployment that is about to be made; return what is known of it, and if that is new."""
        record = Record(deployment=deployment, container=container, since=time.monotonic())
        with self._changed:
            there = self._records.setdefault(deployment.handle, record)
        return there, there is record

    def get(self, name: str) -> Record | None:
        """Return what is known of a deployment."""
        with self._changed:
            return self._records.get(name)

    def forget(self, name: str) -> None:
        """Take a deployment for one that never was."""
        with self._changed:
            self._records.pop(name, None)

    def live(self) -> list[Deployment]:
        """Return those whose end was not told."""
        with self._changed:
            return [each.deployment for each in self._records.values() if each.ended is None]

    def wait(self, until: float) -> list[News]:
        """Wait until there is news, or until this time by a monotonic clock, and return it."""
        with self._changed:
            while True:
                now = time.monotonic()
                while self._due and self._due[0][0] <= now:
                    record = self._records.get(heapq.heappop(self._due)[1])
                    if record is not None:
                        self._judge(record)
                if self._news or now >= until:
                    news, self._news = self._news, []
                    return news
                first = self._due[0][0] if self._due else until
                self._changed.wait(max(0.0, min(first, until) - now))

    def wait_for(self, record: Record, why: str) -> None:
        """Tell why a job is not made yet: a cluster that is busy or away, a quota that is used up."""
        with self._changed:
            if record.told != why:
                record.told = why
                self._tell(Waits(deployment=record.deployment, why=why))

    def see_made(self, job: Job) -> None:
        """Take in a job that was just made, unless it was seen already."""
        with self._changed:
            record = self._records.get(job.metadata.name)
            if record is not None and record.job is None:
                record.see_job(job, False, time.monotonic())
                self._judge(record)

    def see_all_jobs(self, jobs: list[Job], since: float) -> None:
        """Take in all jobs that there are, as they were asked for at this time."""
        with self._changed:
            first = "jobs" not in self._listed
            self._listed.add("jobs")
            there = {job.metadata.uid for job in jobs}
            for job in jobs:
                record = self._record_of(job.metadata, first)
                if record is not None:
                    record.see_job(job, False, time.monotonic())
                    self._judge(record)
            for record in list(self._records.values()):
                # What was made while the list was written may be missing in it.
                if record.job and record.job_seen < since and record.job.metadata.uid not in there:
                    record.see_job(record.job, True, time.monotonic())
                    self._judge(record)

    def see_all_pods(self, pods: list[Pod], since: float) -> None:
        """Take in all pods that there are, likewise."""
        with self._changed:
            first = "pods" not in self._listed
            self._listed.add("pods")
            there = {pod.metadata.uid for pod in pods}
            for pod in pods:
                # The pod of a job that is no more is only of interest while it runs.
                lives = pod.status.phase in ("Pending", "Running")
                record = self._record_of(pod.metadata, first and lives)
                if record is not None:
                    record.see_pod(pod, False, time.monotonic())
                    self._judge(record)
            for record in list(self._records.values()):
                if record.pod and record.pod_seen < since and record.pod.metadata.uid not in there:
                    record.see_pod(record.pod, True, time.monotonic())
                    self._judge(record)

    def see_all_events(self, events: list[Event], _since: float) -> None:
        """Take in all events that there are."""
        for event in events:
            self.see_event(event, False)

    def see_job(self, job: Job, is_gone: bool) -> None:
        """Take in how a job is, or was when it went."""
        with self._changed:
            record = self._record_of(job.metadata, False)
            if record is not None:
                record.see_job(job, is_gone, time.monotonic())
                self._judge(record)

    def see_pod(self, pod: Pod, is_gone: bool) -> None:
        """Take in how a pod is, or was when it went."""
        with self._changed:
            record = self._record_of(pod.metadata, False)
            if record is not None:
                record.see_pod(pod, is_gone, time.monotonic())
                self._judge(record)

    def see_event(self, event: Event, is_gone: bool) -> None:
        """Take in what the cluster says about a job or a pod."""
        about = event.involved_object
        if is_gone or about.name is None or about.kind not in ("Job", "Pod"):
            return
        # A pod is called after its job, with five letters more.
        name = about.name if about.kind == "Job" else about.name.rpartition("-")[0]
        with self._changed:
            record = self._records.get(name)
            if record is not None:
                record.see_event(event)
                self._judge(record)

    # -- with the lock held ---------------------------------------------------------------------

    def _judge(self, record: Record) -> None:
        """Look at a deployment of which something is new, and note what is to be told."""
        if record.ended is not None:
            return
        before = record.due
        found = judge(record, self._bounds, time.monotonic())
        if record.due is not None and record.due != before:
            heapq.heappush(self._due, (record.due, record.deployment.handle))
            if len(self._due) > 2 * len(self._records) + _SPARE:
                self._forget_moments()
            self._changed.notify_all()
        if isinstance(found, Over):
            record.ended = found
            self._tell(
                Ended(
                    deployment=record.deployment,
                    how=found.how,
                    to_report=found.to_report,
                    is_final=found.is_final,
                )
            )
        elif isinstance(found, Held) and found.why != record.told:
            record.told = found.why
            self._tell(Waits(deployment=record.deployment, why=found.why))

    def _forget_moments(self) -> None:
        """Leave out when to look at what is over, or was looked at since: that may be a day ahead."""
        self._due = [
            (record.due, name) for name, record in self._records.items() if record.due is not None
        ]
        heapq.heapify(self._due)

    def _tell(self, news: News) -> None:
        self._news.append(news)
        self._changed.notify_all()

    def _record_of(self, metadata: Metadata, may_be_new: bool) -> Record | None:
        """Return the deployment that a job or a pod belongs to."""
        labels = metadata.labels or {}
        run_id, attempt = labels.get(FLOW_RUN), labels.get(ATTEMPT, "")
        if run_id is None or not attempt.isdecimal():
            return None
        name = job_name(run_id, int(attempt))
        record = self._records.get(name)
        if record is None and may_be_new:
            record = self._records[name] = Record(
                deployment=Deployment(flow_run_id=run_id, attempt=int(attempt), handle=name),
                container=labels.get(CONTAINER, FLOW),
                since=time.monotonic(),
            )
        return record

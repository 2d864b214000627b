"""Deploys flow runs as jobs of a Kubernetes cluster."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from headrace.agents.kubernetes.api import ApiRefusal, KubernetesApi
from headrace.agents.kubernetes.jobs import FLOW, JobDefaults, job_name, job_of, label_value
from headrace.agents.kubernetes.objects import (
    AGENT,
    ATTEMPT,
    CONTAINER,
    FLOW_RUN,
    KEPT,
    RELEASED,
    Event,
    Job,
    Listed,
    Metadata,
    Pod,
)
from headrace.agents.kubernetes.records import Bounds, Record, judge
from headrace.agents.kubernetes.verdicts import Held, Over
from headrace.agents.kubernetes.watching import Watch
from headrace.agents.launcher import Deployment, Ended, Launcher, News, Waits
from headrace.agents.templates import template_at
from headrace.config.logging import get_logger
from headrace.core.errors import DeploymentError

if TYPE_CHECKING:
    from headrace.wire.claims import ClaimedRun

#: For how many seconds a cluster that is busy, or away, is asked again to take a job, ...
_PATIENCE = 60.0
#: ... and to do what a later start of the agent would do as well.
_LESS_PATIENCE = 20.0
_MOST_LOGS = 64 << 10
#: The file in the agent's directory that is touched while it looks at its jobs, and every how many
#: seconds: whoever watches over the agent sees that it does.
ALIVE = "alive"
_TOUCH = 10.0
_LINES = 2000


class KubernetesLauncher(Launcher):
    """Makes a job for each flow run, and follows jobs, pods and events of one namespace.

    Args:
        api: The cluster.
        api_url: The server's address, as pods see it.
        defaults: What all jobs are given.
        bounds: How long what holds a run up is waited out.
        folder: The agent's own directory; the file `alive` in it is touched while it watches.
    """

    kind = "kubernetes"

    def __init__(
        self,
        api: KubernetesApi,
        *,
        api_url: str,
        defaults: JobDefaults,
        bounds: Bounds | None = None,
        folder: Path | None = None,
    ) -> None:
        self._api = api
        self._api_url = api_url
        self._defaults = defaults
        self._bounds = bounds or Bounds()
        self._alive = None if folder is None else folder / ALIVE
        self._touched = 0.0
        self._agent = ""
        self._records: dict[str, Record] = {}
        self._news: list[News] = []
        self._due: list[tuple[float, str]] = []
        self._changed = threading.Condition()
        #: Which lists were taken over: the first finds what an earlier process has left.
        self._listed: set[str] = set()
        self._watches: list[Watch[Job] | Watch[Pod] | Watch[Event]] = []
        self._log = get_logger("agent")

    # -- finding again --------------------------------------------------------------------------

    def recover(self, agent: str) -> Iterable[Deployment]:
        """Find the agent's jobs, and follow them from now on.

        Raises:
            DeploymentError: If the cluster does not let them be seen.
        """
        self._agent = agent
        mine = f"{AGENT}={label_value(agent)}"
        jobs = Watch(self._api, "jobs", Job, f"{mine},!{RELEASED}", self._all_jobs, self._job)
        pods = Watch(self._api, "pods", Pod, mine, self._all_pods, self._pod)
        events = Watch(self._api, "events", Event, "", self._all_events, self._event)
        # They begin when they are waited for, whether or not everything is found now.
        self._watches = [jobs, pods, events]
        jobs.read(_LESS_PATIENCE)
        pods.read(_LESS_PATIENCE)
        with self._changed:
            found = [each.deployment for each in self._records.values() if each.ended is None]
        yield from found

    # -- deploying ------------------------------------------------------------------------------

    def deploy(self, run: ClaimedRun) -> Deployment:
        """Make the job of a flow run.

        Raises:
            DeploymentError: If it cannot be made, in the cluster's own words.
        """
        job = job_of(
            run,
            agent=self._agent,
            namespace=self._api.namespace,
            api_url=self._api_url,
            defaults=self._defaults,
            template=_template_of(run),
        )
        name = job["metadata"]["name"]
        record = Record(
            deployment=Deployment(flow_run_id=run.id, attempt=run.attempt, handle=name),
            container=job["metadata"]["labels"][CONTAINER],
            since=time.monotonic(),
        )
        with self._changed:
            there = self._records.setdefault(name, record)
        try:
            answer = self._api.call(
                "POST",
                self._api.path("jobs"),
                # A word that the cluster does not know is an error that names it, and not lost.
                query={"fieldValidation": "Strict", "fieldManager": "headrace-agent"},
                body=job,
                patience=_PATIENCE,
                on_wait=partial(self._waits, record),
            )
            self._made(msgspec.json.decode(answer, type=Job))
        except ApiRefusal as refusal:
            if refusal.reason == "AlreadyExists":
                self._adopt(name)
            else:
                self._forget(there, record)
                message = str(refusal).replace(run.token, "…") if run.token else str(refusal)
                raise DeploymentError(message, is_final=refusal.is_final) from refusal
        except BaseException:
            self._forget(there, record)
            raise
        return there.deployment

    def _waits(self, record: Record, refusal: ApiRefusal) -> None:
        """Tell why a job is not made yet: a cluster that is busy or away, a quota that is used up."""
        with self._changed:
            if record.told != str(refusal):
                record.told = str(refusal)
                self._tell(Waits(deployment=record.deployment, why=str(refusal)))

    def _made(self, job: Job) -> None:
        with self._changed:
            record = self._records.get(job.metadata.name)
            if record is not None and record.job is None:
                record.see_job(job, False, time.monotonic())
                self._judge(record)

    def _forget(self, there: Record, record: Record) -> None:
        with self._changed:
            if there is record:
                self._records.pop(record.deployment.handle, None)

    def _adopt(self, name: str) -> None:
        """Take a job over that is there already: an earlier answer was lost, or an earlier process."""
        answer = self._api.call("GET", self._api.path("jobs", name), patience=_LESS_PATIENCE)
        job = msgspec.json.decode(answer, type=Job)
        labels = job.metadata.labels or {}
        if labels.get(AGENT) != label_value(self._agent):
            raise ApiRefusal(f"there is a job {name} of another agent already", 409, "Conflict")
        if RELEASED in labels or job.metadata.deletion_timestamp is not None:
            raise ApiRefusal(f"an earlier job {name} is still being removed", 409, "Conflict")
        self._job(job, False)
        which = f"{FLOW_RUN}={labels.get(FLOW_RUN)},{ATTEMPT}={labels.get(ATTEMPT)}"
        answer = self._api.call(
            "GET", self._api.path("pods"), query={"labelSelector": which}, patience=_LESS_PATIENCE
        )
        for pod in msgspec.json.decode(answer, type=Listed[Pod]).items or ():
            self._pod(pod, False)

    # -- watching -------------------------------------------------------------------------------

    def watch(self, seconds: float) -> list[News]:
        """Wait until there is news of jobs, and return it."""
        until = time.monotonic() + seconds
        for watch in self._watches:
            watch.start()
        if self._alive is not None and until > self._touched + _TOUCH:
            self._alive.touch()
            self._touched = until
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

    def _judge(self, record: Record) -> None:
        """Look at a deployment of which something is new, and note what is to be told."""
        if record.ended is not None:
            return
        before = record.due
        found = judge(record, self._bounds, time.monotonic())
        if record.due is not None and record.due != before:
            heapq.heappush(self._due, (record.due, record.deployment.handle))
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

    def _all_jobs(self, jobs: list[Job], since: float) -> None:
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

    def _all_pods(self, pods: list[Pod], since: float) -> None:
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

    def _all_events(self, events: list[Event], _since: float) -> None:
        for event in events:
            self._event(event, False)

    def _job(self, job: Job, is_gone: bool) -> None:
        with self._changed:
            record = self._record_of(job.metadata, False)
            if record is not None:
                record.see_job(job, is_gone, time.monotonic())
                self._judge(record)

    def _pod(self, pod: Pod, is_gone: bool) -> None:
        with self._changed:
            record = self._record_of(pod.metadata, False)
            if record is not None:
                record.see_pod(pod, is_gone, time.monotonic())
                self._judge(record)

    def _event(self, event: Event, is_gone: bool) -> None:
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

    # -- afterwards -----------------------------------------------------------------------------

    def early_logs(self, deployment: Deployment) -> str:
        """Return the last of what the flow's container, or the one that kept it from starting, printed."""
        with self._changed:
            record = self._records.get(deployment.handle)
            if record is None or record.pod is None:
                return ""
            pod = record.pod.metadata.name
            container = (record.ended and record.ended.logs_of) or record.container
        query = {"container": container, "tailLines": str(_LINES)}
        kept = b""
        try:
            path = self._api.path("pods", pod, "/log")
            with self._api.stream(path, query, _LESS_PATIENCE) as answer:
                for part in answer.stream(_MOST_LOGS):
                    kept = (kept + part)[-_MOST_LOGS:]
        except DeploymentError as error:
            # Gone with its pod or node, or never begun.
            self._log.debug("There are no logs of %s: %s", pod, error)
        return kept.decode("utf-8", "replace")

    def release(self, deployment: Deployment) -> None:
        """Remove the job, unless its template says for how long it is kept."""
        with self._changed:
            record = self._records.get(deployment.handle)
        if record is None:
            return
        labels = (record.job.metadata.labels if record.job else None) or {}
        finished = record.pod is not None and record.pod.status.phase in ("Succeeded", "Failed")
        try:
            if KEPT in labels and finished:
                self._api.call(
                    "PATCH",
                    self._api.path("jobs", deployment.handle),
                    body={"metadata": {"labels": {RELEASED: "true"}}},
                    patience=_LESS_PATIENCE,
                    content_type="application/merge-patch+json",
                )
            else:
                self._delete(deployment.handle, "Background")
        except ApiRefusal as refusal:
            if refusal.status != 404:
                self._log.warning("Job %s is not removed: %s", deployment.handle, refusal)
        with self._changed:
            self._records.pop(deployment.handle, None)

    def cancel(self, deployment: Deployment) -> None:
        """Delete the job, and its pod with it.

        Raises:
            DeploymentError: If the cluster does not do so.
        """
        with self._changed:
            record = self._records.get(deployment.handle)
            if record is not None:
                record.cancelled = True
        try:
            self._delete(deployment.handle, "Foreground")
        except ApiRefusal as refusal:
            if refusal.status != 404:
                raise

    def close(self) -> None:
        """Follow no longer; jobs go on."""
        for watch in self._watches:
            watch.stop()
        self._api.close()

    def _delete(self, name: str, propagation: str) -> None:
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
        }
        self._api.call(
            "DELETE", self._api.path("jobs", name), body=options, patience=_LESS_PATIENCE
        )


def _template_of(run: ClaimedRun) -> dict[str, Any] | None:
    config = run.run_config or {}
    if config.get("job_template") is not None:
        return dict(config["job_template"])
    path = config.get("job_template_path")
    return None if path is None else template_at(path)

"""Deploys flow runs as jobs of a Kubernetes cluster."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from headrace.agents.kubernetes.api import ApiRefusal, KubernetesApi
from headrace.agents.kubernetes.deployments import Deployments
from headrace.agents.kubernetes.jobs import JobDefaults, job_of, label_value
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
    Pod,
)
from headrace.agents.kubernetes.records import Bounds, Record
from headrace.agents.kubernetes.verdicts import ends_itself
from headrace.agents.kubernetes.watching import Watch
from headrace.agents.launcher import Deployment, Launcher, News
from headrace.agents.templates import template_at
from headrace.config.logging import get_logger
from headrace.core.errors import DeploymentError

if TYPE_CHECKING:
    from headrace.wire.claims import ClaimedRun

#: For how many seconds a cluster that is busy, or away, is asked again to take a job, ...
_PATIENCE = 60.0
#: ... and to do what a later start of the agent would do as well.
_LESS_PATIENCE = 20.0
#: ... and what the agent tries again by itself, unless it is told to end.
_LITTLE_PATIENCE = 2.0
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
        self._known = Deployments(bounds or Bounds())
        self._alive = None if folder is None else folder / ALIVE
        self._touched = 0.0
        self._agent = ""
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
        api, known = self._api, self._known
        jobs = Watch(api, "jobs", Job, f"{mine},!{RELEASED}", known.see_all_jobs, known.see_job)
        pods = Watch(api, "pods", Pod, mine, known.see_all_pods, known.see_pod)
        events = Watch(api, "events", Event, "", known.see_all_events, known.see_event)
        # They begin when they are waited for, whether or not everything is found now.
        self._watches = [jobs, pods, events]
        jobs.read(_LITTLE_PATIENCE)
        pods.read(_LITTLE_PATIENCE)
        yield from known.live()

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
        record, is_new = self._known.begin(
            Deployment(flow_run_id=run.id, attempt=run.attempt, handle=name),
            job["metadata"]["labels"][CONTAINER],
        )
        try:
            self._make(job, record)
        except BaseException as error:
            if is_new:
                self._known.forget(name)
            if isinstance(error, ApiRefusal):
                message = str(error).replace(run.token, "…") if run.token else str(error)
                raise DeploymentError(message, is_final=error.is_final) from error
            raise
        return record.deployment

    def _make(self, job: dict[str, Any], record: Record) -> None:
        try:
            answer = self._api.call(
                "POST",
                self._api.path("jobs"),
                # A word that the cluster does not know is an error that names it, and not lost.
                query={"fieldValidation": "Strict", "fieldManager": "headrace-agent"},
                body=job,
                patience=_PATIENCE,
                on_wait=lambda refusal: self._known.wait_for(record, str(refusal)),
            )
        except ApiRefusal as refusal:
            if refusal.reason != "AlreadyExists":
                raise
            self._adopt(record.deployment.handle)
        else:
            self._known.see_made(msgspec.json.decode(answer, type=Job))

    def _adopt(self, name: str) -> None:
        """Take a job over that is there already: an earlier answer was lost, or an earlier process."""
        try:
            answer = self._api.call("GET", self._api.path("jobs", name), patience=_LESS_PATIENCE)
        except ApiRefusal as refusal:
            if refusal.status == 404:
                raise ApiRefusal(f"an earlier job {name} was just removed", 409) from refusal
            raise
        job = msgspec.json.decode(answer, type=Job)
        labels = job.metadata.labels or {}
        if labels.get(AGENT) != label_value(self._agent):
            raise ApiRefusal(f"there is a job {name} of another agent already", 409, "Conflict")
        if RELEASED in labels or job.metadata.deletion_timestamp is not None:
            raise ApiRefusal(f"an earlier job {name} is still being removed", 409, "Conflict")
        self._known.see_job(job, False)
        which = f"{FLOW_RUN}={labels.get(FLOW_RUN)},{ATTEMPT}={labels.get(ATTEMPT)}"
        answer = self._api.call(
            "GET", self._api.path("pods"), query={"labelSelector": which}, patience=_LESS_PATIENCE
        )
        for pod in msgspec.json.decode(answer, type=Listed[Pod]).items or ():
            self._known.see_pod(pod, False)

    # -- watching -------------------------------------------------------------------------------

    def watch(self, seconds: float) -> list[News]:
        """Wait until there is news of jobs, and return it."""
        until = time.monotonic() + seconds
        for watch in self._watches:
            watch.start()
        if self._alive is not None and until > self._touched + _TOUCH:
            self._alive.touch()
            self._touched = until
        return self._known.wait(until)

    # -- afterwards -----------------------------------------------------------------------------

    def early_logs(self, deployment: Deployment) -> str:
        """Return the last of what the flow's container, or the one that kept it from starting, printed."""
        record = self._known.get(deployment.handle)
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
        record = self._known.get(deployment.handle)
        if record is None:
            return
        kept = ((record.job.metadata.labels if record.job else None) or {}).get(KEPT, "")
        try:
            if kept.isdecimal() and record.pod is not None and ends_itself(record.pod):
                self._api.call(
                    "PATCH",
                    self._api.path("jobs", deployment.handle),
                    body={
                        "metadata": {"labels": {RELEASED: "true"}},
                        "spec": {"ttlSecondsAfterFinished": int(kept)},
                    },
                    patience=_LESS_PATIENCE,
                    content_type="application/merge-patch+json",
                )
            else:
                self._delete(deployment.handle, "Background")
        except ApiRefusal as refusal:
            if refusal.status != 404:
                self._log.warning("Job %s is not removed: %s", deployment.handle, refusal)
        self._known.forget(deployment.handle)

    def cancel(self, deployment: Deployment) -> None:
        """Delete the job, and its pod with it.

        Raises:
            DeploymentError: If the cluster does not do so.
        """
        record = self._known.get(deployment.handle)
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

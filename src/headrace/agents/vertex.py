"""Deploys flow runs as custom jobs of Google's Vertex AI."""

from __future__ import annotations

import contextlib
import datetime
import random
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from headrace.agents.environment import run_environment
from headrace.agents.launcher import Deployment, Ended, Launcher, News, Waits
from headrace.agents.vertex_api import GoogleRefusal, VertexApi
from headrace.agents.vertex_job import (
    AGENT,
    ATTEMPT,
    RUN,
    JobDefaults,
    as_label,
    end_of_job,
    is_over,
    job_of,
    key_of,
    waits_for,
)
from headrace.config.logging import get_logger
from headrace.core import now
from headrace.core.errors import DeploymentError

if TYPE_CHECKING:
    from headrace.wire.claims import ClaimedRun

#: How many seconds lie between two looks at all jobs: at least, and when nothing changes.
_SOON, _LATE = 2.0, 5.0
#: The longest pause between two looks if Vertex AI does not answer.
_PATIENCE = 60.0
#: A job that was made less long ago, in seconds, need not be in the list yet.
_LISTED_AFTER = 60.0
#: Pauses in seconds before a refused or unanswered job is asked for again.
_AGAIN = (1.0, 2.0, 4.0, 8.0, 16.0)
#: How many bytes of a job's output are kept, and how many lines are asked for.
_OUTPUT, _LINES = 65536, 500
#: For how many days back a job that is over is looked for when the agent starts.
_DAYS = 7


class VertexLauncher(Launcher):
    """Deploys each flow run as a custom job.

    All of an agent's jobs are seen by one list call, however many they are. A job that is over is
    deleted once the server knows its end, so that a list holds no others for long, and an agent
    that is started again learns from it all that it has to.

    Args:
        api: Vertex AI.
        api_url: The server's address, as the jobs see it.
        defaults: What all jobs are given.
        env: Environment variables for all of them.
        keep: Whether to leave jobs that are over.
        look_every: How many seconds lie between two looks at the jobs, at least.
        again: Pauses in seconds before a job that was refused for quota, or met no answer, is
            asked for again.
    """

    kind = "vertex"

    def __init__(
        self,
        api: VertexApi,
        *,
        api_url: str,
        defaults: JobDefaults,
        env: Mapping[str, str] | None = None,
        keep: bool = False,
        look_every: float = _SOON,
        again: tuple[float, ...] = _AGAIN,
    ) -> None:
        self._api = api
        self._api_url = api_url
        self._defaults = defaults
        self._env = dict(env or {})
        self._keep = keep
        self._look_every = look_every
        self._late = look_every * _LATE / _SOON
        self._again = again
        self._agent = "none"
        self._log = get_logger("agent")
        self._changed = threading.Condition()
        #: Jobs that are not over, by name, and when each was seen or made.
        self._live: dict[str, tuple[Deployment, float]] = {}
        #: Names of jobs by flow run and attempt: more than one if an answer got lost on its way.
        self._names: dict[tuple[str, int], set[str]] = {}
        self._waits: dict[str, str] = {}
        #: Jobs whose end was told and that are still in the list.
        self._told: set[str] = set()
        self._since = now.now()
        self._pause = look_every
        self._look_at = 0.0
        # Deleting may take a second each, and the end of another run is not to wait for that.
        self._removers = ThreadPoolExecutor(4, "vertex-release")
        self._closing = threading.Event()

    def recover(self, agent: str) -> Iterator[Deployment]:
        """Find the agent's jobs that are not over; those that are come out of `watch`."""
        self._agent = as_label(agent)
        self._since = now.now() - datetime.timedelta(days=_DAYS)
        try:
            jobs = list(self._api.jobs(f'labels.{AGENT}="{self._agent}"'))
        except GoogleRefusal as refusal:
            raise DeploymentError(f"Vertex AI does not tell its jobs: {refusal}") from refusal
        with self._changed:
            found = [self._add(job) for job in jobs if not is_over(job)]
        yield from filter(None, found)

    # -- deploying ------------------------------------------------------------------------------

    def deploy(self, run: ClaimedRun) -> Deployment:
        """Make a custom job for a flow run; one that is there already is found."""
        with self._changed:
            for name in self._names.get((run.id, run.attempt), ()):
                return self._live[name][0]
        env = run_environment(run, self._api_url, agent=self._env)
        job = self._create(run, job_of(run, env, self._agent, self._defaults))
        with self._changed:
            deployment = self._add(job)
            self._pause = self._look_every
            self._look_at = min(self._look_at, time.monotonic() + self._pause)
            self._changed.notify_all()
        if deployment is None:
            raise DeploymentError(f"Vertex AI made a job without its labels: {job.get('name')}")
        return deployment

    def _create(self, run: ClaimedRun, job: Mapping[str, Any]) -> dict[str, Any]:
        """Make a job, or find the one that an earlier try has made though no answer came."""
        may_be_there = False
        pauses = iter(self._again)
        while True:
            try:
                if may_be_there and (found := self._find(run)) is not None:
                    return found
                return self._api.create(job)
            except GoogleRefusal as refusal:
                may_be_there = may_be_there or refusal.is_unclear
                pause = next(pauses, None)
                if not (refusal.is_unclear or refusal.is_quota) or pause is None:
                    raise DeploymentError(
                        f"Vertex AI makes no job of it: {refusal}", is_final=refusal.is_final
                    ) from refusal
                self._log.warning("The job of flow run %s is asked for again: %s", run.id, refusal)
                # Fifty that were refused together are not to come back together.
                if self._closing.wait(pause * random.uniform(0.5, 1.0)):
                    raise DeploymentError(f"Vertex AI makes no job of it: {refusal}") from refusal

    def _find(self, run: ClaimedRun) -> dict[str, Any] | None:
        which = f'labels.{RUN}="{as_label(run.id)}" AND labels.{ATTEMPT}="{run.attempt}"'
        return min(self._api.jobs(which), key=is_over, default=None)

    # -- watching -------------------------------------------------------------------------------

    def watch(self, seconds: float) -> list[News]:
        """Look at all jobs if it is time to; return what has become of them."""
        until = time.monotonic() + seconds
        with self._changed:
            while (left := min(until, self._look_at) - time.monotonic()) > 0:
                self._changed.wait(left)
            if self._look_at > time.monotonic():
                return []
        try:
            news = self._look()
        except GoogleRefusal as refusal:
            self._pause = min(max(self._pause, 1.0) * 2, _PATIENCE)
            self._log.warning(
                "Vertex AI does not tell what its jobs do; asked again in %g s: %s",
                self._pause,
                refusal,
            )
            with self._changed:
                self._look_at = time.monotonic() + self._pause
            return []
        with self._changed:
            # While nothing changes it is looked less often; without a job there is nothing to see
            # until one is made.
            self._pause = self._look_every if news else min(self._pause * 1.5, self._late)
            self._look_at = time.monotonic() + (self._pause if self._live else _PATIENCE)
        return news

    def _look(self) -> list[News]:
        asked_at = time.monotonic()
        since = self._since.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        jobs = list(self._api.jobs(f'labels.{AGENT}="{self._agent}" AND create_time>="{since}"'))
        seen = {str(job.get("name")): job for job in jobs}
        with self._changed:
            lost = [
                name
                for name, (_, at) in self._live.items()
                if name not in seen and at < asked_at - _LISTED_AFTER
            ]
        for name in lost:
            seen[name] = self._api.job(name) or {"name": name, "state": ""}
        with self._changed:
            self._told &= seen.keys()
            news = [found for job in seen.values() if (found := self._news_of(job)) is not None]
            if self._keep:
                self._since = self._oldest(seen)
        return news

    def _news_of(self, job: Mapping[str, Any]) -> News | None:
        name = str(job["name"])
        if name in self._told:
            return None
        deployment = self._add(job)
        if deployment is None:
            return None
        if not is_over(job) and job.get("state"):
            why = waits_for(job)
            if why is None or self._waits.get(name) == why:
                return None
            self._waits[name] = why
            return Waits(deployment=deployment, why=why)
        self._forget(deployment)
        if not job.get("state"):
            return Ended(deployment=deployment, how="its job was deleted", to_report=True)
        how, to_report, is_final = end_of_job(job)
        twins = self._names.get((deployment.flow_run_id, deployment.attempt), set())
        if twins and job["state"] != "JOB_STATE_SUCCEEDED":
            # A job of the same attempt goes on: this one was refused by the server, or may as well be.
            self._remove(deployment)
            return None
        for twin in twins:
            self._removers.submit(self._stop, twin)
        # Vertex AI starts a container that has failed again, and only the last one's end is seen:
        # the server refused that, but does not know of the first one's.
        to_report = to_report or job["state"] == "JOB_STATE_FAILED"
        return Ended(deployment=deployment, how=how, to_report=to_report, is_final=is_final)

    def _oldest(self, seen: Mapping[str, Mapping[str, Any]]) -> datetime.datetime:
        """Return the time before which no job was made that is still of interest."""
        times = [now.now() - datetime.timedelta(seconds=_LISTED_AFTER)]
        for name in self._live:
            made = seen.get(name, {}).get("createTime")
            times.append(datetime.datetime.fromisoformat(made) if made else self._since)
        return min(times)

    def early_logs(self, deployment: Deployment) -> str:
        """Return what Cloud Logging has of the job's output by now: it may be seconds behind."""
        try:
            text = "\n".join(self._api.output(deployment.handle, _LINES))
        except GoogleRefusal as refusal:
            self._log.warning("What %s printed is out of reach: %s", deployment.handle, refusal)
            return ""
        return text.encode()[-_OUTPUT:].decode(errors="replace")

    # -- ending ---------------------------------------------------------------------------------

    def release(self, deployment: Deployment) -> None:
        """Delete the job, unless jobs are kept: Cloud Logging keeps what it printed."""
        with self._changed:
            self._forget(deployment)
        self._remove(deployment)

    def cancel(self, deployment: Deployment) -> None:
        """Ask Vertex AI to end the job."""
        with self._changed:
            names = set(self._names.get((deployment.flow_run_id, deployment.attempt), ()))
            self._pause = self._look_every
            self._look_at = min(self._look_at, time.monotonic() + self._pause)
            self._changed.notify_all()
        for name in names | {deployment.handle}:
            try:
                self._stop(name)
            except GoogleRefusal as refusal:
                raise DeploymentError(f"Vertex AI does not end {name}: {refusal}") from refusal

    def close(self) -> None:
        """Let go of the connections; jobs go on."""
        self._closing.set()
        self._removers.shutdown(wait=True)
        self._api.close()

    def _stop(self, name: str) -> None:
        try:
            self._api.cancel(name)
        except GoogleRefusal as refusal:
            # It is not there, or over.
            if refusal.status not in ("NOT_FOUND", "FAILED_PRECONDITION"):
                raise

    def _remove(self, deployment: Deployment) -> None:
        if self._keep:
            return
        with contextlib.suppress(RuntimeError):  # the agent ends; its next start finds the job
            self._removers.submit(self._delete, deployment.handle)

    def _delete(self, name: str) -> None:
        try:
            self._api.delete(name)
        except GoogleRefusal as refusal:
            if refusal.status != "NOT_FOUND":
                self._log.warning("The job %s is over, and stays: %s", name, refusal)

    # -- what is known, under the lock ----------------------------------------------------------

    def _add(self, job: Mapping[str, Any]) -> Deployment | None:
        """Take note of a job; None if it is none of ours."""
        name = str(job.get("name"))
        if name in self._live:
            return self._live[name][0]
        key = key_of(job)
        if key is None:
            return None
        deployment = Deployment(flow_run_id=key[0], attempt=key[1], handle=name)
        self._live[name] = (deployment, time.monotonic())
        self._names.setdefault(key, set()).add(name)
        return deployment

    def _forget(self, deployment: Deployment) -> None:
        self._told.add(deployment.handle)
        self._live.pop(deployment.handle, None)
        self._waits.pop(deployment.handle, None)
        key = (deployment.flow_run_id, deployment.attempt)
        names = self._names.get(key, set())
        names.discard(deployment.handle)
        if not names:
            self._names.pop(key, None)

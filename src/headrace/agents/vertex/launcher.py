"""Deploys flow runs as custom jobs of Google's Vertex AI."""

from __future__ import annotations

import contextlib
import datetime
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from headrace.agents.environment import run_environment
from headrace.agents.launcher import Deployment, Launcher, News
from headrace.agents.vertex.api import GoogleRefusal, VertexApi
from headrace.agents.vertex.job import (
    AGENT,
    ATTEMPT,
    OVER,
    RUN,
    JobDefaults,
    as_label,
    is_over,
    job_of,
)
from headrace.agents.vertex.jobs import Jobs
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
#: How far Google's clock and this machine's may be apart.
_SKEW = datetime.timedelta(minutes=5)
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
        self._jobs = Jobs()
        #: Jobs that are over and could not be deleted: the next look that comes through tries again.
        self._undeleted: set[str] = set()
        self._since = now.now()
        self._pause = look_every
        self._look_at = 0.0
        # Deleting may take a second each, and the end of another run is not to wait for that.
        self._removers = ThreadPoolExecutor(4, "vertex-release")
        self._closing = threading.Event()
        self._is_away = False

    def recover(self, agent: str) -> Iterator[Deployment]:
        """Find the agent's jobs that are not over; those that are come out of `watch`."""
        self._agent = as_label(agent)
        self._since = now.now() - datetime.timedelta(days=_DAYS)
        which = " AND ".join(f'state!="{state}"' for state in sorted(OVER))
        try:
            jobs = list(self._api.jobs(f'labels.{AGENT}="{self._agent}" AND {which}'))
        except GoogleRefusal as refusal:
            raise DeploymentError(f"Vertex AI does not tell its jobs: {refusal}") from refusal
        with self._changed:
            found = [self._jobs.add(job) for job in jobs]
        yield from filter(None, found)

    # -- deploying ------------------------------------------------------------------------------

    def deploy(self, run: ClaimedRun) -> Deployment:
        """Make a custom job for a flow run; one that is there already is found."""
        with self._changed:
            if (there := self._jobs.of(run.id, run.attempt)) is not None:
                return there
        env = run_environment(run, self._api_url, agent=self._env)
        job = self._create(run, job_of(run, env, self._agent, self._defaults))
        with self._changed:
            deployment = self._jobs.add(job)
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
            self._look_at = time.monotonic() + (self._pause if self._jobs else _PATIENCE)
        return news

    def _look(self) -> list[News]:
        asked_at = time.monotonic()
        since = self._since.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        jobs = list(self._api.jobs(f'labels.{AGENT}="{self._agent}" AND create_time>="{since}"'))
        seen = {str(job.get("name")): job for job in jobs}
        with self._changed:
            missing = self._jobs.missing(seen, asked_at - _LISTED_AFTER)
        for name in missing:
            seen[name] = self._api.job(name) or {"name": name, "state": ""}
        news: list[News] = []
        with self._changed:
            again, self._undeleted = self._undeleted, set()
            for name in again & seen.keys():
                self._later(self._delete, name)
            self._jobs.keep_told(seen)
            for job in seen.values():
                found, useless, twins = self._jobs.news_of(job)
                news += [found] if found is not None else []
                for each in useless:
                    self._remove(each)
                for twin in twins:
                    self._later(self._stop_twin, twin)
            if self._keep:
                # Those that are over stay in the list: it begins with the oldest that is not.
                self._since = self._jobs.oldest(seen, self._since) or now.now() - _SKEW
        return news

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
            self._jobs.forget(deployment)
        self._remove(deployment)

    def cancel(self, deployment: Deployment) -> None:
        """Ask Vertex AI to end the job."""
        with self._changed:
            names = self._jobs.names(deployment.flow_run_id, deployment.attempt)
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
        self._later(self._delete, deployment.handle)

    def _later(self, call: Callable[[str], None], name: str) -> None:
        with contextlib.suppress(RuntimeError):  # the agent ends; its next start finds the job
            self._removers.submit(call, name)

    def _delete(self, name: str) -> None:
        if self._closing.is_set() and self._is_away:
            return  # an agent that ends waits for one answer that does not come, not for all
        try:
            self._api.delete(name)
            self._is_away = False
        except GoogleRefusal as refusal:
            self._is_away = refusal.is_unclear
            if refusal.status != "NOT_FOUND":
                self._log.warning("The job %s is over, and stays: %s", name, refusal)
            if refusal.is_unclear or refusal.is_quota:
                with self._changed:
                    self._undeleted.add(name)
                    self._look_at = min(self._look_at, time.monotonic() + self._late)
                    self._changed.notify_all()

    def _stop_twin(self, name: str) -> None:
        try:
            self._stop(name)
        except GoogleRefusal as refusal:
            # The server lets it do nothing, and it ends by itself.
            self._log.warning("The job %s, made twice, is not cancelled: %s", name, refusal)

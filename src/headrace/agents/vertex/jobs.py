"""Which jobs an agent has, and what each look at them tells: decisions, without any call."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from typing import Any

from headrace.agents.launcher import Deployment, Ended, Waits
from headrace.agents.vertex.job import end_of_job, is_over, key_of, waits_for

#: A job as `customJobs` has it, as far as it is read.
Job = Mapping[str, Any]


class Jobs:
    """An agent's jobs as far as they are known. Who uses it holds a lock."""

    def __init__(self) -> None:
        #: Jobs that are not over, by name, and when each was made or first seen.
        self._live: dict[str, tuple[Deployment, float]] = {}
        #: Their names by flow run and attempt: more than one if an answer got lost on its way.
        self._names: dict[tuple[str, int], set[str]] = {}
        self._waits: dict[str, str] = {}
        #: Jobs whose end was told, and that are still in the list.
        self._told: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._live)

    def add(self, job: Job) -> Deployment | None:
        """Take note of a job that was made or seen; None if it is no flow run's."""
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

    def of(self, flow_run_id: str, attempt: int) -> Deployment | None:
        """Return a live job of an attempt, if there is one."""
        for name in self.names(flow_run_id, attempt):
            return self._live[name][0]
        return None

    def names(self, flow_run_id: str, attempt: int) -> set[str]:
        """Return the names of an attempt's live jobs: several, if it has twins."""
        return set(self._names.get((flow_run_id, attempt), ()))

    def missing(self, seen: Mapping[str, Job], before: float) -> list[str]:
        """Return live jobs that are not among those seen, and were known before a moment."""
        return [name for name, (_, at) in self._live.items() if name not in seen and at < before]

    def forget(self, deployment: Deployment) -> None:
        """Count a job as over, and as told."""
        self._told.add(deployment.handle)
        self._live.pop(deployment.handle, None)
        self._waits.pop(deployment.handle, None)
        key = (deployment.flow_run_id, deployment.attempt)
        names = self._names.get(key, set())
        names.discard(deployment.handle)
        if not names:
            self._names.pop(key, None)

    def keep_told(self, seen: Mapping[str, Job]) -> None:
        """Forget those told that are not in the list any more."""
        self._told &= seen.keys()

    def oldest(self, seen: Mapping[str, Job], since: datetime.datetime) -> datetime.datetime | None:
        """Return when the oldest live job was made; None if there is none.

        Args:
            seen: The jobs of the last look.
            since: What it is taken to be of a job that was not among them.
        """
        made = [seen.get(name, {}).get("createTime") for name in self._live]
        times = [datetime.datetime.fromisoformat(each) if each else since for each in made]
        return min(times, default=None)

    def news_of(self, job: Job) -> tuple[Waits | Ended | None, list[Deployment], set[str]]:
        """Tell what is new of a job, now that it was looked at.

        Twins are one deployment, over when the last of them is: one that fails while another goes on
        was refused by the server, or may as well be. When one succeeds, the others have nothing
        left to do.

        Returns:
            The news, if there are any; jobs that are over and of no more use; and names of jobs that
            are to be cancelled.
        """
        name = str(job["name"])
        deployment = None if name in self._told else self.add(job)
        if deployment is None:
            return None, [], set()
        state = job.get("state")
        if state and not is_over(job):
            why = waits_for(job)
            if why is None or self._waits.get(name) == why:
                return None, [], set()
            self._waits[name] = why
            return Waits(deployment=deployment, why=why), [], set()
        self.forget(deployment)
        twins = self.names(deployment.flow_run_id, deployment.attempt)
        if twins and state != "JOB_STATE_SUCCEEDED":
            return None, [deployment], set()
        if not state:
            how, to_report, is_final = "its job was deleted", True, False
        else:
            how, to_report, is_final = end_of_job(job)
        # Vertex AI starts a container that has failed again, and only the last one's end is seen: the
        # server refused that, but does not know of the first one's.
        to_report = to_report or state == "JOB_STATE_FAILED"
        ended = Ended(deployment=deployment, how=how, to_report=to_report, is_final=is_final)
        return ended, [], twins

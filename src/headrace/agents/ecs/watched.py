"""Tasks that an agent watches: when to look at which, and what is new of one that was looked at."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.agents.ecs.ends import ended, gone, is_over, why_it_waits
from headrace.agents.launcher import Deployment, Ended, News, Waits

if TYPE_CHECKING:
    from headrace.agents.ecs.tasks import EcsTask

#: For how many seconds ECS may not know a task that it has just started.
_UNKNOWN = 60.0


@dataclass(slots=True)
class _Watched:
    """A task that is not over.

    Attributes:
        deployment: Which one.
        due: When it is looked at next, on the monotonic clock.
        said: Why it waits, as it was told; None once it runs.
        unknown_since: Since when ECS has not known it.
    """

    deployment: Deployment
    due: float
    said: str | None = ""
    unknown_since: float | None = None


class WatchedTasks:
    """The tasks of an agent, by their ARNs. May be used from many threads.

    Args:
        soon: How many seconds pass between two looks at a task that is being started.
        later: The same of one that runs.
    """

    def __init__(self, soon: float, later: float) -> None:
        self._soon, self._later = soon, later
        self._lock = threading.Lock()
        self._watched: dict[str, _Watched] = {}
        #: Those that are over, until the agent lets go of them.
        self._over: dict[str, EcsTask] = {}

    def add(self, deployment: Deployment, *, soon: bool) -> None:
        """Watch a task, unless its end was seen already.

        Args:
            deployment: The deployment.
            soon: Whether it was just started, so that there is nothing to see now.
        """
        due = time.monotonic() + (self._soon / 2 if soon else 0.0)
        with self._lock:
            if deployment.handle not in self._over:
                self._watched.setdefault(deployment.handle, _Watched(deployment, due))

    def add_over(self, task: EcsTask) -> bool:
        """Take in a task that was found to be over; return whether that is new."""
        with self._lock:
            is_new = task.task_arn not in self._over
            self._over[task.task_arn] = task
            return is_new

    def over(self, arn: str) -> EcsTask | None:
        """Return a task that is over and was not let go of."""
        with self._lock:
            return self._over.get(arn)

    def forget(self, arn: str) -> None:
        """Let go of a task that is over."""
        with self._lock:
            self._over.pop(arn, None)

    def next_due(self) -> float:
        """Return when to look next, on the monotonic clock; infinite if there is nothing to see."""
        with self._lock:
            return min((each.due for each in self._watched.values()), default=float("inf"))

    def due(self, now: float) -> list[str]:
        """Return the tasks to look at: with one that is due, those that soon are."""
        with self._lock:
            if not any(each.due <= now for each in self._watched.values()):
                return []
            return [arn for arn, each in self._watched.items() if each.due <= now + self._soon / 2]

    def seen(self, arn: str, task: EcsTask | None) -> News | None:
        """Take in how a task is, None if ECS does not know it; return what is new of it."""
        now = time.monotonic()
        with self._lock:
            watched = self._watched.get(arn)
            if watched is None:
                return None
            if task is None:
                return self._missing(arn, watched, now)
            if is_over(task):
                del self._watched[arn]
                self._over[arn] = task
                return ended(watched.deployment, task)
            watched.unknown_since = None
            why = why_it_waits(task)
            watched.due = now + (self._later if why is None else self._soon)
            if why == watched.said:
                return None
            watched.said = why
        return None if why is None else Waits(deployment=watched.deployment, why=why)

    def put_off(self, arns: Iterable[str], seconds: float) -> None:
        """Look at tasks later."""
        with self._lock:
            for arn in arns:
                if (watched := self._watched.get(arn)) is not None:
                    watched.due = time.monotonic() + seconds

    def _missing(self, arn: str, watched: _Watched, now: float) -> Ended | None:
        """Take in that ECS does not know a task: soon after its start, that means nothing."""
        watched.unknown_since = watched.unknown_since or now
        watched.due = now + self._soon
        if now - watched.unknown_since < _UNKNOWN:
            return None
        del self._watched[arn]
        return gone(watched.deployment)

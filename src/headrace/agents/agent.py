"""The agent: asks for flow runs, has them deployed, and tells the server how they ended.

Written once for all launchers. It never dies of one run, and its own end ends none.
"""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from headrace.agents.launcher import Ended
from headrace.agents.pauses import FIRST_PAUSE, HELD, HELD_WHILE_DEPLOYING, LONGEST_PAUSE, Pauses
from headrace.client.client import Client
from headrace.config.logging import get_logger
from headrace.core import now
from headrace.core.errors import (
    ClientError,
    Conflict,
    DeploymentError,
    NoHeadraceServer,
    NotAuthorized,
    NotFound,
    Refused,
    VersionMismatch,
)
from headrace.wire.claims import Claim, Exited

if TYPE_CHECKING:
    from headrace.agents.launcher import Deployment, Launcher
    from headrace.wire.claims import Claimed, ClaimedRun

#: How far ahead of its time, in seconds, a scheduled run is taken.
AHEAD = 10.0
#: How many runs one claim takes at most.
MOST = 10


class Agent:
    """Claims flow runs and has a launcher deploy them.

    Args:
        launcher: What deploys.
        client: The server.
        id: The agent's id, kept over restarts.
        name: Its name, for people.
        labels: Its labels: it gets runs whose labels are among them.
        limit: How many runs it has at once; None for as many as come.
    """

    def __init__(
        self,
        launcher: Launcher,
        client: Client,
        id: str,
        name: str,
        labels: Sequence[str] = (),
        limit: int | None = None,
    ) -> None:
        self._launcher = launcher
        self._client = client
        self._id = id
        self._name = name
        self._labels = sorted(labels)
        self._limit = limit
        self._log = get_logger("agent")
        self._changed = threading.Condition()
        self._stopping = False
        #: Runs that were claimed and are not over, by id and attempt, with what they were deployed as.
        self._runs: dict[tuple[str, int], Deployment | None] = {}
        #: Those of them whose processes have begun: their claims need not be renewed any more.
        self._begun: set[tuple[str, int]] = set()
        self._dropped: set[tuple[str, int]] = set()
        self._due: list[tuple[float, int, ClaimedRun]] = []
        self._count = itertools.count()
        self._to_report: queue.SimpleQueue[tuple[str, int, str]] = queue.SimpleQueue()
        self._pool = ThreadPoolExecutor(8, "deploy")
        self._pauses = Pauses()
        #: What the server knows a question by that is asked again as no answer came.
        self._session = uuid.uuid4().hex
        self._questions = 0

    def run(self) -> None:
        """Work until `stop` is called.

        Raises:
            NotAuthorized: If the server does not let this agent claim runs, at the start.
            VersionMismatch: If it speaks another version of the messages.
            NoHeadraceServer: If what answers is no Headrace server.
        """
        self._recover()
        error: list[ClientError] = []
        threads = [
            threading.Thread(target=self._claim_all, args=[error], name="claims", daemon=True),
            threading.Thread(target=self._start_due, name="due", daemon=True),
            threading.Thread(target=self._watch, name="watch", daemon=True),
            threading.Thread(target=self._report, name="reports", daemon=True),
        ]
        for thread in threads:
            thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._stopping)
            if not error:
                self._say_goodbye()
                # What was taken ahead of its time is nobody else's: it is started when it is due.
                self._changed.wait_for(lambda: not self._due, AHEAD + 5)
        self._pool.shutdown(wait=True)
        self._launcher.close()
        if error:
            raise error[0]

    def stop(self) -> None:
        """Have `run` claim nothing more and return. May be called from any thread, and twice."""
        with self._changed:
            if self._stopping:
                self._due.clear()
            self._stopping = True
            self._changed.notify_all()

    # -- at the beginning and the end -----------------------------------------------------------

    def _recover(self) -> None:
        try:
            for deployment in self._launcher.recover(self._id):
                self._runs[deployment.flow_run_id, deployment.attempt] = deployment
                self._log.info(
                    "Found flow run %s (attempt %d) again.",
                    deployment.flow_run_id,
                    deployment.attempt,
                )
        except (DeploymentError, OSError) as error:
            self._log.error("Runs of earlier may not be found: %s", error)
        labels = ", ".join(self._labels) or "no labels"
        self._log.info(
            "Agent %r (%s) asks %s for flow runs.", self._name, labels, self._client.api_url
        )

    def _say_goodbye(self) -> None:
        running = len(self._runs) - len(self._due)
        self._log.info(
            "Agent %r stops. %s",
            self._name,
            f"{running} runs go on." if running else "Nothing runs.",
        )
        if self._due:
            self._log.info("%d runs are still to be started, within %g s.", len(self._due), AHEAD)

    # -- claiming -------------------------------------------------------------------------------

    def _claim_all(self, fatal: list[ClientError]) -> None:
        heard = False
        while (free := self._wait_for_room()) is not None:
            wait = self._pauses.wait(self._is_deploying()) if free else 0.0
            asked_at = time.monotonic()
            try:
                claimed = self._client.claim(self._claim(free, wait))
            except (NotAuthorized, VersionMismatch, NoHeadraceServer) as error:
                if not heard:
                    fatal.append(error)
                    self.stop()
                    return
                self._wait(self._pauses.failed(wait, error, self._log))
            except ClientError as error:
                self._wait(self._pauses.failed(wait, error, self._log))
            except Exception:  # noqa: BLE001 - a fault is no reason to leave all further runs to nobody
                self._log.exception("A claim went wrong.")
                self._wait(LONGEST_PAUSE)
            else:
                heard = True
                self._questions += 1
                took = time.monotonic() - asked_at
                pause = self._pauses.answered(wait, took, claimed, self._log)
                self._take(claimed)
                self._pauses.next_due = claimed.next_due
                if free:
                    self._wait(pause)

    def _claim(self, free: int, wait: float) -> Claim:
        with self._changed:
            for key, deployment in self._runs.items():
                if key not in self._begun and deployment and self._launcher.has_begun(deployment):
                    self._begun.add(key)
            # One that the server has said not to go on with would only be answered at once again.
            deploying = [key[0] for key in self._runs.keys() - self._begun - self._dropped]
        return Claim(
            agent=self._id,
            name=self._name,
            kind=self._launcher.kind,
            labels=self._labels,
            most=free,
            wait=wait,
            ahead=AHEAD,
            deploying=sorted(deploying),
            session=self._session,
            number=self._questions,
        )

    def _wait_for_room(self) -> int | None:
        """Return how many runs to ask for; 0 only to be heard of; None at the end."""
        with self._changed:
            if self._limit is None:
                return None if self._stopping else MOST
            room = self._changed.wait_for(
                lambda: self._stopping or len(self._runs) < (self._limit or 0),
                HELD_WHILE_DEPLOYING if self._is_deploying() else HELD,
            )
            if self._stopping:
                return None
            return min(MOST, self._limit - len(self._runs)) if room else 0

    def _is_deploying(self) -> bool:
        return len(self._begun) < len(self._runs)

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, seconds)

    def _take(self, claimed: Claimed) -> None:
        for run_id in claimed.cancelled:
            self._drop(run_id)
        for run in claimed.runs:
            with self._changed:
                self._runs[run.id, run.attempt] = None
                ahead = (run.start_time - now.now()).total_seconds()
                if ahead > 0:
                    due = time.monotonic() + ahead
                    heapq.heappush(self._due, (due, next(self._count), run))
                    self._changed.notify_all()
                    continue
            self._pool.submit(self._deploy, run)

    def _drop(self, run_id: str) -> None:
        """Do not go on with a run that is still to be deployed."""
        with self._changed:
            for key, deployment in list(self._runs.items()):
                if key[0] == run_id and deployment is None:
                    self._log.info(
                        "Flow run %s is not to be deployed: it was cancelled, paused, or is over.",
                        run_id,
                    )
                    waiting = [each for each in self._due if each[2].id != run_id]
                    if len(waiting) < len(self._due):
                        heapq.heapify(waiting)
                        self._due = waiting
                        self._runs.pop(key)
                        self._to_report.put((*key, "its agent was told not to start it"))
                    else:
                        self._dropped.add(key)
            self._changed.notify_all()

    # -- deploying ------------------------------------------------------------------------------

    def _start_due(self) -> None:
        while True:
            with self._changed:
                left = self._due[0][0] - time.monotonic() if self._due else None
                if left is None or left > 0:
                    self._changed.wait(left)
                    continue
                _, _, run = heapq.heappop(self._due)
                self._pool.submit(self._deploy, run)
                self._changed.notify_all()

    def _deploy(self, run: ClaimedRun) -> None:
        key = (run.id, run.attempt)
        try:
            self._log.info("Deploying flow run %r (%s, attempt %d).", run.name, run.id, run.attempt)
            deployment = self._launcher.deploy(run)
        except Exception as error:  # noqa: BLE001 - no run may end the agent, whatever it brings along
            if not isinstance(error, DeploymentError):
                self._log.exception("Deploying flow run %r went wrong.", run.name)
            reason = str(error) if isinstance(error, DeploymentError) else repr(error)
            self._log.error("Flow run %r was not deployed: %s", run.name, reason)
            self._to_report.put((run.id, run.attempt, f"it could not be deployed: {reason}"))
            self._over(key)
            return
        with self._changed:
            if key in self._runs:  # else it is over already
                self._runs[key] = deployment
            dropped = key in self._dropped
            self._dropped.discard(key)
        if dropped:
            self._cancel(deployment)

    def _cancel(self, deployment: Deployment) -> None:
        try:
            self._launcher.cancel(deployment)
        except Exception:  # noqa: BLE001 - the run's own process asks the server, too, and is told
            self._log.exception("Flow run %s could not be ended.", deployment.flow_run_id)

    def _over(self, key: tuple[str, int]) -> None:
        with self._changed:
            self._runs.pop(key, None)
            self._begun.discard(key)
            self._dropped.discard(key)
            self._changed.notify_all()

    # -- watching -------------------------------------------------------------------------------

    def _watch(self) -> None:
        while True:
            try:
                for ended in self._launcher.watch(1.0):
                    if not isinstance(ended, Ended):
                        continue
                    run = ended.deployment
                    self._log.info(
                        "Flow run %s (attempt %d) has ended: %s.",
                        run.flow_run_id,
                        run.attempt,
                        ended.how,
                    )
                    if ended.to_report:
                        self._to_report.put((run.flow_run_id, run.attempt, ended.how))
                    self._over((run.flow_run_id, run.attempt))
            except Exception:  # noqa: BLE001 - one run must not hide the ends of all others
                self._log.exception("Watching runs went wrong.")
                time.sleep(1.0)

    def _report(self) -> None:
        """Tell the server how deployments ended, however long it is away."""
        while True:
            run_id, attempt, reason = self._to_report.get()
            pause = FIRST_PAUSE
            while True:
                try:
                    self._client.exited(run_id, Exited(attempt=attempt, reason=reason))
                    break
                except NotFound:
                    break  # the run was deleted
                except (Conflict, Refused) as error:
                    self._log.error("How run %s ended is not taken: %s", run_id, error)
                    break
                except ClientError as error:
                    self._log.warning("How run %s ended is told again later: %s", run_id, error)
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

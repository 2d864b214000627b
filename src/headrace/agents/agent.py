"""The agent: asks for flow runs, has them deployed, and tells the server how they ended.

Written once for all launchers. It never dies of one run, nor of what its launcher raises, and its own
end ends no run.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from headrace.agents.holdings import Holdings, Key
from headrace.agents.launcher import Ended, News, Waits
from headrace.agents.pauses import FIRST_PAUSE, HELD, HELD_WHILE_DEPLOYING, LONGEST_PAUSE, Pauses
from headrace.agents.reports import Ends, Waitings
from headrace.agents.timetable import Timetable
from headrace.agents.unwanted import Unwanted
from headrace.config.logging import get_logger
from headrace.core import now
from headrace.core.errors import (
    ClientError,
    DeploymentError,
    NoHeadraceServer,
    NotAuthorized,
    VersionMismatch,
)
from headrace.wire.claims import Claim

if TYPE_CHECKING:
    from headrace.agents.launcher import Deployment, Launcher
    from headrace.client.client import Client
    from headrace.wire.claims import Claimed, ClaimedRun

#: How far ahead of its time, in seconds, a scheduled run is taken.
AHEAD = 10.0
#: How many runs one claim takes at most.
MOST = 25
#: For how many seconds a platform that is away at the start is asked for runs of earlier.
_RECOVERY_SECONDS = 30.0
#: For how many seconds the end of the agent waits for the server to hear how runs ended.
_LAST_WORDS = 5.0


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
        self._log = get_logger("agent")
        #: Guards the holdings, and is notified when there is room again.
        self._changed = threading.Condition()
        self._holdings = Holdings(limit, launcher.at_once)
        self._stopping = threading.Event()
        self._hurried = threading.Event()
        self._closed = threading.Event()
        self._timetable = Timetable(self._log)
        self._ends = Ends(launcher, client, self._timetable, self._log)
        self._waitings = Waitings(id, client, self._timetable, self._log)
        self._deploys = ThreadPoolExecutor(launcher.at_once, "deploy")
        self._unwanted = Unwanted(
            id, launcher, client, self._holdings, self._changed, self._timetable, self._log
        )
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
        labels = ", ".join(self._labels) or "no labels"
        self._log.info(
            "Agent %r (%s) asks %s for flow runs.", self._name, labels, self._client.api_url
        )
        self._recover()
        error: list[ClientError] = []
        for name, target in (
            ("claims", partial(self._claim_all, error)),
            ("timetable", self._timetable.run),
            ("watch", self._watch),
        ):
            threading.Thread(target=target, name=name, daemon=True).start()
        self._stopping.wait()
        if not error:
            self._say_goodbye()
            self._start_the_last()
        self._deploys.shutdown(wait=True)
        self._ends.close(_LAST_WORDS)
        self._timetable.close()
        self._waitings.close()
        self._unwanted.close()
        self._closed.set()
        self._launcher.close()
        if error:
            raise error[0]

    def stop(self) -> None:
        """Have `run` claim nothing more and return. May be called from any thread, and twice."""
        with self._changed:
            if self._stopping.is_set():
                self._hurried.set()
            self._stopping.set()
            self._changed.notify_all()

    # -- at the beginning and the end -----------------------------------------------------------

    def _recover(self) -> None:
        """Find the runs of an earlier process of this agent, even if the platform is not up yet."""
        until = time.monotonic() + _RECOVERY_SECONDS
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            try:
                for deployment in self._launcher.recover(self._id):
                    with self._changed:
                        self._holdings.find(deployment)
                    self._log.info(
                        "Found flow run %s (attempt %d) again.",
                        deployment.flow_run_id,
                        deployment.attempt,
                    )
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, new runs can still be deployed
                if time.monotonic() > until:
                    self._log.error("Runs of earlier may not be found: %s", error)
                    return
                self._log.warning("Runs of earlier are looked for again: %s", error)
                self._wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _say_goodbye(self) -> None:
        waiting = self._holdings.waiting
        running = len(self._holdings) - waiting
        self._log.info(
            "Agent %r stops. %s",
            self._name,
            f"{running} runs go on." if running else "Nothing runs.",
        )
        if waiting:
            self._log.info("%d runs are still to be started, within %g s.", waiting, AHEAD)

    def _start_the_last(self) -> None:
        """Wait for what was taken ahead of its time: it is nobody else's, and started when it is due."""
        until = time.monotonic() + AHEAD + 5
        while time.monotonic() < until:
            with self._changed:
                waiting = self._holdings.waiting
            if not waiting or self._hurried.wait(0.05):
                return

    # -- claiming -------------------------------------------------------------------------------

    def _claim_all(self, fatal: list[ClientError]) -> None:
        heard = False
        while (free := self._wait_for_room()) is not None:
            wait = self._pauses.wait(self._holdings.is_deploying) if free else 0.0
            asked_at = time.monotonic()
            try:
                claim = self._claim(free, wait)
                claimed = self._client.claim(claim)
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
            unbegun = self._holdings.unbegun()
        begun = [each for each in unbegun if self._has_begun(each)]
        with self._changed:
            self._begun((each.flow_run_id, each.attempt) for each in begun)
            deploying = self._holdings.to_name()
        return Claim(
            agent=self._id,
            name=self._name,
            kind=self._launcher.kind,
            labels=self._labels,
            most=free,
            wait=wait,
            ahead=AHEAD,
            deploying=deploying,
            session=self._session,
            number=self._questions,
        )

    def _wait_for_room(self) -> int | None:
        """Return how many runs to ask for; 0 only to be heard of; None at the end."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopping.is_set() or self._holdings.to_ask_for,
                HELD_WHILE_DEPLOYING if self._holdings.is_deploying else HELD,
            )
            return None if self._stopping.is_set() else min(MOST, self._holdings.to_ask_for)

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self._stopping.wait(seconds)

    def _has_room(self) -> None:
        if self._holdings.to_ask_for:
            self._changed.notify()

    def _take(self, claimed: Claimed) -> None:
        with self._changed:
            # Before new attempts of the same runs: an answer is about those that were named.
            self._begun(self._holdings.keys_of(claimed.begun))
        for run_id in claimed.cancelled:
            self._drop(run_id)
        for run in claimed.runs:
            key = (run.id, run.attempt)
            ahead = (run.start_time - now.now()).total_seconds()
            with self._changed:
                if not self._holdings.take(key, is_due=ahead <= 0):
                    continue
                older = self._holdings.older(key)
            for deployment in older:
                self._unwanted.outlived(deployment)
            if ahead > 0:
                self._timetable.after(ahead, partial(self._start, run))
            else:
                self._deploys.submit(self._deploy, run)

    def _has_begun(self, deployment: Deployment) -> bool:
        try:
            return self._launcher.has_begun(deployment)
        except Exception as error:  # noqa: BLE001 - the server knows it, too
            self._log.debug("Whether %s has begun is not known: %s", deployment, error)
            return False

    def _begun(self, keys: Iterable[Key]) -> None:
        keys = list(keys)
        self._holdings.begun(keys)
        for key in keys:
            self._waitings.forget(key)

    def _drop(self, run_id: str) -> None:
        """Do not go on with a run that has not begun."""
        with self._changed:
            dropped = self._holdings.drop(run_id)
            self._has_room()
        for key in dropped.given_back:
            self._log.info(
                "Flow run %s is not to be deployed: it was cancelled, paused, or is over.", run_id
            )
            self._ends.never_began(key, "its agent was told not to start it")
        for deployment in dropped.deployed:
            self._unwanted.dropped(deployment)

    # -- deploying ------------------------------------------------------------------------------

    def _start(self, run: ClaimedRun) -> None:
        """Deploy a run whose time has come."""
        with self._changed:
            is_wanted = not self._hurried.is_set() and self._holdings.start((run.id, run.attempt))
            if is_wanted:
                self._deploys.submit(self._deploy, run)

    def _deploy(self, run: ClaimedRun) -> None:
        key = (run.id, run.attempt)
        try:
            self._log.info("Deploying flow run %r (%s, attempt %d).", run.name, run.id, run.attempt)
            deployment = self._launcher.deploy(run)
        except Exception as error:  # noqa: BLE001 - no run may end the agent, whatever it brings along
            is_known = isinstance(error, DeploymentError)
            if not is_known:
                self._log.exception("Deploying flow run %r went wrong.", run.name)
            reason = str(error) if is_known else repr(error)
            self._log.error("Flow run %r was not deployed: %s", run.name, reason)
            self._over(key)
            self._ends.never_began(
                key,
                f"it could not be deployed: {reason}",
                is_final=isinstance(error, DeploymentError) and error.is_final,
            )
            return
        with self._changed:
            is_dropped = self._holdings.deployed(deployment)
            self._has_room()
        if is_dropped:
            self._unwanted.cancel(deployment)

    def _over(self, key: Key) -> None:
        self._waitings.forget(key)
        with self._changed:
            self._holdings.over(key)
            self._has_room()

    # -- watching -------------------------------------------------------------------------------

    def _watch(self) -> None:
        pause = FIRST_PAUSE
        said = ""
        while not self._closed.is_set():
            try:
                news = self._launcher.watch(1.0)
                pause, said = FIRST_PAUSE, ""
                for each in news:
                    self._hear(each)
            except Exception as error:  # noqa: BLE001 - watching goes on: the platform may come back
                if self._closed.is_set():
                    return  # there is nothing left to hear, and nobody to tell
                if repr(error) != said:
                    self._log.exception("Watching runs went wrong.")
                said = repr(error)
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _hear(self, news: News) -> None:
        run = news.deployment
        key = (run.flow_run_id, run.attempt)
        if isinstance(news, Waits):
            with self._changed:
                is_waited_for = self._holdings.is_waited_for(key)
            if is_waited_for:
                self._log.debug("Flow run %s (attempt %d) waits: %s", *key, news.why)
                self._waitings.say(key, news.why)
        elif isinstance(news, Ended):
            self._log.info("Flow run %s (attempt %d) has ended: %s.", *key, news.how)
            self._over(key)
            self._ends.ended(news)

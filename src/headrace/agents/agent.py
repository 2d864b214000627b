"""The agent: asks for flow runs, has them deployed, and tells the server how they ended.

Written once for all launchers. It never dies of one run, nor of what its launcher raises, and its own
end ends no run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from headrace.agents.claiming import AHEAD, Claiming
from headrace.agents.holdings import Holdings, Key
from headrace.agents.launcher import Ended, News, Waits
from headrace.agents.pauses import FIRST_PAUSE, LONGEST_PAUSE
from headrace.agents.reports import Ends, Waitings
from headrace.agents.timetable import Timetable
from headrace.agents.unwanted import Unwanted
from headrace.config.logging import get_logger
from headrace.core import now
from headrace.core.errors import DeploymentError

if TYPE_CHECKING:
    from headrace.agents.launcher import Launcher
    from headrace.client.client import Client
    from headrace.wire.claims import Claimed, ClaimedRun

#: For how many seconds a platform that is away at the start is asked for runs of earlier.
_RECOVERY_SECONDS = 30.0
#: For how many seconds the launcher is listened to at a time.
_WATCH_SECONDS = 0.5
#: For how many seconds the end of the agent waits for the answer to its last question.
_LAST_ANSWER = 2.0
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
        #: Whether nothing is deployed any more.
        self._is_full = False
        self._closed = threading.Event()
        self._timetable = Timetable(self._log)
        self._ends = Ends(launcher, client, self._timetable, self._log)
        self._waitings = Waitings(id, client, self._timetable, self._log)
        self._deploys = ThreadPoolExecutor(launcher.at_once, "deploy")
        self._unwanted = Unwanted(
            id,
            launcher,
            client,
            self._ends,
            self._holdings,
            self._changed,
            self._timetable,
            self._log,
        )
        self._claiming = Claiming(
            id,
            name,
            self._labels,
            launcher=launcher,
            client=client,
            holdings=self._holdings,
            room=self._changed,
            take=self._take,
            stopping=self._stopping,
            log=self._log,
        )

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
        claiming, watching, _ = (
            _started(name, target)
            for name, target in (
                ("claims", self._claiming.run),
                ("watch", self._watch),
                ("timetable", self._timetable.run),
            )
        )
        self._stopping.wait()
        if self._claiming.error is None:
            self._say_goodbye()
            _started("goodbye", self._claiming.take_back)
            claiming.join(_LAST_ANSWER)
            self._start_the_last()
        with self._changed:
            self._is_full = True
        self._deploys.shutdown(wait=True)
        self._ends.wait(_LAST_WORDS)
        self._timetable.close()
        self._ends.close()
        self._waitings.close()
        self._unwanted.close()
        self._closed.set()
        watching.join(2 * _WATCH_SECONDS)
        self._launcher.close()
        if self._claiming.error is not None:
            raise self._claiming.error

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
        said = ""
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
                if str(error) != said:
                    said = str(error)
                    self._log.warning("Runs of earlier cannot be looked for yet: %s", said)
                self._stopping.wait(pause)
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

    # -- what the server says -------------------------------------------------------------------

    def _has_room(self) -> None:
        if self._holdings.to_ask_for:
            self._changed.notify()

    def _take(self, claimed: Claimed) -> None:
        with self._changed:
            # Before new attempts of the same runs: an answer is about those that were named.
            begun = self._holdings.keys_of(claimed.begun)
            self._holdings.begun(begun)
        for key in begun:
            self._waitings.forget(key)
        for run_id in claimed.cancelled:
            self._drop(run_id)
        for run in claimed.runs:
            self._take_run(run)

    def _take_run(self, run: ClaimedRun) -> None:
        key = (run.id, run.attempt)
        ahead = (run.start_time - now.now()).total_seconds()
        with self._changed:
            if self._is_full or not self._holdings.take(key, is_due=ahead <= 0):
                return
            older = self._holdings.older(key)
            if ahead > 0:
                self._timetable.after(ahead, partial(self._start, run))
            else:
                self._deploys.submit(self._deploy, run)
        for deployment in older:
            self._unwanted.outlived(deployment)

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
        for key in dropped.deploying:
            self._unwanted.dropped_early(key)
        for deployment in dropped.deployed:
            self._unwanted.dropped(deployment)

    # -- deploying ------------------------------------------------------------------------------

    def _start(self, run: ClaimedRun) -> None:
        """Deploy a run whose time has come."""
        with self._changed:
            is_wanted = (
                not self._is_full
                and not self._hurried.is_set()
                and self._holdings.start((run.id, run.attempt))
            )
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
                news = self._launcher.watch(_WATCH_SECONDS)
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


def _started(name: str, target: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread

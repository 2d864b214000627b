"""The agent: asks for flow runs, has them deployed, and tells the server how they ended.

Written once for all launchers. It never dies of one run, nor of what its launcher raises, and its own
end ends no run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from headrace.agents.claiming import AHEAD, Claiming
from headrace.agents.deploying import Deploying
from headrace.agents.holdings import Holdings
from headrace.agents.launcher import Ended, News, Waits
from headrace.agents.recovery import recover
from headrace.agents.reports import Ends, Waitings
from headrace.agents.timetable import Timetable
from headrace.agents.unwanted import Unwanted
from headrace.agents.watching import WATCH_SECONDS, Watching
from headrace.config.logging import get_logger

if TYPE_CHECKING:
    from headrace.agents.launcher import Deployment, Launcher
    from headrace.client.client import Client
    from headrace.wire.claims import Claimed

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
        self._closed = threading.Event()
        self._timetable = Timetable(self._log)
        self._ends = Ends(launcher, client, self._timetable, self._log)
        self._waitings = Waitings(id, client, self._timetable, self._log)
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
        self._deploying = Deploying(
            launcher=launcher,
            holdings=self._holdings,
            room=self._changed,
            ends=self._ends,
            waitings=self._waitings,
            unwanted=self._unwanted,
            timetable=self._timetable,
            hurried=self._hurried,
            log=self._log,
        )
        self._watching = Watching(launcher, self._hear, self._closed, self._log)
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
        recover(self._launcher, self._id, found=self._found, stopping=self._stopping, log=self._log)
        claiming, watching, _ = (
            _started(name, target)
            for name, target in (
                ("claims", self._claiming.run),
                ("watch", self._watching.run),
                ("timetable", self._timetable.run),
            )
        )
        self._stopping.wait()
        if self._claiming.error is None:
            self._say_goodbye()
            _started("goodbye", self._claiming.take_back)
            claiming.join(_LAST_ANSWER)
            self._start_the_last()
        self._deploying.close()
        self._ends.wait(_LAST_WORDS)
        self._timetable.close()
        self._ends.close()
        self._waitings.close()
        self._unwanted.close()
        self._closed.set()
        watching.join(2 * WATCH_SECONDS)
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

    def _take(self, claimed: Claimed) -> None:
        with self._changed:
            # Before new attempts of the same runs: an answer is about those that were named.
            begun = self._holdings.keys_of(claimed.begun)
            self._holdings.begun(begun)
        for key in begun:
            self._waitings.forget(key)
        for run_id in claimed.cancelled:
            self._deploying.drop(run_id)
        for run in claimed.runs:
            self._deploying.take(run, claimed.now)

    # -- what the launcher says -----------------------------------------------------------------

    def _found(self, deployment: Deployment) -> None:
        with self._changed:
            self._holdings.find(deployment)

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
            self._deploying.over(key)
            self._ends.ended(news)


def _started(name: str, target: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread

"""Deployments that are not to begin: cancelled, paused or taken back while they wait."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from headrace.core.errors import ClientError, NotFound
from headrace.wire.claims import Deploying

if TYPE_CHECKING:
    from logging import Logger

    from headrace.agents.holdings import Holdings, Key
    from headrace.agents.launcher import Deployment, Launcher
    from headrace.agents.reports import Ends
    from headrace.agents.timetable import Timetable
    from headrace.client.client import Client

#: How many seconds a deployment whose attempt is over has to end by itself.
_ENDS_BY_ITSELF = 30.0
#: After how many seconds one that could not be cancelled is cancelled again.
_CANCEL_AGAIN = 5.0
#: How many calls are under way at once.
_AT_ONCE = 8


class Unwanted:
    """Ends what the platform has and the server does not want to begin.

    Args:
        agent: The agent's id.
        launcher: What ends it.
        client: The server.
        ends: What tells it how deployments ended.
        holdings: The agent's flow runs.
        lock: What guards them.
        timetable: For what is to be done later.
        log: The agent's log.
    """

    def __init__(
        self,
        agent: str,
        launcher: Launcher,
        client: Client,
        ends: Ends,
        holdings: Holdings,
        lock: threading.Condition,
        timetable: Timetable,
        log: Logger,
    ) -> None:
        self._agent = agent
        self._launcher = launcher
        self._client = client
        self._ends = ends
        self._holdings = holdings
        self._lock = lock
        self._timetable = timetable
        self._log = log
        self._pool = ThreadPoolExecutor(_AT_ONCE, "cancel")

    def dropped(self, deployment: Deployment) -> None:
        """End a deployment that the server has said not to go on with, unless it is ending anyway."""
        key = (deployment.flow_run_id, deployment.attempt)
        self._pool.submit(self._ask_and_cancel, key, deployment)

    def dropped_early(self, key: Key) -> None:
        """Give back what the launcher is still being asked for, however long its image is pulled.

        What comes of it is cancelled once it is there.
        """
        self._pool.submit(self._ask_and_cancel, key, None)

    def outlived(self, deployment: Deployment) -> None:
        """End the deployment of an attempt that another one has followed, if it stays."""
        self._timetable.after(_ENDS_BY_ITSELF, partial(self._cancel_what_stays, deployment))

    def cancel(self, deployment: Deployment) -> None:
        """End a deployment."""
        self._pool.submit(self._cancel, deployment)

    def close(self) -> None:
        """End no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask_and_cancel(self, key: Key, deployment: Deployment | None) -> None:
        run_id, attempt = key
        with self._lock:
            drops = self._holdings.drops(key)
        if not drops:
            return
        try:
            asked = Deploying(attempt=attempt, agent=self._agent)
            refused = self._client.deploying(run_id, asked).refused
        except NotFound:
            refused = "deleted"
        except ClientError as error:
            self._log.debug("Whether %s is to go on is asked again: %s", run_id, error)
            self._pick_up_after(_CANCEL_AGAIN, key)
            return
        except Exception:  # noqa: BLE001 - whatever it is, nobody else would end what is not to begin
            self._log.exception("Asking whether %s is to go on went wrong.", run_id)
            self._pick_up_after(_CANCEL_AGAIN, key)
            return
        if refused == "superseded" and (drops == 1 or deployment is None):
            # It has begun in the meantime, or is over and about to end: the server says so next.
            self._pick_up_after(_ENDS_BY_ITSELF, key)
        elif refused is None:
            self._pick_up_after(0.0, key)
        else:
            self._log.info("Flow run %s is not to begin: %s.", run_id, refused)
            if deployment is not None:
                self._cancel(deployment)
            else:
                self._ends.never_began(key, "its agent was told not to start it")

    def _cancel_what_stays(self, deployment: Deployment) -> None:
        with self._lock:
            stays = self._holdings.is_waited_for((deployment.flow_run_id, deployment.attempt))
        if stays:
            self.cancel(deployment)

    def _cancel(self, deployment: Deployment) -> None:
        try:
            self._launcher.cancel(deployment)
        except Exception as error:  # noqa: BLE001 - the run's own process asks the server, too, and is told
            self._log.error("Flow run %s could not be ended: %s", deployment.flow_run_id, error)
            self._pick_up_after(_CANCEL_AGAIN, (deployment.flow_run_id, deployment.attempt))

    def _pick_up_after(self, seconds: float, key: Key) -> None:
        def pick_up() -> None:
            with self._lock:
                self._holdings.pick_up(key)

        self._timetable.after(seconds, pick_up)

"""An agent's questions: it asks the server for flow runs, one question after the other."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from headrace.agents.pauses import HELD, HELD_WHILE_DEPLOYING, LONGEST_PAUSE, Pauses
from headrace.core.errors import ClientError, NoHeadraceServer, NotAuthorized, VersionMismatch
from headrace.wire.claims import Claim

if TYPE_CHECKING:
    from logging import Logger

    from headrace.agents.holdings import Holdings
    from headrace.agents.launcher import Deployment, Launcher
    from headrace.client.client import Client
    from headrace.wire.claims import Claimed

#: How far ahead of its time, in seconds, a scheduled run is taken.
AHEAD = 10.0
#: How many runs one claim takes at most.
_MOST = 25


class Claiming:
    """Claims flow runs whenever there is room for them.

    Args:
        agent: The agent's id.
        name: Its name.
        labels: Its labels.
        launcher: What says which deployments have begun.
        client: The server.
        holdings: The agent's flow runs.
        room: What guards them; notified when there is room for more.
        take: What is done with an answer.
        stopping: Set when nothing is to be claimed any more.
        log: The agent's log.

    Attributes:
        error: Why the server does not let this agent claim runs, if it said so at the start.
    """

    def __init__(
        self,
        agent: str,
        name: str,
        labels: Sequence[str],
        *,
        launcher: Launcher,
        client: Client,
        holdings: Holdings,
        room: threading.Condition,
        take: Callable[[Claimed], None],
        stopping: threading.Event,
        log: Logger,
    ) -> None:
        self._agent = agent
        self._name = name
        self._labels = list(labels)
        self._launcher = launcher
        self._client = client
        self._holdings = holdings
        self._room = room
        self._take = take
        self._stopping = stopping
        self._log = log
        self._pauses = Pauses()
        #: What the server knows a question by that is asked again as no answer came.
        self._session = uuid.uuid4().hex
        self._questions = 0
        self.error: ClientError | None = None

    def run(self) -> None:
        """Ask until the agent stops, or the server does not want to hear of it."""
        heard = False
        while (free := self._wait_for_room()) is not None:
            wait = self._pauses.wait(self._holdings.is_deploying) if free else 0.0
            asked_at = time.monotonic()
            try:
                claimed = self._client.claim(self._claim(free, wait))
            except (NotAuthorized, VersionMismatch, NoHeadraceServer) as error:
                if not heard:
                    self.error = error
                    self._stopping.set()
                    return
                self._stopping.wait(self._pauses.failed(wait, error, self._log))
            except ClientError as error:
                self._stopping.wait(self._pauses.failed(wait, error, self._log))
            except Exception:  # noqa: BLE001 - a fault is no reason to leave all further runs to nobody
                self._log.exception("A claim went wrong.")
                self._stopping.wait(LONGEST_PAUSE)
            else:
                heard = True
                self._questions += 1
                took = time.monotonic() - asked_at
                pause = self._pauses.answered(wait, took, claimed, self._log)
                self._take(claimed)
                self._pauses.next_due = claimed.next_due
                if free and pause:
                    self._stopping.wait(pause)

    def take_back(self) -> None:
        """Have the question answered that is held back: nobody is there any more to deploy its runs."""
        with contextlib.suppress(ClientError):  # then the connection breaks off
            self._client.claim(self._claim(0, 0.0))

    def _claim(self, free: int, wait: float) -> Claim:
        with self._room:
            unbegun = self._holdings.unbegun()
        begun = [each for each in unbegun if self._has_begun(each)]
        with self._room:
            self._holdings.begun((each.flow_run_id, each.attempt) for each in begun)
            deploying = self._holdings.to_name()
        return Claim(
            agent=self._agent,
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
        with self._room:
            self._room.wait_for(
                lambda: self._stopping.is_set() or self._holdings.to_ask_for,
                HELD_WHILE_DEPLOYING if self._holdings.is_deploying else HELD,
            )
            return None if self._stopping.is_set() else min(_MOST, self._holdings.to_ask_for)

    def _has_begun(self, deployment: Deployment) -> bool:
        try:
            return self._launcher.has_begun(deployment)
        except Exception as error:  # noqa: BLE001 - the server knows it, too
            self._log.debug("Whether %s has begun is not known: %s", deployment, error)
            return False

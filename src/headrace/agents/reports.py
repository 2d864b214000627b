"""What an agent tells the server of its deployments: how they ended, and what they wait for."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headrace.agents.pauses import FIRST_PAUSE, LONGEST_PAUSE
from headrace.core.errors import ClientError, Conflict, NotFound, Refused
from headrace.wire.claims import Deploying, Exited

if TYPE_CHECKING:
    from logging import Logger

    from headrace.agents.holdings import Key
    from headrace.agents.launcher import Deployment, Ended, Launcher
    from headrace.agents.timetable import Timetable
    from headrace.client.client import Client

#: How much of what a deployment has printed is sent, in bytes.
_MOST_OUTPUT = 64 << 10
#: How many characters of a message are sent.
_LONGEST_MESSAGE = 2000
#: How many seconds lie between two messages of one run.
_BETWEEN = 1.0


class Ends:
    """Tells the server how deployments ended, however long it is away; then lets go of them.

    Args:
        launcher: Where what they have printed comes from.
        client: The server.
        timetable: What has them told again later.
        log: The agent's log.
    """

    def __init__(
        self, launcher: Launcher, client: Client, timetable: Timetable, log: Logger
    ) -> None:
        self._launcher = launcher
        self._client = client
        self._timetable = timetable
        self._log = log
        self._pool = ThreadPoolExecutor(8, "ends")
        self._left: set[int] = set()
        self._changed = threading.Condition()

    def ended(self, ended: Ended) -> None:
        """Take note of how a deployment ended, and tell it if it has to be told."""
        if ended.to_report:
            key = (ended.deployment.flow_run_id, ended.deployment.attempt)
            self._put(_End(key, ended.how, ended.is_final, ended.deployment))
        else:
            self._pool.submit(self._release, ended.deployment)

    def never_began(self, key: Key, reason: str, *, is_final: bool = False) -> None:
        """Tell why an attempt was not deployed."""
        self._put(_End(key, reason, is_final, None))

    def wait(self, seconds: float) -> None:
        """Let all be told, for some time."""
        with self._changed:
            self._changed.wait_for(lambda: not self._left, seconds)

    def close(self) -> None:
        """Tell no more; what is left comes up again when the agent is started again."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _put(self, end: _End) -> None:
        with self._changed:
            self._left.add(id(end))
        self._pool.submit(self._tell, end)

    def _tell(self, end: _End) -> None:
        run_id, attempt = end.key
        if end.output is None:
            end.output = self._output(end.deployment)
        told = Exited(
            attempt=attempt,
            reason=end.reason,
            by_agent=end.deployment is None,
            is_final=end.is_final,
            output=end.output,
        )
        try:
            self._client.exited(run_id, told)
        except NotFound:
            pass  # the run was deleted
        except (Conflict, Refused) as error:
            self._log.error("How run %s ended is not taken: %s", run_id, error)
        except ClientError as error:
            self._again(end, error)
            return
        except Exception as error:  # noqa: BLE001 - no fault may keep the end of a run from the server
            self._log.exception("Telling how run %s ended went wrong.", run_id)
            self._again(end, error)
            return
        if end.deployment is not None:
            self._release(end.deployment)
        with self._changed:
            self._left.discard(id(end))
            self._changed.notify_all()

    def _again(self, end: _End, error: Exception) -> None:
        if end.pause == FIRST_PAUSE:
            self._log.warning("How run %s ended is told again later: %s", end.key[0], error)
        self._timetable.after(end.pause, lambda: self._pool.submit(self._tell, end))
        end.pause = min(end.pause * 2, LONGEST_PAUSE)

    def _output(self, deployment: Deployment | None) -> str:
        if deployment is None:
            return ""
        try:
            printed = self._launcher.early_logs(deployment)
        except Exception as error:  # noqa: BLE001 - how it ended is worth telling without them
            self._log.warning(
                "What flow run %s printed cannot be had: %s", deployment.flow_run_id, error
            )
            return ""
        return printed.encode(errors="replace")[-_MOST_OUTPUT:].decode(errors="ignore")

    def _release(self, deployment: Deployment) -> None:
        try:
            self._launcher.release(deployment)
        except Exception as error:  # noqa: BLE001 - it is found and released at the agent's next start
            self._log.warning(
                "Not all of flow run %s could be cleared away: %s", deployment.flow_run_id, error
            )


@dataclass(slots=True)
class _End:
    key: Key
    reason: str
    is_final: bool
    deployment: Deployment | None
    output: str | None = None
    pause: float = FIRST_PAUSE


class Waitings:
    """Tells the server what deployments wait for: what is new, and not all of it if it changes fast.

    Args:
        agent: The agent's id.
        client: The server.
        timetable: What has them told in time.
        log: The agent's log.
    """

    def __init__(self, agent: str, client: Client, timetable: Timetable, log: Logger) -> None:
        self._agent = agent
        self._client = client
        self._timetable = timetable
        self._log = log
        self._pool = ThreadPoolExecutor(2, "waitings")
        self._lock = threading.Lock()
        self._said: dict[Key, _Said] = {}

    def say(self, key: Key, why: str) -> None:
        """Have the server told what a run waits for, unless it was told so last."""
        why = why[:_LONGEST_MESSAGE]
        with self._lock:
            said = self._said.setdefault(key, _Said())
            said.wanted = why
            if said.is_under_way or said.text == why:
                return
            said.is_under_way = True
            wait = said.at + _BETWEEN - time.monotonic()
        if wait > 0:
            self._timetable.after(wait, lambda: self._pool.submit(self._send, key))
        else:
            self._pool.submit(self._send, key)

    def forget(self, key: Key) -> None:
        """Say no more of a run: it has begun, or is over."""
        with self._lock:
            self._said.pop(key, None)

    def close(self) -> None:
        """Say no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _send(self, key: Key) -> None:
        with self._lock:
            said = self._said.get(key)
            if said is None:
                return
            text = said.wanted
        run_id, attempt = key
        pause = _BETWEEN
        try:
            if text != said.text:
                message = Deploying(attempt=attempt, agent=self._agent, message=text)
                self._client.deploying(run_id, message)
        except (NotFound, Conflict, Refused):
            pass  # it is not to go on: the answer to the next claim says so
        except ClientError as error:
            self._log.debug("What run %s waits for is told later: %s", run_id, error)
            text, pause = "", LONGEST_PAUSE / 2
        except Exception:  # noqa: BLE001 - a fault in one message must not keep back all later ones
            self._log.exception("Telling what run %s waits for went wrong.", run_id)
            text, pause = "", LONGEST_PAUSE / 2
        with self._lock:
            said.text, said.at = text, time.monotonic()
            said.is_under_way = said.wanted != text
            again = said.is_under_way
        if again:
            self._timetable.after(pause, lambda: self._pool.submit(self._send, key))


@dataclass(slots=True)
class _Said:
    #: What the server was told last, and when; and what it is to be told.
    text: str = ""
    at: float = field(default=float("-inf"))
    wanted: str = ""
    is_under_way: bool = False

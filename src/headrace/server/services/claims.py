"""Hands flow runs to agents that wait for them, the moment that they are due."""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.core.errors import DatabaseError
from headrace.core.now import now, timestamp
from headrace.server.db import agents as stored_agents
from headrace.server.db import claims as stored
from headrace.server.db.claims import Handed, Token
from headrace.server.problems import Refusal
from headrace.server.rules.matching import Offer
from headrace.server.services.auth import hash_of, new_token
from headrace.server.services.handed import Claimed as ClaimedAttempt
from headrace.server.services.handed import HandedOut
from headrace.server.services.heard_of import HeardOf
from headrace.wire.claims import Claim, Claimed

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from headrace.server.db.agents import Seen
    from headrace.server.db.database import Database
    from headrace.server.parts import Parts
    from headrace.server.rules.ownership import Policy
    from headrace.server.services.hub import Hub
    from headrace.server.services.metrics import Metrics

_log = logging.getLogger("headrace.server")

#: How far ahead of their time runs are handed out at most, in seconds.
MOST_AHEAD = 10.0
#: How many runs an agent may take at once.
MOST_AT_ONCE = 1000
#: How long, in seconds, to wait before another look after the database failed.
_PAUSE_AFTER_FAILURE = 1.0
#: How often to look without being woken where other servers' notifications may get lost.
_LOOK_EVERY = 10.0


@dataclass(eq=False, slots=True)
class _Waiter:
    """An agent that waits."""

    offer: Offer
    #: What comes of it.
    future: asyncio.Future[Handed]
    #: Whether it goes on waiting when there is nothing.
    waits: bool
    #: When the next run is due for it, as far as is known; seconds since 1970, UTC.
    next_due: float | None = None


class Claims:
    """The agents that wait, and the one task that hands runs to them.

    All that wait are served by one transaction; whoever comes while it runs waits for the next.

    Args:
        database: Where the runs are.
        hub: Says when something may be claimable.
        policy: How long claims are good for.
        metrics: Told how many agents wait, and how many runs they got.
        longest_wait: For how long an answer may be held back.
    """

    def __init__(
        self,
        database: Database,
        hub: Hub,
        policy: Policy,
        metrics: Metrics,
        longest_wait: datetime.timedelta,
    ) -> None:
        self._database = database
        self._hub = hub
        self._policy = policy
        self._metrics = metrics
        self._longest_wait = longest_wait.total_seconds()
        self._heard = HeardOf()
        self._handed_out = HandedOut(self._lost)
        self._waiting: dict[_Waiter, None] = {}
        #: Those that the transaction that is being performed serves.
        self._served: set[_Waiter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def claim(self, asked: Claim, gone: Coroutine[Any, Any, Any]) -> Claimed:
        """Answer an agent that asks for runs.

        Args:
            asked: What it asks for.
            gone: Ends when the agent does not wait for the answer any more.

        Returns:
            Its runs, as soon as there are any.

        Raises:
            Refusal: If what it asks for cannot be; 400.
        """
        leaving = asyncio.ensure_future(gone)
        try:
            _check(asked)
            self._heard.of(asked)
            cancelled = await self._renew(asked) if asked.deploying else []
            if not asked.most or self._hub.is_closed:
                self._hub.deliver("work")
                return Claimed(cancelled=cancelled)
            self._handed_out.heard(asked.agent, asked.deploying)
            waiter = self._waiter_of(asked, at_once=bool(cancelled))
            cancelled += await self._wait(waiter, asked, leaving)
            got = await self._outcome(waiter)
            claims = [(run.id, run.attempt) for run in got.runs]
            if leaving.done():
                self._take_back(claims, f"the agent {asked.name} went away before it got it")
                return Claimed()
            self._handed_out.given(asked.agent, claims)
            return Claimed(runs=got.runs, cancelled=cancelled, next_due=_until(got.next_due))
        finally:
            leaving.cancel()

    async def run(self, parts: Parts) -> None:
        """Hand out runs, whenever there may be any, until the server ends."""
        polls = parts.database.dialect != "sqlite"
        with self._hub.listen("work") as wake:
            pause: float | None = None
            while not self._hub.is_closed:
                await wake.wait(pause)
                pause = await self._serve()
                if polls and self._waiting:
                    pause = _LOOK_EVERY if pause is None else min(pause, _LOOK_EVERY)

    async def finish(self) -> None:
        """Let what goes on in the background come to its end."""
        self._handed_out.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- one agent ----------------------------------------------------------------------------

    def _waiter_of(self, asked: Claim, *, at_once: bool) -> _Waiter:
        return _Waiter(
            offer=Offer(
                agent=asked.agent,
                name=asked.name,
                kind=asked.kind,
                labels=frozenset(asked.labels),
                most=asked.most,
                ahead=asked.ahead,
            ),
            future=asyncio.get_running_loop().create_future(),
            waits=asked.wait > 0 and not at_once,
        )

    async def _wait(self, waiter: _Waiter, asked: Claim, leaving: asyncio.Future[Any]) -> list[str]:
        """Wait for runs, or for the end of the wait.

        Returns:
            Runs that the agent is deploying and is not to go on with, if that was the end of it.
        """
        seconds = min(asked.wait, self._longest_wait)
        if asked.deploying:
            # Their claims have to be renewed before they lapse, and only another request does that.
            seconds = min(seconds, self._policy.claim.total_seconds() / 3)
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        topics = [f"run:{run_id}" for run_id in asked.deploying]
        self._waiting[waiter] = None
        self._metrics.waiting_agents.set(len(self._waiting))
        self._hub.deliver("work")
        try:
            with self._hub.listen("end", *topics) as orders:
                while True:
                    # Who does not wait is answered by the next look, however long that takes.
                    rest = max(0.0, until - loop.time()) if waiter.waits else None
                    told = asyncio.ensure_future(orders.wait(rest))
                    waited_for = {waiter.future, leaving, told}
                    try:
                        await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        told.cancel()
                    if waiter.future.done() or leaving.done() or not told.result():
                        return []
                    if cancelled := await self._not_to_go_on(asked):
                        return cancelled
        except asyncio.CancelledError:
            # What it may be given now is taken back.
            waiter.future.cancel()
            raise
        finally:
            self._waiting.pop(waiter, None)
            self._metrics.waiting_agents.set(len(self._waiting))

    async def _outcome(self, waiter: _Waiter) -> Handed:
        """Return what came of a wait; what is being given to it right now is waited for."""
        if waiter.future.done() or waiter in self._served:
            return await waiter.future
        return Handed(runs=[], next_due=waiter.next_due)

    async def _renew(self, asked: Claim) -> list[str]:
        """Renew the claims of the runs that an agent is deploying, if it is time to.

        Returns:
            Those that it is not to go on with.
        """

        def look(connection: Connection) -> tuple[list[str], float | None]:
            return (
                stored.not_to_go_on(connection, asked.agent, asked.deploying),
                stored.soonest_lapse(connection, asked.deploying),
            )

        cancelled, lapse = await self._database.read(look)
        if lapse is None or lapse - timestamp() > self._policy.claim.total_seconds() / 2:
            return cancelled
        return await self._database.write(
            lambda c: stored.renew(c, asked.agent, asked.deploying, self._policy, now())
        )

    async def _not_to_go_on(self, asked: Claim) -> list[str]:
        return await self._database.read(
            lambda c: stored.not_to_go_on(c, asked.agent, asked.deploying)
        )

    # -- all agents ---------------------------------------------------------------------------

    async def _serve(self) -> float | None:
        """Hand out what is due.

        Returns:
            After how many seconds to look again, if nothing happens before; None if nothing will
            be due.
        """
        waiters = list(self._waiting)
        seen = self._heard.to_note(waiter.offer.agent for waiter in waiters)
        if not waiters and not seen:
            return None
        self._served = set(waiters)
        try:
            handed = await self._database.write(lambda c: self._look(c, waiters, seen))
        except Exception as error:
            for waiter in waiters:
                self._waiting.pop(waiter, None)
                if not waiter.future.done():
                    waiter.future.set_exception(error)
            if isinstance(error, DatabaseError):
                return _PAUSE_AFTER_FAILURE
            raise
        finally:
            self._served = set()
        self._heard.noted(seen)
        for waiter, got in zip(waiters, handed, strict=True):
            self._give(waiter, got)
        if any(got.runs for got in handed) and self._waiting:
            return 0.0
        return self._pause()

    def _look(
        self, connection: Connection, waiters: Sequence[_Waiter], seen: Sequence[Seen]
    ) -> list[Handed]:
        stored_agents.seen(connection, seen, timestamp())
        if not waiters:
            return []
        offers = [waiter.offer for waiter in waiters]
        return stored.claim(connection, offers, self._policy, now(), _token)

    def _give(self, waiter: _Waiter, got: Handed) -> None:
        for run in got.runs:
            self._hub.notify(f"run:{run.id}")
        self._metrics.claimed.inc(len(got.runs))
        waiter.next_due = got.next_due
        if not got.runs and waiter.waits and waiter in self._waiting:
            return
        self._waiting.pop(waiter, None)
        if not waiter.future.done():
            waiter.future.set_result(got)
            return
        claims = [(run.id, run.attempt) for run in got.runs]
        self._take_back(claims, f"the agent {waiter.offer.name} went away before it got it")

    def _pause(self) -> float | None:
        """Return for how many seconds nothing will be due for those that wait."""
        dues = [
            waiter.next_due - waiter.offer.ahead
            for waiter in self._waiting
            if waiter.next_due is not None
        ]
        if self._waiting:
            dues.append(self._heard.next_note(waiter.offer.agent for waiter in self._waiting))
        return max(0.0, min(dues) - timestamp()) if dues else None

    # -- claims that got lost -----------------------------------------------------------------

    def _lost(self, agent: str, claims: list[ClaimedAttempt]) -> None:
        self._take_back(claims, f"the agent {agent} did not get to know of it")

    def _take_back(self, claims: list[ClaimedAttempt], why: str) -> None:
        if not claims:
            return
        task = asyncio.ensure_future(self._perform_take_back(claims, why))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _perform_take_back(self, claims: list[ClaimedAttempt], why: str) -> None:
        try:
            taken = await self._database.write(
                lambda c: stored.give_back(c, claims, why, self._policy, now())
            )
        except DatabaseError as error:
            _log.warning("Claims that got lost are left to lapse by themselves: %s", error)
            return
        for run_id in taken:
            self._hub.notify(f"run:{run_id}")
        if taken:
            self._hub.notify("work")


def _token() -> Token:
    secret = new_token()
    return Token(secret, hash_of(secret))


def _until(due: float | None) -> float | None:
    return None if due is None else max(0.0, due - timestamp())


def _check(asked: Claim) -> None:
    """Refuse what no agent of ours asks for.

    Raises:
        Refusal: If a value is out of its bounds; 400.
    """
    for name, value, most in (
        ("most", asked.most, MOST_AT_ONCE),
        ("ahead", asked.ahead, MOST_AHEAD),
        ("wait", asked.wait, float("inf")),
    ):
        if not 0 <= value <= most:
            raise Refusal(
                400, "invalid", f"{name}: {value} is not between 0 and {most}. Ask within that."
            )
    for name, text in (("agent", asked.agent), ("kind", asked.kind)):
        if not text:
            raise Refusal(400, "invalid", f"{name}: it is empty. An agent has to say what it is.")

"""Hands flow runs to agents that wait for them, the moment that they are due."""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Collection, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headrace.core.errors import DatabaseError
from headrace.core.now import now, timestamp
from headrace.server.db import agents as stored_agents
from headrace.server.db import claims as stored
from headrace.server.db.claims import Handed, Token
from headrace.server.db.deploying import give_back, look_after
from headrace.server.services.auth import hash_of, new_token
from headrace.server.services.handed import Claimed as ClaimedAttempt
from headrace.server.services.handed import HandedOut, Question
from headrace.server.services.heard_of import HeardOf
from headrace.server.services.waiters import Outcome, Waiter, check, waiter_of
from headrace.wire.claims import Claim, Claimed, ClaimedRun

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from headrace.server.db.agents import Seen
    from headrace.server.db.database import Database
    from headrace.server.parts import Parts
    from headrace.server.rules.ownership import Policy
    from headrace.server.services.hub import Hub
    from headrace.server.services.metrics import Metrics

_log = logging.getLogger("headrace.server")

#: How long, in seconds, to wait before another look after the database failed.
_PAUSE_AFTER_FAILURE = 1.0
#: How often to look without being woken where other servers' notifications may get lost.
_LOOK_EVERY = 10.0
#: The topic of agents that have come.
_ARRIVAL = "arrival"


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
        self._waiting: dict[Waiter, None] = {}
        #: Those whose question may come again, by what they call it.
        self._asking: dict[Question, Waiter] = {}
        #: Those that the transaction that is being performed serves.
        self._served: set[Waiter] = set()
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
            check(asked)
            self._heard.of(asked)
            waiter = waiter_of(asked)
            answer = self._handed_out.asked(waiter.question)
            if answer is not None:
                return Claimed(runs=answer, now=now() if answer else None)
            self._handed_out.heard(asked.agent, asked.deploying, asks=asked.most > 0)
            self._overtake(waiter)
            await self._wait(waiter, min(asked.wait, self._longest_wait), leaving)
            outcome = await self._outcome(waiter)
        finally:
            leaving.cancel()
        got = outcome.handed
        if leaving.done() and not leaving.cancelled():
            self._went_away(waiter, got.runs)
            return Claimed()
        self._handed_out.given(waiter.question, got.runs)
        due = got.next_due
        return Claimed(
            runs=got.runs,
            cancelled=outcome.cancelled,
            begun=outcome.begun,
            next_due=None if due is None else max(0.0, due - timestamp()),
            now=now() if got.runs else None,
        )

    async def run(self, parts: Parts) -> None:
        """Hand out runs, whenever there may be any, until the server ends."""
        polls = parts.database.dialect != "sqlite"
        with self._hub.listen("work", _ARRIVAL) as wake, self._hub.listen("work") as work:
            # If it failed and starts again, nobody tells it of those that have come meanwhile.
            wake.set()
            work.set()
            pause: float | None = None
            while not self._hub.is_closed:
                in_time = await wake.wait(pause)
                # Those that were looked at and got nothing get nothing now, unless there is more.
                pause = await self._serve(everybody=work.take() or not in_time)
                if polls and self._waiting:
                    pause = _LOOK_EVERY if pause is None else min(pause, _LOOK_EVERY)

    async def finish(self) -> None:
        """Let what goes on in the background come to its end."""
        self._handed_out.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- one agent ----------------------------------------------------------------------------

    def _overtake(self, waiter: Waiter) -> None:
        """Answer nothing to whoever asks the same as this one, and has waited before it."""
        if not waiter.question.session:
            return
        other = self._asking.get(waiter.question)
        self._asking[waiter.question] = waiter
        if other is not None and not other.future.done():
            other.future.set_result(Outcome(Handed(runs=[], next_due=None), [], []))

    async def _wait(self, waiter: Waiter, seconds: float, leaving: asyncio.Future[Any]) -> None:
        """Wait until there is something to tell the agent, or until the end of its wait."""
        if waiter.deploying:
            # Their claims have to be renewed before they lapse, and only another request does that.
            seconds = min(seconds, self._policy.claim.total_seconds() / 3)
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        topics = [f"orders:{run_id}" for run_id in waiter.deploying]
        self._waiting[waiter] = None
        self._metrics.waiting_agents.set(len(self._waiting))
        try:
            with self._hub.listen("end", *topics) as changed:
                while True:
                    waiter.is_new = True
                    self._hub.deliver(_ARRIVAL)
                    # Who does not wait is answered by the next look, however long that takes.
                    rest = max(0.0, until - loop.time()) if waiter.waits else None
                    told = asyncio.ensure_future(changed.wait(rest))
                    waited_for = {waiter.future, leaving, told}
                    try:
                        await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        told.cancel()
                    if waiter.future.done() or leaving.done() or not told.result():
                        return
        except asyncio.CancelledError:
            # What it may be given now is taken back.
            waiter.future.cancel()
            raise
        finally:
            self._waiting.pop(waiter, None)
            if self._asking.get(waiter.question) is waiter:
                del self._asking[waiter.question]
            self._metrics.waiting_agents.set(len(self._waiting))

    async def _outcome(self, waiter: Waiter) -> Outcome:
        """Return what came of a wait; what is being given to it right now is waited for."""
        if waiter.future.done() or waiter in self._served:
            return await waiter.future
        return Outcome(Handed(runs=[], next_due=waiter.next_due), [], waiter.begun)

    # -- all agents ---------------------------------------------------------------------------

    async def _serve(self, *, everybody: bool) -> float | None:
        """Hand out what is due.

        Args:
            everybody: Whether to look at all agents that wait; else only at those that are new.

        Returns:
            After how many seconds to look again, if nothing happens before; None if nothing will
            be due.
        """
        waiters = [
            waiter
            for waiter in self._waiting
            if (everybody or waiter.is_new) and not waiter.future.done()
        ]
        seen = self._heard.to_note(waiter.offer.agent for waiter in self._waiting)
        if not waiters and not seen:
            return self._pause()
        news = {waiter for waiter in waiters if waiter.is_new}
        for waiter in news:
            waiter.is_new = False
        self._served = set(waiters)
        try:
            outcomes = await self._database.write(lambda c: self._look(c, waiters, news, seen))
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
        for waiter, outcome in zip(waiters, outcomes, strict=True):
            self._give(waiter, outcome)
        return self._pause()

    def _look(
        self,
        connection: Connection,
        waiters: Sequence[Waiter],
        news: Collection[Waiter],
        seen: Sequence[Seen],
    ) -> list[Outcome]:
        """Do what is to be done for all agents in one transaction; runs in the writer's thread."""
        stored_agents.seen(connection, seen, timestamp())
        deploying: dict[str, list[str]] = {}
        for waiter in news:
            if waiter.deploying:
                deploying.setdefault(waiter.offer.agent, []).extend(waiter.deploying)
        progress = look_after(connection, deploying, self._policy, now())
        takers = [waiter for waiter in waiters if waiter.offer.most]
        offers = [waiter.offer for waiter in takers]
        handed = stored.claim(connection, offers, self._policy, now(), _token) if takers else []
        got = dict(zip(takers, handed, strict=True))
        nothing = Handed(runs=[], next_due=None)
        return [
            Outcome(
                got.get(waiter, nothing),
                _among(progress.stopped, waiter),
                _among(progress.begun, waiter),
            )
            for waiter in waiters
        ]

    def _give(self, waiter: Waiter, outcome: Outcome) -> None:
        got = outcome.handed
        for run in got.runs:
            self._hub.notify(f"run:{run.id}")
        if got.runs:
            self._metrics.claimed.inc(len(got.runs))
        if waiter.future.done():
            # Whoever asked has gone. It may have asked the same again in the meantime.
            again = self._asking.get(waiter.question)
            if again is None or again.future.done():
                self._went_away(waiter, got.runs)
                return
            waiter = again
        waiter.next_due = got.next_due
        waiter.begun = outcome.begun or waiter.begun
        has_news = got.runs or outcome.cancelled
        if has_news or not waiter.waits or waiter not in self._waiting:
            self._waiting.pop(waiter, None)
            waiter.future.set_result(outcome)

    def _pause(self) -> float | None:
        """Return for how many seconds nothing will be due for those that wait."""
        if not self._waiting:
            return None
        soonest = self._heard.next_note(waiter.offer.agent for waiter in self._waiting)
        for waiter in self._waiting:
            if waiter.next_due is not None:
                soonest = min(soonest, waiter.next_due - waiter.offer.ahead)
        return max(0.0, soonest - timestamp())

    # -- claims that got lost -----------------------------------------------------------------

    def _went_away(self, waiter: Waiter, runs: Sequence[ClaimedRun]) -> None:
        """Keep runs that found nobody for whoever asks the same again; else take them back."""
        if self._handed_out.is_open(waiter.question):
            self._handed_out.given(waiter.question, runs, is_read=False)
        else:
            claims = [(run.id, run.attempt) for run in runs]
            self._take_back(claims, f"the agent {waiter.offer.name} went away before it got it")

    def _lost(self, agent: str, claims: list[ClaimedAttempt]) -> None:
        self._take_back(claims, f"the agent {agent} did not get to know of it")

    def _take_back(self, claims: list[ClaimedAttempt], why: str) -> None:
        if claims:
            task = asyncio.ensure_future(self._perform_take_back(claims, why))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _perform_take_back(self, claims: list[ClaimedAttempt], why: str) -> None:
        try:
            taken = await self._database.write(
                lambda connection: give_back(connection, claims, why, self._policy, now())
            )
        except DatabaseError as error:
            _log.warning("Claims that got lost are left to lapse by themselves: %s", error)
            return
        for run_id in taken:
            self._hub.notify(f"run:{run_id}")
            self._hub.notify(f"orders:{run_id}")
        if taken:
            self._hub.notify("work")


def _among(by_agent: Mapping[str, Sequence[str]], waiter: Waiter) -> list[str]:
    of_agent = by_agent.get(waiter.offer.agent)
    return [run_id for run_id in waiter.deploying if run_id in of_agent] if of_agent else []


def _token() -> Token:
    secret = new_token()
    return Token(secret, hash_of(secret))

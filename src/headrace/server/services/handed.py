"""Claims that were answered with, until their agent shows that the answer has got to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from headrace.wire.claims import ClaimedRun

#: How many agents are remembered.
_MOST_AGENTS = 10_000
#: A flow run's id, and the attempt that it was claimed as.
Claimed = tuple[str, int]


class Question(NamedTuple):
    """What an agent calls one of its claims; it has the same name however often it arrives."""

    agent: str
    #: One run of the agent's program; empty for an agent that does not name its questions.
    session: str
    number: int


class HandedOut:
    """Answers a question that comes again as before, and finds out which claims got lost.

    A question comes again because no answer came, or because the network repeats it. And an agent
    names the runs that it is deploying with each claim: one that it was given with the last answer
    and does not name with the next question got lost on the way, or has begun already.

    Args:
        take_back: Called with an agent's id and its claims that seem to have got lost.
        grace: For how many seconds after an agent's next question, or after it went away before it
            was answered, a run may still be heard of: its process may be on its way already, and an
            agent that heard nothing asks again.
    """

    def __init__(self, take_back: Callable[[str, list[Claimed]], None], grace: float = 5.0) -> None:
        self._take_back = take_back
        self._grace = grace
        self._asked: dict[str, Question] = {}
        #: What the latest question of each agent was answered with.
        self._answers: dict[str, dict[Claimed, ClaimedRun]] = {}
        #: What is not known to have got to the agent.
        self._last: dict[str, list[Claimed]] = {}
        self._suspects: dict[str, dict[Claimed, asyncio.TimerHandle]] = {}

    def asked(self, question: Question) -> list[ClaimedRun] | None:
        """Note a question.

        Returns:
            What to answer at once: the same runs as before to one that comes again, no runs to one
            that was overtaken by a later one; None if it is still to be answered.
        """
        agent, session, number = question
        if not session:
            return None
        last = self._asked.get(agent)
        if last is None or last.session != session or number > last.number:
            self._asked.pop(agent, None)
            self._asked[agent] = question
            self._answers.pop(agent, None)
            if len(self._asked) > _MOST_AGENTS:
                self._forget(next(iter(self._asked)))
            return None
        if number < last.number:
            return []
        runs = self._answers.get(agent)
        if not runs:
            return None
        suspects = self._suspects.get(agent, {})
        for claim in runs.keys() & suspects.keys():
            suspects.pop(claim).cancel()
        self._last[agent] = list(runs)
        return list(runs.values())

    def is_open(self, question: Question) -> bool:
        """Tell whether an agent may still ask this again: it has asked nothing since."""
        return bool(question.session) and self._asked.get(question.agent) == question

    def given(
        self, question: Question, runs: Sequence[ClaimedRun], *, is_read: bool = True
    ) -> None:
        """Note what an agent is answered with.

        Args:
            question: The question.
            runs: Its runs.
            is_read: Whether somebody waits for the answer; else it has to be asked again soon.
        """
        if not runs:
            return
        agent = question.agent
        claims = {(run.id, run.attempt): run for run in runs}
        if self.is_open(question):
            self._answers[agent] = claims
        if is_read:
            self._last.setdefault(agent, []).extend(claims)
            if len(self._last) > _MOST_AGENTS:
                self._forget(next(iter(self._last)))
        else:
            self._suspect(agent, claims)

    def heard(self, agent: str, deploying: Sequence[str], *, asks: bool) -> None:
        """Note which runs an agent names.

        Args:
            agent: The agent's id.
            deploying: The runs.
            asks: Whether it asks for more, so that it has read its last answer or will not.
        """
        named = set(deploying)
        suspects = self._suspects.get(agent, {})
        for claim in [claim for claim in suspects if claim[0] in named]:
            suspects.pop(claim).cancel()
        unnamed = [claim for claim in self._last.pop(agent, ()) if claim[0] not in named]
        if asks:
            self._suspect(agent, unnamed)
        elif unnamed:
            self._last[agent] = unnamed

    def close(self) -> None:
        """Forget everything: the claims lapse by themselves."""
        for suspects in self._suspects.values():
            for timer in suspects.values():
                timer.cancel()
        self._suspects.clear()

    def _suspect(self, agent: str, claims: Sequence[Claimed] | dict[Claimed, ClaimedRun]) -> None:
        for claim in claims:
            later = asyncio.get_running_loop().call_later(self._grace, self._lose, agent, claim)
            self._suspects.setdefault(agent, {})[claim] = later

    def _lose(self, agent: str, claim: Claimed) -> None:
        suspects = self._suspects[agent]
        del suspects[claim]
        if not suspects:
            del self._suspects[agent]
        self._answers.get(agent, {}).pop(claim, None)
        self._take_back(agent, [claim])

    def _forget(self, agent: str) -> None:
        """Forget an agent that has gone; its claims lapse by themselves."""
        for kept in (self._asked, self._answers, self._last):
            kept.pop(agent, None)

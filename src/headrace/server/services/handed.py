"""Claims that were answered with, until their agent shows that the answer has got to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

#: How many agents are remembered.
_MOST_AGENTS = 10_000
#: A flow run's id, and the attempt that it was claimed as.
Claimed = tuple[str, int]


class HandedOut:
    """Finds out which claims never got to their agent.

    An agent names the runs that it is deploying with each claim. One that it was given with the
    last answer and does not name with the next request got lost on the way, or has begun already.

    Args:
        take_back: Called with an agent's id and its claims that seem to have got lost.
        grace: For how many seconds after an agent's next request a run that it does not name may
            still be heard of: its process may be on its way already.
    """

    def __init__(self, take_back: Callable[[str, list[Claimed]], None], grace: float = 5.0) -> None:
        self._take_back = take_back
        self._grace = grace
        self._last: dict[str, list[Claimed]] = {}
        self._suspects: dict[str, dict[Claimed, asyncio.TimerHandle]] = {}

    def given(self, agent: str, claims: Sequence[Claimed]) -> None:
        """Note what an agent is answered with."""
        if claims:
            self._last.setdefault(agent, []).extend(claims)
            if len(self._last) > _MOST_AGENTS:
                # Of agents that have gone; their claims lapse by themselves.
                del self._last[next(iter(self._last))]

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
        if not asks:
            self.given(agent, unnamed)
            return
        for claim in unnamed:
            later = asyncio.get_running_loop().call_later(self._grace, self._lose, agent, claim)
            self._suspects.setdefault(agent, {})[claim] = later

    def close(self) -> None:
        """Forget everything: the claims lapse by themselves."""
        for suspects in self._suspects.values():
            for timer in suspects.values():
                timer.cancel()
        self._suspects.clear()

    def _lose(self, agent: str, claim: Claimed) -> None:
        suspects = self._suspects[agent]
        del suspects[claim]
        if not suspects:
            del self._suspects[agent]
        self._take_back(agent, [claim])

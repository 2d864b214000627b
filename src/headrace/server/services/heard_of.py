"""When agents were last heard of, written down now and then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headrace.core.now import timestamp
from headrace.server.db.agents import Seen
from headrace.wire.claims import Claim

#: How often it is noted that an agent was heard of, in seconds.
NOTE_EVERY = 20.0
#: After how many seconds an agent that says nothing is forgotten here.
_FORGET_AFTER = 600.0
_FORGET_FROM = 1000


class HeardOf:
    """Agents, and when it was last noted that they were heard of."""

    def __init__(self) -> None:
        self._noted: dict[str, tuple[Seen, float]] = {}
        self._new: dict[str, Seen] = {}

    def of(self, asked: Claim) -> None:
        """Take notice of an agent's request."""
        agent = Seen(
            id=asked.agent, name=asked.name, kind=asked.kind, labels=frozenset(asked.labels)
        )
        known = self._noted.get(agent.id)
        if known is None or known[0] != agent or timestamp() - known[1] >= NOTE_EVERY:
            self._new[agent.id] = agent

    def to_note(self, waiting: Iterable[str]) -> list[Seen]:
        """Return what is to be noted now.

        Args:
            waiting: Agents that wait, so that they are there now.
        """
        now = timestamp()
        wanted, self._new = self._new, {}
        for agent_id in waiting:
            known = self._noted.get(agent_id)
            if known is not None and now - known[1] >= NOTE_EVERY:
                wanted.setdefault(agent_id, known[0])
        return list(wanted.values())

    def noted(self, agents: Sequence[Seen]) -> None:
        """Take notice that it was noted."""
        now = timestamp()
        for agent in agents:
            self._noted[agent.id] = (agent, now)
        if len(self._noted) > _FORGET_FROM:
            self._noted = {
                agent_id: known
                for agent_id, known in self._noted.items()
                if now - known[1] < _FORGET_AFTER
            }

    def next_note(self, waiting: Iterable[str]) -> float:
        """Return when the next of the agents that wait is to be noted; seconds since 1970, UTC."""
        now = timestamp()
        last = (self._noted[agent][1] for agent in waiting if agent in self._noted)
        return min(last, default=now) + NOTE_EVERY

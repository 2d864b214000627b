"""Agents that wait for flow runs: what they ask for, and what comes of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from headrace.server.db.claims import Handed
from headrace.server.problems import Refusal
from headrace.server.rules.matching import Offer
from headrace.server.services.handed import Question
from headrace.wire.claims import Claim

#: How far ahead of their time runs are handed out at most, in seconds.
MOST_AHEAD = 10.0
#: How many runs an agent may take at once.
MOST_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a look at one agent's request."""

    handed: Handed
    #: Of the runs that it is deploying, those that it is not to go on with.
    cancelled: list[str]
    #: Of the runs that it is deploying, those whose processes have begun.
    begun: list[str]


@dataclass(eq=False, slots=True)
class Waiter:
    """An agent that waits."""

    offer: Offer
    #: What it calls what it asks.
    question: Question
    #: The runs that it is deploying.
    deploying: list[str]
    #: What comes of it.
    future: asyncio.Future[Outcome]
    #: Whether it goes on waiting when there is nothing.
    waits: bool
    #: Whether it has come, or something about what it is deploying has changed, since the last look.
    is_new: bool = True
    #: When the next run is due for it, as far as is known; seconds since 1970, UTC.
    next_due: float | None = None
    #: Of the runs that it is deploying, those whose processes have begun, as of the last look.
    begun: list[str] = field(default_factory=list)


def waiter_of(asked: Claim) -> Waiter:
    """Return an agent that waits, of what it asks for."""
    return Waiter(
        offer=Offer(
            agent=asked.agent,
            name=asked.name,
            kind=asked.kind,
            labels=frozenset(asked.labels),
            most=asked.most,
            ahead=asked.ahead,
        ),
        question=Question(asked.agent, asked.session, asked.number),
        deploying=asked.deploying,
        future=asyncio.get_running_loop().create_future(),
        waits=asked.wait > 0 and asked.most > 0,
    )


def check(asked: Claim) -> None:
    """Refuse what no agent of ours asks for.

    Raises:
        Refusal: If a value is out of its bounds, or a text cannot be stored; 400.
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
    if len(asked.deploying) > MOST_AT_ONCE:
        raise Refusal(
            400,
            "invalid",
            f"deploying: {len(asked.deploying)} runs are more than {MOST_AT_ONCE}. Start another "
            f"agent for the others.",
        )
    for name, text in (("agent", asked.agent), ("kind", asked.kind)):
        if not text:
            raise Refusal(400, "invalid", f"{name}: it is empty. An agent has to say what it is.")
    # One transaction serves all agents: what PostgreSQL cannot store would fail all of them.
    for name, texts in (
        ("agent", (asked.agent,)),
        ("name", (asked.name,)),
        ("kind", (asked.kind,)),
        ("labels", asked.labels),
        ("deploying", asked.deploying),
    ):
        if any("\0" in text for text in texts):
            raise Refusal(400, "invalid", f"{name}: it has a NUL in it. Ask without it.")

"""Which agent gets which flow run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.server.rules.kinds import ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An agent that takes flow runs."""

    #: The agent's id.
    agent: str
    #: Its name, for people.
    name: str
    #: What it deploys to.
    kind: str
    labels: frozenset[str]
    #: How many runs it takes.
    most: int
    #: How far ahead of its time, in seconds, it takes a scheduled run.
    ahead: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A flow run that an agent could have."""

    key: int
    labels: frozenset[str]
    #: The kind of agent that it needs, or `any`.
    kind: str
    priority: int
    #: Seconds since 1970, UTC.
    start_time: float


def fits(labels: frozenset[str], kind: str, offer: Offer) -> bool:
    """Tell whether an agent may deploy runs of these labels and of this kind.

    A run with no labels fits every agent of its kind; an agent may have more labels than a run.
    """
    return labels <= offer.labels and kind in (ANY, offer.kind)


def assign(runs: Sequence[Due], offers: Sequence[Offer], now: float) -> list[list[int]]:
    """Give each run to at most one agent.

    Runs go by their priority, then by their time. Of the agents that a run fits and that still take
    one, it goes to the one that has the fewest of those that were given now, and of these to the
    one that has waited longest: so runs spread over agents that wait together.

    Args:
        runs: The runs.
        offers: The agents, in the order of their arrival.
        now: The time; seconds since 1970, UTC.

    Returns:
        For each offer the keys of the runs that the agent gets, in their order.
    """
    given: list[list[int]] = [[] for _ in offers]
    # Many runs have the same labels, so who fits them is found out once.
    fitting: dict[tuple[frozenset[str], str], list[int]] = {}
    for run in sorted(runs, key=lambda run: (-run.priority, run.start_time, run.key)):
        needed = (run.labels, run.kind)
        if (places := fitting.get(needed)) is None:
            places = fitting[needed] = [
                place for place, offer in enumerate(offers) if fits(*needed, offer)
            ]
        open_places = [
            place
            for place in places
            if len(given[place]) < offers[place].most
            and run.start_time <= now + offers[place].ahead
        ]
        if open_places:
            # Of several that have the fewest, `min` takes the first.
            given[min(open_places, key=lambda place: len(given[place]))].append(run.key)
    return given

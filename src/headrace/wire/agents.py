"""Agents, as a server knows them."""

from __future__ import annotations

import datetime

from headrace.wire.base import Answer


class Agent(Answer):
    """An agent.

    Attributes:
        id: The id that it has chosen.
        name: Its name.
        kind: What it deploys to.
        labels: Its labels.
        first_seen: When it was first heard of.
        last_seen: When it was last heard of.
        is_online: Whether it was heard of in the last minute.
    """

    id: str
    name: str
    kind: str
    labels: list[str]
    first_seen: datetime.datetime
    last_seen: datetime.datetime
    is_online: bool

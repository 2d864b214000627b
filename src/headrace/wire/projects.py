"""Projects: what flows are kept apart in."""

from __future__ import annotations

import datetime

from headrace.wire.base import Answer, Request


class CreateProject(Request):
    """Make a project.

    Attributes:
        name: Its name: unique.
        description: What it is for.
    """

    name: str
    description: str = ""


class Project(Answer):
    """A project.

    Attributes:
        id: Its id.
        name: Its name.
        description: What it is for.
        created: When it was made.
        flows: How many flows it has, each counted once, whatever its versions.
    """

    id: str
    name: str
    description: str
    created: datetime.datetime
    flows: int = 0

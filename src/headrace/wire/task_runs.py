"""Task runs, as a server knows them."""

from __future__ import annotations

import datetime

from headrace.wire.base import Answer
from headrace.wire.flow_runs import Waiting


class TaskRun(Answer):
    """The run of a task, or of one child of a mapped task.

    Attributes:
        flow_run_id: The flow run's id.
        slug: The task's slug.
        map_index: The child of a mapped task; -1 for the task itself.
        name: The task run's name.
        state: The type of its state; `Pending` before its turn.
        message: What the state says.
        state_since: Since when it has this state; None before its turn.
        is_finished: Whether it is over.
        waiting: Why it is where it is, while it is not over.
        started: When its function began last.
        ended: When it was over.
        run_count: How often its function was called in the latest attempt that ran it.
        attempt: The attempt that reported it last.
        location: Where its result is stored.
        place: Where it ran, as `host:pid`.
        due: When it goes on, if it waits for a time.
        children: How many children it has, if it is mapped.
        reused: Whether its result was taken over from an earlier attempt.
    """

    flow_run_id: str
    slug: str
    map_index: int
    name: str
    state: str
    is_finished: bool
    message: str | None = None
    state_since: datetime.datetime | None = None
    waiting: Waiting | None = None
    started: datetime.datetime | None = None
    ended: datetime.datetime | None = None
    run_count: int = 0
    attempt: int = 0
    location: str | None = None
    place: str | None = None
    due: datetime.datetime | None = None
    children: int | None = None
    reused: bool = False


class TaskRunPage(Answer):
    """Some task runs, in the order of slugs and map indexes.

    Attributes:
        items: The task runs.
        next: What to ask for the following page with; None if there is none.
    """

    items: list[TaskRun]
    next: str | None = None


class TaskRunCounts(Answer):
    """How many task runs of a flow run are in which state.

    Attributes:
        states: Counts, by the type of the state. A mapped task's children count, and it does not.
        tasks: The same, for each task's slug.
    """

    states: dict[str, int]
    tasks: dict[str, dict[str, int]]


class TaskRunState(Answer):
    """An entry of a task run's history.

    Attributes:
        at: When.
        state: The type of the state.
        message: What it says.
        attempt: The attempt that it was in.
        run_count: How often the task's function was called, this time included.
        place: Where it ran, as `host:pid`.
        is_stale: Whether an attempt that had lost the run wrote it: it has changed nothing.
    """

    at: datetime.datetime
    state: str
    attempt: int
    message: str | None = None
    run_count: int = 1
    place: str | None = None
    is_stale: bool = False

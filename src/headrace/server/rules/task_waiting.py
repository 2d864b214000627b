"""Why a task run that is not over is where it is, whose turn it is, and what to do about it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.server.rules.ownership import Phase
from headrace.server.rules.waiting import RunFacts, moment, named_few, sentence
from headrace.wire.flow_runs import Waiting

Time = datetime.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What is known of a task run that is not over.

    Attributes:
        slug: The task's slug.
        map_index: The child of a mapped task; -1 for the task itself.
        state: The type of its state; `Pending` before its turn.
        since: Since when it has this state; None before its turn.
        message: What its state says.
        attempt: The attempt that reported it last.
        place: Where it runs.
        due: When it goes on, if it waits for a time.
        unfinished: Its upstream tasks that are not over, with their states: `extract (Running)`.
    """

    slug: str
    map_index: int = -1
    state: str = "Pending"
    since: Time | None = None
    message: str | None = None
    attempt: int = 0
    place: str | None = None
    due: Time | None = None
    unfinished: Sequence[str] = ()


def why_task_waits(task: TaskFacts, run: RunFacts, why_run: Waiting | None, now: Time) -> Waiting:
    """Say why a task run that is not over is where it is.

    Args:
        task: The task run.
        run: Its flow run.
        why_run: Why that waits; None if it is over.
        now: The time.
    """
    if why_run is None:
        return Waiting(
            reason=f"Its flow run is over ({run.state}) and has not finished it.",
            whose_turn="user",
            remedy=f"headrace flow-run restart {run.id}",
        )
    if task.state == "Paused":
        message = f"{sentence(task.message)} " if task.message else ""
        return Waiting(
            reason=f"{message}It is paused until a person says that it may go on.",
            whose_turn="user",
            remedy=f"headrace flow-run resume {run.id}",
        )
    if run.phase is not Phase.RUNNING:
        return _not_running(task, why_run, now)
    if task.due is not None and task.due > now:
        return Waiting(reason=_due(task, task.due, now), whose_turn="clock")
    if task.state == "Running" and task.attempt == run.attempt:
        where = f" on {task.place}" if task.place else ""
        since = f" since {moment(task.since, now)}" if task.since is not None else ""
        return _runner(f"It is running{where}{since}.", why_run)
    if task.unfinished:
        word = "task" if len(task.unfinished) == 1 else "tasks"
        return _runner(f"It waits for the upstream {word} {named_few(task.unfinished)}.", why_run)
    if task.state == "Running":
        return _runner(
            f"It was running in attempt {task.attempt}, which was lost: it runs again.", why_run
        )
    return _runner("It is ready, and waits for a free slot of the executor.", why_run)


def _due(task: TaskFacts, due: Time, now: Time) -> str:
    message = f"{sentence(task.message)} " if task.message else ""
    what = "It is tried again" if task.state == "Retrying" else "It goes on"
    return f"{message}{what} at {moment(due, now)}."


def _not_running(task: TaskFacts, why_run: Waiting, now: Time) -> Waiting:
    if task.due is not None and task.due > now:
        reason = _due(task, task.due, now)
    elif task.state == "Running":
        reason = f"It was running in attempt {task.attempt}, and runs again with its flow run."
    else:
        reason = "Its flow run is not running."
    return Waiting(
        reason=f"{reason} {why_run.reason}", whose_turn=why_run.whose_turn, remedy=why_run.remedy
    )


def _runner(reason: str, why_run: Waiting) -> Waiting:
    """Return a reason that lies in the flow run's process, which may itself not be heard of."""
    if why_run.whose_turn == "runner":
        return Waiting(reason=reason, whose_turn="runner")
    return Waiting(
        reason=f"{reason} {why_run.reason}", whose_turn=why_run.whose_turn, remedy=why_run.remedy
    )

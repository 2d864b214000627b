"""Flow runs: made, looked at, cancelled, paused, resumed."""

from __future__ import annotations

import datetime
from typing import Any

from headrace.wire.base import Answer, Request


class CreateFlowRun(Request):
    """Make a flow run: of a version, or of the current version of a flow.

    Attributes:
        flow_id: The version; else the project and the flow are named, or the version group.
        flow_name: The flow's name.
        project_name: The project's name.
        version_group_id: The version group, whose current version is run.
        parameters: Values of parameters, by name; the flow's defaults fill in the rest.
        name: The run's name; by default one is made up.
        labels: Labels instead of the flow's.
        run_config: A run config instead of the flow's, described.
        start_time: When to start; at once by default.
        priority: Runs with a higher one are claimed earlier.
        idempotency_key: A second request with the same key makes no second run.
        context: More context keys.
    """

    flow_id: str | None = None
    flow_name: str | None = None
    project_name: str | None = None
    version_group_id: str | None = None
    parameters: dict[str, Any] = {}
    name: str | None = None
    labels: list[str] | None = None
    run_config: dict[str, Any] | None = None
    start_time: datetime.datetime | None = None
    priority: int = 0
    idempotency_key: str | None = None
    context: dict[str, Any] = {}


class CreatedFlowRun(Answer):
    """What came of it.

    Attributes:
        id: The flow run's id.
        name: Its name.
        is_new: False if the idempotency key was that of a run that there is.
    """

    id: str
    name: str
    is_new: bool = True


class Waiting(Answer):
    """Why something unfinished is where it is.

    Attributes:
        reason: What it waits for: "No agent with the label gpu since 14:02."
        whose_turn: Whose turn it is: `agent`, `runner`, `server`, `user` or `clock`.
        remedy: What to do about it; None if time will do.
    """

    reason: str
    whose_turn: str
    remedy: str | None = None


class FlowRun(Answer):
    """A flow run.

    Attributes:
        id: Its id.
        name: Its name.
        flow_id: The id of the flow's version.
        flow_name: The flow's name.
        flow_version: Its version.
        project_name: The project's name.
        state: The type of its state: `Scheduled`, `Submitted`, `Running`, `Cancelling`, `Paused`,
            `Success`, `Failed`, `Cancelled`.
        message: What the state says: how it came to it, in the infrastructure's own words.
        state_since: Since when it has this state.
        is_finished: Whether it is over.
        waiting: Why it is where it is, while it is not over.
        created: When it was made.
        created_by: Who made it: `scheduler`, or the name of an API key, or `anonymous`.
        scheduled_start_time: When it was meant to start.
        started: When its first attempt began.
        ended: When it was over.
        attempt: How often it has been claimed.
        recoveries: How many attempts were lost.
        agent: The name of the agent that claimed it last.
        host: Where its process is or was.
        pid: Its process id there.
        parameters: Values of parameters, by name.
        labels: Its labels.
        run_config: Its run config, described.
        priority: Its priority.
        idempotency_key: Its idempotency key.
        notes: What preflight had to say of the flow.
    """

    id: str
    name: str
    flow_id: str
    flow_name: str
    flow_version: int
    project_name: str
    state: str
    message: str
    state_since: datetime.datetime
    is_finished: bool
    created: datetime.datetime
    created_by: str
    scheduled_start_time: datetime.datetime | None = None
    waiting: Waiting | None = None
    started: datetime.datetime | None = None
    ended: datetime.datetime | None = None
    attempt: int = 0
    recoveries: int = 0
    agent: str | None = None
    host: str | None = None
    pid: int | None = None
    parameters: dict[str, Any] = {}
    labels: list[str] = []
    run_config: dict[str, Any] | None = None
    priority: int = 0
    idempotency_key: str | None = None
    notes: list[str] = []


class FlowRunPage(Answer):
    """Some flow runs, newest first.

    Attributes:
        items: The flow runs.
        next: What to ask for the following page with; None if there is none.
    """

    items: list[FlowRun]
    next: str | None = None


class FlowRunState(Answer):
    """An entry of a flow run's history.

    Attributes:
        at: When.
        state: The type of the state that it got, or keeps.
        message: What happened, and why.
        attempt: The attempt that it was in.
        who: Who did it: the name of an agent, `runner`, `server`, `scheduler`, the name of a key.
        is_stale: Whether an attempt that had lost the run wrote it: it has changed nothing.
    """

    at: datetime.datetime
    state: str
    message: str
    attempt: int
    who: str
    is_stale: bool = False


class Reason(Request):
    """Why somebody cancels, pauses or restarts a flow run.

    Attributes:
        reason: Why, for people.
    """

    reason: str | None = None


class RenameFlowRun(Request):
    """Give a flow run another name.

    Attributes:
        name: The name.
    """

    name: str


class Resume(Request):
    """Let a paused flow run go on.

    Attributes:
        reason: Why, for people.
        tasks: Slugs, with map indexes (-1 for a task that is not mapped), of the paused tasks that
            may go on; None for all of them.
    """

    reason: str | None = None
    tasks: list[tuple[str, int]] | None = None

"""Flows: what is registered, and what is known of it."""

from __future__ import annotations

import datetime
from typing import Any

from headrace.wire.base import Answer, Request


class RegisterFlow(Request):
    """Register a flow: make a new version, unless it is the one that there is.

    Attributes:
        project: The project's name; it must exist.
        name: The flow's name.
        graph: Its tasks, edges, parameters and reference tasks, as `core.description` describes
            them: no code, no values, no executor.
        schedule: Its schedule, described; None without one.
        storage: Where its code is, described.
        run_config: How it is deployed, described.
        labels: What an agent needs to have; the run config's and the storage's are among them.
        hash: The hash of all of the above, by which an unchanged flow is known.
        version_group_id: The group that it is a version of; by default that of the flow of this
            name in the project.
        idempotency_key: Taken in the place of `hash` to tell whether it has changed.
        schedule_active: Whether its schedule is on; None leaves it as it is, and on for a new flow.
        force: Whether to make a new version though nothing has changed.
        max_recoveries: How often a lost attempt is followed by another.
        on_disconnect: `continue` or `hold`.
        lost_after: How many seconds of silence after its lease make a process lost.
        notes: What preflight had to say, for the pages of its runs.
    """

    project: str
    name: str
    graph: dict[str, Any]
    hash: str
    schedule: dict[str, Any] | None = None
    storage: dict[str, Any] | None = None
    run_config: dict[str, Any] | None = None
    labels: list[str] = []
    version_group_id: str | None = None
    idempotency_key: str | None = None
    schedule_active: bool | None = None
    force: bool = False
    max_recoveries: int = 3
    on_disconnect: str = "continue"
    lost_after: float = 300.0
    notes: list[str] = []


class Registered(Answer):
    """What came of a registration.

    Attributes:
        id: The id of the flow's version.
        version: Its version: 1, 2, …
        version_group_id: The group that it is a version of.
        is_new: Whether a version was made; False if nothing had changed.
        warnings: What its user should know: labels that no agent has, say.
    """

    id: str
    version: int
    version_group_id: str
    is_new: bool
    warnings: list[str] = []


class Flow(Answer):
    """One version of a flow.

    Attributes:
        id: Its id.
        name: The flow's name.
        project_name: The project's name.
        version: Its version.
        version_group_id: The group that it is a version of.
        is_archived: Whether a newer version has taken its place, or it was archived.
        created: When it was registered.
        hash: The hash that it was registered with.
        schedule: Its schedule, described.
        schedule_active: Whether the schedule is on.
        storage: Where its code is, described.
        run_config: How it is deployed, described.
        labels: What an agent needs to have.
        graph: Its tasks and edges; None in lists.
        parameters: Its parameters, described.
        max_recoveries: How often a lost attempt is followed by another.
        on_disconnect: What a run does that cannot reach the server: `continue`, or `hold`.
        lost_after: After how many seconds of silence a run's process is lost.
        notes: What preflight, and the server, have to say of it.
        next_run: When the next of its scheduled runs starts.
        overrides: What its runs take instead of what was registered: `parameters`, `labels`,
            `run_config`.
    """

    id: str
    name: str
    project_name: str
    version: int
    version_group_id: str
    is_archived: bool
    created: datetime.datetime
    hash: str
    schedule: dict[str, Any] | None = None
    schedule_active: bool = True
    storage: dict[str, Any] | None = None
    run_config: dict[str, Any] | None = None
    labels: list[str] = []
    parameters: list[dict[str, Any]] = []
    graph: dict[str, Any] | None = None
    max_recoveries: int = 3
    on_disconnect: str = "continue"
    lost_after: float = 300.0
    notes: list[str] = []
    next_run: datetime.datetime | None = None
    overrides: dict[str, Any] = {}


class SetSchedule(Request):
    """Switch a flow's schedule on or off.

    Attributes:
        active: Whether it is on.
    """

    active: bool


class SetOverrides(Request):
    """What all future runs of a flow, whatever its version, take instead of what was registered.

    Attributes:
        parameters: Values of parameters; None leaves them as they are.
        labels: Labels; None leaves them as they are.
        run_config: A run config, described; None leaves it as it is.
        reset: Whether everything that was set before is taken back first.
    """

    parameters: dict[str, Any] | None = None
    labels: list[str] | None = None
    run_config: dict[str, Any] | None = None
    reset: bool = False

"""How an agent gets flow runs, and how a deployed process begins and ends."""

from __future__ import annotations

import datetime
from typing import Any

from headrace.wire.base import Answer, Request


class Claim(Request):
    """An agent asks for flow runs to deploy.

    Attributes:
        agent: The agent's id, chosen by itself and kept over restarts.
        name: The agent's name, for people.
        kind: What it deploys to: `local`, `docker`, `kubernetes`, `ecs`, `vertex`.
        labels: Its labels: it gets runs whose labels are among them.
        most: How many runs it takes now; 0 only says that it is there.
        wait: For how many seconds the answer may be held back until there is a run.
        ahead: How far ahead of its time, in seconds, it takes a scheduled run.
        deploying: Flow runs that it holds and is still deploying: their claims are renewed.
        session: What this run of the agent's program calls itself; empty if it does not number its
            questions.
        number: The number of the question in its session. It is the same when the agent asks again
            because no answer came, and then the answer is the same, too; whoever asks with a smaller
            number was overtaken and gets nothing.
    """

    agent: str
    name: str
    kind: str
    labels: list[str] = []
    most: int = 1
    wait: float = 0.0
    ahead: float = 0.0
    deploying: list[str] = []
    session: str = ""
    number: int = 0


class ClaimedRun(Answer):
    """A flow run that is the agent's to deploy.

    Attributes:
        id: The flow run's id.
        name: Its name.
        attempt: The attempt to deploy it as.
        token: What its process identifies with; it can write this run and nothing else.
        start_time: Not to be started earlier.
        lease: Within how many seconds the process has to activate, or the agent to say that it is
            still deploying.
        flow_name: The flow's name.
        project_name: The project's name.
        storage: The storage, as its `serialize` describes it.
        run_config: The run config, likewise.
        labels: The run's labels.
    """

    id: str
    name: str
    attempt: int
    token: str
    start_time: datetime.datetime
    lease: float
    flow_name: str
    project_name: str
    storage: dict[str, Any] | None = None
    run_config: dict[str, Any] | None = None
    labels: list[str] = []


class Claimed(Answer):
    """The flow runs that an agent has got.

    Attributes:
        runs: The flow runs; none if there were none until the end of the wait.
        cancelled: Of the runs that it said it is deploying, those that it is not to go on with.
        begun: Of those that it said it is deploying, the ones whose process has begun: it need not
            keep their claims alive any more.
        next_due: In how many seconds it had better ask again, if a scheduled run is due then.
        now: What time it is by the server's clock, which the runs' start times go by; None if it
            does not matter.
    """

    runs: list[ClaimedRun] = []
    cancelled: list[str] = []
    begun: list[str] = []
    next_due: float | None = None
    now: datetime.datetime | None = None


class Deploying(Request):
    """An agent says that a deployment goes on.

    Attributes:
        attempt: The attempt that it deploys.
        agent: The agent's id.
        message: How far it is, for people.
    """

    attempt: int
    agent: str
    message: str | None = None


class Activate(Request):
    """A process asks to begin.

    Attributes:
        attempt: The attempt that it was deployed as.
        nonce: What it calls itself: random, new for each process.
        host: The name of the machine that it is on.
        pid: Its process id there.
    """

    attempt: int
    nonce: str
    host: str | None = None
    pid: int | None = None


class Activated(Answer):
    """Whether a process may begin, and what it needs to.

    Attributes:
        refused: Why it must not: `superseded`, `twin`, `cancelled`, `paused` or `finished`; None if
            it may.
        lease: For how many seconds, from when it asked, it owns the run.
        run: What to run; None if it must not.
    """

    refused: str | None = None
    lease: float = 0.0
    run: RunDetails | None = None


class RunDetails(Answer):
    """What a process needs to know of its flow run.

    Attributes:
        id: The flow run's id.
        name: Its name.
        attempt: The attempt.
        flow_id: The id of the flow's version.
        flow_name: The flow's name.
        flow_version: Its version.
        project_name: The project's name.
        storage: The storage, as its `serialize` describes it, pinned to a commit where it has one.
        parameters: Values of parameters, by name.
        context: More context keys.
        labels: The run's labels.
        scheduled_start_time: When it was meant to start.
        on_disconnect: `continue`, or `hold`: start nothing once the lease has passed.
        resumed: Slugs, with map indexes, of paused tasks that a person has resumed.
        restarted_after: The last attempt before a person restarted the run, or 0: what failed
            until then runs again; what failed in a later attempt that was lost stays failed.
    """

    id: str
    name: str
    attempt: int
    flow_id: str
    flow_name: str
    flow_version: int
    project_name: str
    storage: dict[str, Any] | None = None
    parameters: dict[str, Any] = {}
    context: dict[str, Any] = {}
    labels: list[str] = []
    scheduled_start_time: datetime.datetime | None = None
    on_disconnect: str = "continue"
    resumed: list[tuple[str, int]] = []
    restarted_after: int = 0


class Exited(Request):
    """Somebody who saw a run's process end says so: its supervisor, its agent.

    Attributes:
        attempt: The attempt whose process it was.
        reason: How it ended, in the platform's own words: "killed by SIGKILL", "exit code 137".
        by_agent: Whether its agent says so in the place of a process that is gone, or never was: if
            the attempt never began, nothing of it has run.
        is_final: Whether another attempt would end the same way: the run fails at once.
        output: What it printed, at most 64 KiB; kept as log lines if the attempt never began, so
            that nothing else tells what happened.
    """

    attempt: int
    reason: str
    by_agent: bool = False
    is_final: bool = False
    output: str = ""

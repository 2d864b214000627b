"""Why a flow run that is not over is where it is, whose turn it is, and what to do about it."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.server.rules.kinds import ANY
from headrace.server.rules.ownership import Phase
from headrace.wire.flow_runs import Waiting

Time = datetime.datetime

#: How long an agent that is there may take to claim what is due before that is worth a remark.
PATIENCE = datetime.timedelta(seconds=15)
#: How many agents, tasks or labels a reason names.
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFacts:
    """What is known of an agent.

    Attributes:
        name: Its name.
        kind: What it deploys to.
        labels: Its labels.
        last_seen: When it was last heard of.
        is_online: Whether that is recent.
    """

    name: str
    kind: str
    labels: frozenset[str]
    last_seen: Time
    is_online: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What is known of a flow run that is not over.

    Attributes:
        id: Its id.
        phase: Where it is.
        state: The type of its state, for people.
        since: Since when it has this state.
        message: What its state says.
        start_time: When it may be claimed; None while a person has to say so.
        attempt: How often it has been claimed.
        agent: The name of the agent that claimed it last.
        host: Where its process is.
        pid: Its process id there.
        lease_until: Until when its owner needs no word.
        patience: How long after that its owner is taken for lost.
        cancelling: Who asked to cancel it, and why.
        pausing: Who asked to pause it, and why.
        labels: Its labels.
        kind: The kind of agent that it needs.
        schedule_is_off: Whether its schedule made it, and has been switched off since.
        paused_tasks: The paused tasks that wait for a person, as they are to be named.
    """

    id: str
    phase: Phase
    state: str
    since: Time
    message: str = ""
    start_time: Time | None = None
    attempt: int = 0
    agent: str | None = None
    host: str | None = None
    pid: int | None = None
    lease_until: Time | None = None
    patience: datetime.timedelta = datetime.timedelta(0)
    cancelling: str | None = None
    pausing: str | None = None
    labels: frozenset[str] = frozenset()
    kind: str = ANY
    schedule_is_off: bool = False
    paused_tasks: Sequence[str] = ()


def why_run_waits(run: RunFacts, agents: Sequence[AgentFacts], now: Time) -> Waiting:
    """Say why a flow run that is not over is where it is.

    Args:
        run: The run. Its phase is not `FINISHED`.
        agents: All agents that are known.
        now: The time.
    """
    if run.phase is Phase.SCHEDULED:
        return _scheduled(run, agents, now)
    if run.phase is Phase.CLAIMED:
        return _claimed(run, now)
    return _running(run, now)


# -- nobody has it ------------------------------------------------------------------------------


def _scheduled(run: RunFacts, agents: Sequence[AgentFacts], now: Time) -> Waiting:
    if run.pausing is not None or run.start_time is None:
        return _paused(run)
    if run.start_time > now:
        at = moment(run.start_time, now)
        if run.attempt:
            # It was parked, or its last attempt was lost, which the message says.
            reason = f"{sentence(run.message)} It goes on at {at}."
        else:
            reason = f"It waits until {at}, its start time."
        return _clock(run, reason, agents)
    return _due(run, agents, max(run.start_time, run.since), now)


def _paused(run: RunFacts) -> Waiting:
    asked = run.pausing or run.message or "It is paused."
    named = f" The tasks that wait: {named_few(run.paused_tasks)}." if run.paused_tasks else ""
    return Waiting(
        reason=f"{sentence(asked)}{named} It goes on when a person says so.",
        whose_turn="user",
        remedy=f"headrace flow-run resume {run.id}",
    )


def _clock(run: RunFacts, reason: str, agents: Sequence[AgentFacts]) -> Waiting:
    if run.schedule_is_off:
        reason += " Its flow's schedule is off: no runs are made after this one."
    if any(_online(agents, run)):
        return Waiting(reason=reason, whose_turn="clock")
    return Waiting(
        reason=f"{reason} Nobody could take it now: {_nobody(run, agents)}.",
        whose_turn="clock",
        remedy=start_agent(run.kind, run.labels),
    )


def _due(run: RunFacts, agents: Sequence[AgentFacts], due: Time, now: Time) -> Waiting:
    since = f"since {moment(due, now)}"
    online = _online(agents, run)
    if online:
        names = named_few([agent.name for agent in online])
        one = f"agent {names}" if len(online) == 1 else f"one of the agents {names}"
        if now - due <= PATIENCE:
            return Waiting(reason=f"It waits for {one} to claim it.", whose_turn="agent")
        return Waiting(
            reason=f"It waits for {one} to claim it, {since}: they may have as much to do as "
            f"their limits allow.",
            whose_turn="agent",
            remedy=start_agent(run.kind, run.labels),
        )
    offline = [agent for agent in agents if _suits(agent, run)]
    if offline:
        last = max(agent.last_seen for agent in offline)
        since = f"since {moment(last, now)}"
    return Waiting(
        reason=f"{capitalised(_nobody(run, agents))} {since}.",
        whose_turn="user",
        remedy=start_agent(run.kind, run.labels),
    )


def _suits(agent: AgentFacts, run: RunFacts) -> bool:
    return run.kind in (ANY, agent.kind) and run.labels <= agent.labels


def _online(agents: Sequence[AgentFacts], run: RunFacts) -> list[AgentFacts]:
    return [agent for agent in agents if agent.is_online and _suits(agent, run)]


def _nobody(run: RunFacts, agents: Sequence[AgentFacts]) -> str:
    """Say that no agent takes it, and what those that there are lack; no full stop."""
    offline = [agent.name for agent in agents if _suits(agent, run)]
    wanted = "agent" if run.kind == ANY else f"{run.kind} agent"
    if run.labels:
        word = "label" if len(run.labels) == 1 else "labels"
        wanted += f" with the {word} {', '.join(sorted(run.labels))}"
    if offline:
        are = "is" if len(offline) == 1 else "are"
        return f"no {wanted} is online ({named_few(offline)} {are} offline)"
    others = [agent for agent in agents if agent.is_online and run.kind in (ANY, agent.kind)]
    if others and run.labels:
        nearest = min(others, key=lambda agent: (len(run.labels - agent.labels), agent.name))
        lacks = named_few(sorted(run.labels - nearest.labels))
        return f"there is no {wanted} ({nearest.name} lacks {lacks})"
    return f"there is no {wanted}"


def start_agent(kind: str, labels: frozenset[str]) -> str:
    """Return the command that starts an agent of a kind with these labels.

    Args:
        kind: The kind of agent; `any` for whichever: the local one needs nothing else.
        labels: Its labels.
    """
    command = f"headrace agent {'local' if kind == ANY else kind} start"
    needed = ["--region-name REGION"] if kind == "vertex" else []
    return " ".join(
        [command, *needed, *(f"--label {shlex.quote(label)}" for label in sorted(labels))]
    )


# -- somebody has it ----------------------------------------------------------------------------


def _claimed(run: RunFacts, now: Time) -> Waiting:
    agent = f"agent {run.agent}" if run.agent else "an agent"
    if run.lease_until is not None and run.lease_until <= now:
        return Waiting(
            reason=f"{capitalised(agent)} claimed it at {moment(run.since, now)} and was not heard of "
            f"since {moment(run.lease_until, now)}: the server takes it back.",
            whose_turn="server",
        )
    if run.cancelling is not None:
        reason = f"{sentence(run.cancelling)} {capitalised(agent)}, which deploys it, has to stop."
        return Waiting(reason=reason, whose_turn="agent")
    if run.start_time is not None and run.start_time > now and run.pausing is None:
        at = moment(run.start_time, now)
        return Waiting(
            reason=f"{capitalised(agent)} has it, and starts it at {at}.", whose_turn="clock"
        )
    reason = f"{capitalised(agent)} deploys it since {moment(run.since, now)}."
    if run.pausing is not None:
        reason += f" It pauses as soon as it has begun: {run.pausing}"
    return Waiting(reason=sentence(reason), whose_turn="agent")


def _running(run: RunFacts, now: Time) -> Waiting:
    where = f"its process on {run.host}, pid {run.pid}," if run.host else "its process"
    silent = ""
    turn = "runner"
    if run.lease_until is not None and run.lease_until <= now:
        turn = "server"
        silent = (
            f" Nothing was heard of it since {moment(run.lease_until, now)}: the server takes the "
            f"run over at {moment(run.lease_until + run.patience, now)}, unless it is heard of "
            f"before."
        )
    if run.cancelling is not None:
        reason = f"{sentence(run.cancelling)} It ends when {where.rstrip(',')} has stopped."
    elif run.pausing is not None:
        reason = f"{sentence(run.pausing)} It pauses when {where.rstrip(',')} has stopped."
    elif silent:
        reason = f"It was running: {where.rstrip(',')}, since {moment(run.since, now)}."
    else:
        reason = f"It is running: {where.rstrip(',')}, since {moment(run.since, now)}."
    return Waiting(reason=reason + silent, whose_turn=turn)


# -- words --------------------------------------------------------------------------------------


def moment(at: Time, now: Time) -> str:
    """Return a moment for people, in UTC: the time of day if it is within twelve hours."""
    at = at.astimezone(datetime.UTC)
    near = abs(at - now) < datetime.timedelta(hours=12)
    return f"{at:%H:%M:%S} UTC" if near else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def sentence(text: str) -> str:
    """Return a text that ends as a sentence does."""
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def capitalised(text: str) -> str:
    """Return a text with a first letter that begins a sentence."""
    return text[:1].upper() + text[1:]


def named_few(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    shown = ", ".join(names[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown

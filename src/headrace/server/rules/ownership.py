"""Who owns a flow run: claim, activation, lease, writing, takeover, cancelling, parking.

Every function takes the stored `Ownership` of one flow run and an event, and returns what is to be
stored and what is to be answered. It asks for no time and keeps nothing: whoever calls it reads the
record and writes it back in one transaction.

```text
            claim              activate             ends
SCHEDULED ─────────▶ CLAIMED ─────────▶ RUNNING ─────────▶ FINISHED
    ▲                   │                  │
    └───────────────────┴──────────────────┘
   claim lapsed, parked, paused, attempt lost
```

A claim raises the attempt number. A process activates `(attempt, nonce)` before it does anything,
and the first nonce wins. From then on each of its writes carries both; once the attempt is closed,
by its own end or by a takeover, nothing it writes touches the run's state any more.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field, replace
from enum import StrEnum

Time = datetime.datetime

#: How often an attempt is followed by another of which nothing was deployed, whatever the run's
#: policy says: nothing of the user's has run.
UNDEPLOYED_RECOVERIES = 3


class Phase(StrEnum):
    """Where a flow run is between being made and being over."""

    SCHEDULED = "scheduled"
    CLAIMED = "claimed"
    RUNNING = "running"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How patient the server is with a flow run's owners."""

    #: How long an activated process owns the run without a word.
    lease: datetime.timedelta = datetime.timedelta(seconds=30)
    #: How long an agent may take from its claim to the process's activation, without a word.
    claim: datetime.timedelta = datetime.timedelta(seconds=60)
    #: How long after its lease a silent process is taken for dead.
    lost_after: datetime.timedelta = datetime.timedelta(minutes=5)
    #: Whether the process starts nothing once its lease has passed: a takeover need not wait then.
    hold_on_disconnect: bool = False
    #: How often a lost attempt is followed by another; see `UNDEPLOYED_RECOVERIES`, too.
    max_recoveries: int = 3
    #: The first recovery starts at once, the second after this long, the third after four times, the
    #: fourth after nine times as long: what has just broken down may need time to come back.
    back_off: datetime.timedelta = datetime.timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """Who owns a flow run, as it is stored."""

    policy: Policy = field(default_factory=Policy)
    phase: Phase = Phase.SCHEDULED
    #: When it may be claimed; None while it waits for a person.
    start_time: Time | None = None
    #: How often it has been claimed.
    attempt: int = 0
    #: The agent that made the last claim.
    agent: str | None = None
    #: What the process of the last attempt calls itself; None until it is activated.
    nonce: str | None = None
    #: Whether that process may still write.
    is_open: bool = False
    #: Until when the claim, or the process, needs no word to be believed in.
    lease_until: Time | None = None
    #: Up to which sequence number the writes of `nonce` are stored.
    stored: int = 0
    #: How many attempts were lost.
    recoveries: int = 0
    #: Who asked to cancel it, and why.
    cancelling: str | None = None
    #: Who asked to pause it, or what it waits for a person with. While it is scheduled nobody can
    #: claim it; while it is running it is an order to stop where it is.
    pausing: str | None = None
    #: The last attempt before a person restarted it: what failed until then runs again.
    restarted_after: int = 0
    #: How it ended: the name of a state.
    ending: str | None = None
    #: Why it is where it is, for people.
    reason: str = "It waits for its start time."


# -- answers --------------------------------------------------------------------------------


class Why(StrEnum):
    """Why something was refused."""

    NOT_DUE = "not due"
    TAKEN = "taken"
    SUPERSEDED = "superseded"
    TWIN = "twin"
    CANCELLED = "cancelled"
    PAUSED = "paused"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Granted:
    """The run is the caller's: to deploy after a claim, to run after an activation."""

    attempt: int
    #: Until when, by the server's clock; the caller counts the same term from when it asked.
    lease_until: Time


@dataclass(frozen=True, slots=True)
class Refused:
    """The run is not the caller's. Whoever runs it stops."""

    why: Why


@dataclass(frozen=True, slots=True)
class Stored:
    """What was written is stored, up to this sequence number."""

    up_to: int
    #: Which of the batch's events were new: from this index on.
    new_from: int
    #: Why the run is to be cancelled, if it is.
    cancel: str | None = None
    #: Why the run is to be paused, if it is.
    pause: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a process writes at once: events, numbered from `first` without gaps."""

    first: int
    count: int
    #: The state in which the run ends with the last event.
    ending: str | None = None
    #: Whether the run is parked with the last event.
    parked: bool = False
    #: Until when it is; None when a person has to say.
    parked_until: Time | None = None
    #: Whether it is parked as it was told to pause.
    obeys: bool = False
    #: What the last event says of why.
    message: str | None = None

    @property
    def last(self) -> int:
        """The last event's number."""
        return self.first + self.count - 1


# -- agents ---------------------------------------------------------------------------------


def claim(own: Ownership, agent: str, now: Time) -> tuple[Ownership, Granted | Refused]:
    """Give the run to an agent, which is to deploy it."""
    if own.phase is Phase.FINISHED:
        return own, Refused(Why.FINISHED)
    if own.phase is not Phase.SCHEDULED:
        return own, Refused(Why.TAKEN)
    if own.pausing is not None:
        return own, Refused(Why.PAUSED)
    if own.start_time is None or own.start_time > now:
        return own, Refused(Why.NOT_DUE)
    lease_until = now + own.policy.claim
    claimed = replace(
        own,
        phase=Phase.CLAIMED,
        attempt=own.attempt + 1,
        agent=agent,
        nonce=None,
        is_open=False,
        lease_until=lease_until,
        reason=f"Agent {agent} is deploying it.",
    )
    return claimed, Granted(claimed.attempt, lease_until)


def deploying(
    own: Ownership, attempt: int, agent: str, now: Time, reason: str | None = None
) -> tuple[Ownership, Granted | Refused]:
    """Take an agent's word that its deployment is under way."""
    if own.phase is not Phase.CLAIMED or own.attempt != attempt or own.agent != agent:
        return own, Refused(Why.SUPERSEDED)
    if own.cancelling is not None:
        return own, Refused(Why.CANCELLED)
    if own.pausing is not None:
        return own, Refused(Why.PAUSED)
    lease_until = now + own.policy.claim
    return (
        replace(own, lease_until=lease_until, reason=reason or own.reason),
        Granted(attempt, lease_until),
    )


# -- processes --------------------------------------------------------------------------------


def activate(
    own: Ownership, attempt: int, nonce: str, now: Time
) -> tuple[Ownership, Granted | Refused]:
    """Let a deployed process begin, if it is the first of the latest attempt.

    The same process may ask again, as its answer may have been lost.
    """
    if own.phase is Phase.FINISHED:
        return own, Refused(Why.FINISHED)
    if attempt != own.attempt or own.phase is Phase.SCHEDULED:
        return own, Refused(Why.SUPERSEDED)
    lease_until = now + own.policy.lease
    if own.phase is Phase.RUNNING:
        if own.nonce != nonce:
            return own, Refused(Why.TWIN)
        return replace(own, lease_until=lease_until), Granted(attempt, lease_until)
    if own.cancelling is not None:
        return _finish(own, "Cancelled", own.cancelling), Refused(Why.CANCELLED)
    if own.pausing is not None:
        return _put_back(own, own.start_time, own.pausing), Refused(Why.PAUSED)
    running = replace(
        own,
        phase=Phase.RUNNING,
        nonce=nonce,
        is_open=True,
        stored=0,
        lease_until=lease_until,
        reason="It is running.",
    )
    return running, Granted(attempt, lease_until)


def write(
    own: Ownership, attempt: int, nonce: str, batch: Batch, now: Time
) -> tuple[Ownership, Stored | Refused]:
    """Store what a process has written, each event once, in order; renew its lease.

    A batch that repeats events stores only the new ones; one that leaves a gap stores none, and
    the answer says from where to send again. What a closed attempt writes is refused: the caller
    keeps it in the run's history, and nowhere else.
    """
    if attempt != own.attempt or nonce != own.nonce:
        return own, Refused(Why.SUPERSEDED)
    if not own.is_open:
        if batch.count and batch.last <= own.stored:
            # It has been stored: only the answer was lost.
            return own, Stored(own.stored, batch.count)
        return own, Refused(Why.FINISHED if own.phase is Phase.FINISHED else Why.SUPERSEDED)
    renewed = replace(own, lease_until=now + own.policy.lease)
    if batch.first > own.stored + 1:
        return renewed, Stored(own.stored, batch.count, own.cancelling, own.pausing)
    new_from = min(own.stored + 1 - batch.first, batch.count)
    written = replace(renewed, stored=max(own.stored, batch.last))
    if batch.last > own.stored or not batch.count:
        if batch.ending is not None:
            written = _finish(written, batch.ending, batch.message or f"It ended: {batch.ending}.")
        elif batch.parked:
            written = _park(written, batch, now)
    return written, Stored(written.stored, new_from, own.cancelling, own.pausing)


def _finish(own: Ownership, ending: str, reason: str) -> Ownership:
    return replace(
        own,
        phase=Phase.FINISHED,
        is_open=False,
        lease_until=None,
        ending=ending,
        cancelling=None,
        pausing=None,
        reason=reason,
    )


def _put_back(own: Ownership, start_time: Time | None, reason: str) -> Ownership:
    return replace(
        own,
        phase=Phase.SCHEDULED,
        is_open=False,
        lease_until=None,
        start_time=start_time,
        reason=reason,
    )


def _park(own: Ownership, batch: Batch, now: Time) -> Ownership:
    if own.cancelling is not None:
        return _finish(own, "Cancelled", own.cancelling)
    until = batch.parked_until
    if until is None and batch.obeys and own.pausing is None:
        # Somebody has resumed it while its process was still about to stop.
        return _put_back(own, now, "It was resumed before it had stopped: it goes on.")
    if until is None:
        waits_for = own.pausing or batch.message or "It waits for a person to resume it."
        return replace(_put_back(own, None, waits_for), pausing=waits_for)
    told = batch.message or f"It is parked until {until.isoformat()}: nothing of it is due before."
    return _put_back(own, until, told if own.pausing is None else f"{own.pausing} {told}")


# -- losses -----------------------------------------------------------------------------------


def exited(
    own: Ownership,
    attempt: int,
    why: str,
    now: Time,
    *,
    is_final: bool = False,
    was_deployed: bool = True,
) -> Ownership:
    """Take the word of whoever saw a process end: a supervisor, an agent, a platform.

    Args:
        own: The record.
        attempt: Whose process it was.
        why: How it ended, in the platform's own words.
        now: The time.
        is_final: Whether another attempt would end the same way, so that none is made.
        was_deployed: Whether a platform has run anything of it; one that was let begin has.
    """
    if attempt != own.attempt or own.phase not in (Phase.CLAIMED, Phase.RUNNING):
        return own
    return _lose(own, why, now, is_final=is_final, was_deployed=was_deployed)


def give_back(own: Ownership, attempt: int, why: str, now: Time) -> Ownership:
    """Take back a claim that never got to its agent: nothing began, so nothing is recovered.

    Args:
        own: The record.
        attempt: The attempt that was claimed.
        why: What happened to the claim.
        now: The time.
    """
    if attempt != own.attempt or own.phase is not Phase.CLAIMED:
        return own
    story = f"Attempt {attempt} did not begin: {why.rstrip('.')}."
    if own.cancelling is not None:
        return _finish(own, "Cancelled", f"{own.cancelling} {story}")
    return _put_back(own, now, story)


def expire(own: Ownership, now: Time) -> Ownership:
    """Take back what has been silent for too long."""
    if own.lease_until is None or now < own.lease_until:
        return own
    if own.phase is Phase.CLAIMED:
        why = f"agent {own.agent} was not heard of after its claim"
        return _lose(own, why, now, was_deployed=False)
    if own.phase is not Phase.RUNNING:
        return own
    patience = datetime.timedelta(0) if own.policy.hold_on_disconnect else own.policy.lost_after
    if now < own.lease_until + patience:
        return own
    return _lose(own, f"its process was not heard of since {own.lease_until.isoformat()}", now)


def _lose(
    own: Ownership, why: str, now: Time, *, is_final: bool = False, was_deployed: bool = True
) -> Ownership:
    """Close a lost attempt: another one follows, unless there have been too many."""
    story = f"Attempt {own.attempt} was lost: {why.rstrip('.')}."
    if own.cancelling is not None:
        return _finish(own, "Cancelled", f"{own.cancelling} {story}")
    if own.phase is Phase.CLAIMED and own.pausing is not None:
        # Its agent lets go of it, as it was told to: nothing began, so nothing is recovered.
        return _put_back(own, own.start_time, own.pausing)
    if is_final:
        return _finish(own, "Failed", f"{story} Another attempt would end the same way.")
    most = own.policy.max_recoveries
    if own.phase is Phase.CLAIMED and not was_deployed:
        most = max(most, UNDEPLOYED_RECOVERIES)
    if own.recoveries >= most:
        return _finish(own, "Failed", f"{story} {_no_more(own.recoveries, most)}")
    if own.pausing is not None:
        story = f"{own.pausing} {story}"
    start_time = now + own.policy.back_off * own.recoveries**2
    return replace(_put_back(own, start_time, story), recoveries=own.recoveries + 1)


def _no_more(recoveries: int, most: int) -> str:
    """Say why no other attempt follows one that was lost."""
    if most == 0:
        return "It is not to be recovered (max_recoveries=0)."
    return f"It had been recovered {'once' if recoveries == 1 else f'{recoveries} times'}."


def server_started(own: Ownership, now: Time) -> Ownership:
    """Give a full new term: nobody could renew anything while the server was away.

    It is no longer than that either: what was given before the clock was set back would keep the
    run of a dead process until the clock is there again.
    """
    if own.lease_until is None:
        return own
    if own.phase is Phase.RUNNING:
        return replace(own, lease_until=now + own.policy.lease)
    # Whoever has claimed it ahead of its time holds it until then.
    begin = now if own.start_time is None else max(now, own.start_time)
    return replace(own, lease_until=begin + own.policy.claim)


# -- people -----------------------------------------------------------------------------------


def cancel(own: Ownership, reason: str) -> Ownership:
    """Cancel the run: at once if nobody runs it, else as an order to whoever does."""
    if own.phase is Phase.FINISHED:
        return own
    if own.phase is Phase.SCHEDULED:
        return _finish(own, "Cancelled", reason)
    return replace(own, cancelling=own.cancelling or reason)


def pause(own: Ownership, reason: str) -> Ownership:
    """Pause the run: keep it from being claimed, or order whoever runs it to stop where it is."""
    if own.phase is Phase.FINISHED or own.cancelling is not None or own.pausing is not None:
        return own
    paused = replace(own, pausing=reason)
    return replace(paused, reason=reason) if own.phase is Phase.SCHEDULED else paused


def resume(own: Ownership, reason: str, now: Time) -> tuple[Ownership, Refused | None]:
    """Let a paused run go on: at its start time, or now if that has passed or there is none."""
    if own.phase is Phase.FINISHED:
        return own, Refused(Why.FINISHED)
    if own.pausing is None:
        return own, Refused(Why.TAKEN)
    resumed = replace(own, pausing=None)
    if own.phase is Phase.CLAIMED:
        # Its agent was told to let go of it, and may do so at any time: nothing began, so that
        # another claim costs nothing, and what comes of this one is not to be taken for a loss.
        return _put_back(resumed, own.start_time, reason), None
    if own.phase is Phase.RUNNING:
        # The order is withdrawn; whoever obeys it all the same goes on at once.
        return resumed, None
    return replace(resumed, start_time=own.start_time or now, reason=reason), None


def restart(own: Ownership, reason: str, now: Time) -> tuple[Ownership, Refused | None]:
    """Start a finished run again: the only way out of an ending."""
    if own.phase is not Phase.FINISHED:
        return own, Refused(Why.TAKEN)
    return (
        replace(
            own,
            phase=Phase.SCHEDULED,
            start_time=now,
            ending=None,
            recoveries=0,
            restarted_after=own.attempt,
            reason=reason,
        ),
        None,
    )

"""A simulated world: one flow run, a server, agents, processes, a network; and what goes wrong.

Time, the network and all accidents come from one seeded random source, so that a schedule that
breaks an invariant can be played again by its seed.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from random import Random
from typing import Any

from headrace.engine.tenancy import Outbox, Tenancy
from headrace.server.rules import ownership as rules
from headrace.server.rules.ownership import (
    Batch,
    Granted,
    Ownership,
    Phase,
    Policy,
    Refused,
    Stored,
    Why,
)

#: The last event of a process that parks the run, with the time until when; None: a person says.
Park = tuple[str, float | None]  #: "parked", or "paused" as it was told to; until when

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
TASKS = 4
HEALS_AT = 400.0  # seconds; accidents happen before
GIVES_UP_AT = 4000.0  # by then every run has ended, or the protocol is stuck


@dataclass
class Trouble:
    """How likely what goes wrong is."""

    lost: float
    doubled: float
    slow: float
    killed: float
    twin: float
    server_dies: float
    evidence: float
    frozen: float
    parks: float

    @classmethod
    def of(cls, random: Random) -> Trouble:
        pick = random.choice
        return cls(
            lost=pick([0.0, 0.05, 0.3]),
            doubled=pick([0.0, 0.2]),
            slow=pick([0.0, 0.1, 0.3]),
            killed=pick([0.0, 0.03, 0.1]),
            twin=pick([0.0, 0.3]),
            server_dies=pick([0.0, 0.02]),
            evidence=pick([0.0, 0.5, 1.0]),
            frozen=pick([0.0, 0.05]),
            parks=pick([0.0, 0.1]),
        )


@dataclass(frozen=True, slots=True)
class Claimed:
    """What an agent is answered: its claim, if it got the run; attempts that it is to drop."""

    granted: Granted | None = None
    stopped: set[int] = field(default_factory=set)


def ignored(answer: Any) -> None:
    """Do nothing about an answer."""


@dataclass
class History:
    """What happened, for the invariants."""

    calls: list[tuple[float, int, str, int]] = field(
        default_factory=list
    )  # time, attempt, who, task
    knew_better: dict[str, float] = field(
        default_factory=dict
    )  # who learnt at what time that it is over
    activated: dict[int, set[str]] = field(default_factory=dict)
    activated_at: dict[int, float] = field(default_factory=dict)
    closed_at: dict[int, float] = field(default_factory=dict)  # when each attempt was taken over
    endings: list[str] = field(default_factory=list)
    acknowledged: dict[tuple[int, str], int] = field(default_factory=dict)
    lease_of: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    losses: int = 0  # how many attempts the rules gave up
    claimed_paused: int = 0
    claims_counted: int = 0  # how many claims that got lost on their way were taken for losses


class World:
    def __init__(self, seed: int, ownership: Any = rules, hold: bool | None = None) -> None:
        self.random = Random(seed)
        self.rules = ownership
        self.trouble = Trouble.of(self.random)
        self.now = 0.0
        self.history = History()
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        hold = self.random.random() < 0.5 if hold is None else hold
        self.policy = Policy(
            lost_after=datetime.timedelta(seconds=60),
            hold_on_disconnect=hold,
            max_recoveries=50,
            back_off=datetime.timedelta(seconds=0.1),
        )
        self.server = Server(self)
        for number in range(2):
            Agent(self, f"agent-{number}")
        if self.random.random() < 0.2:
            self.at(self.random.uniform(1, HEALS_AT), self.server.cancel)
        if self.random.random() < 0.3:
            self.at(self.random.uniform(0, HEALS_AT), self.server.pause)
        self.at(1.0, self.server.tick)
        self.at(self.random.uniform(1, HEALS_AT), self.server.resume)

    # -- time, and the network ----------------------------------------------------------------

    def at(self, time: float, action: Callable[[], None]) -> None:
        self._count += 1
        heappush(self._queue, (time, self._count, action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self.at(self.now + seconds, action)

    @property
    def troubled(self) -> bool:
        return self.now < HEALS_AT

    def happens(self, likelihood: float) -> bool:
        return self.troubled and self.random.random() < likelihood

    def ask(self, question: Callable[[], Any], answered: Callable[[Any], None]) -> None:
        """Send a question to the server; the answer may come late, twice, or never."""

        def arrive() -> None:
            if self.server.is_away:
                return
            answer = question()
            if not self.happens(self.trouble.lost):
                self.after(self._delay(), lambda: answered(answer))

        if self.happens(self.trouble.lost):
            return
        for _ in range(2 if self.happens(self.trouble.doubled) else 1):
            self.after(self._delay(), arrive)

    def _delay(self) -> float:
        if self.happens(self.trouble.slow):
            return self.random.uniform(1, 90)
        return self.random.uniform(0.001, 0.05)

    def run(self) -> None:
        while self._queue and self.now < GIVES_UP_AT:
            self.now, _, action = heappop(self._queue)
            action()
            if self.server.own.phase is Phase.FINISHED and not self.troubled:
                break


class Server:
    """Holds the record, and answers. What it has stored survives its own death."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.own = Ownership(policy=world.policy, start_time=START)
        self.events: dict[tuple[int, str], list[Any]] = {}
        self.is_away = False
        #: What the latest question of each agent is called, and what it was answered with; claims
        #: that seem to have got lost on the way. None of it outlives the server.
        self.asked: dict[str, tuple[int, int]] = {}
        self.answers: dict[str, Granted] = {}
        self.suspects: set[tuple[str, int]] = set()

    @property
    def time(self) -> datetime.datetime:
        return START + datetime.timedelta(seconds=self.world.now)

    def _store(self, own: Ownership) -> None:
        before, history = self.own, self.world.history
        self.own = own
        if own.phase is Phase.FINISHED and before.phase is not Phase.FINISHED:
            history.endings.append(own.ending or "")
        if before.is_open and not own.is_open:
            history.closed_at[before.attempt] = self.world.now
        history.losses += own.recoveries - before.recoveries
        if before.phase is Phase.FINISHED and own != before:
            history.endings.append(f"changed after its end: {own}")

    def claim(self, agent: str, question: tuple[int, int], held: frozenset[int]) -> Claimed:
        """Answer a question of an agent, as before if it comes again; look after what it holds."""
        last, answer = self.asked.get(agent), self.answers.get(agent)
        if last is not None and last[0] == question[0] and question <= last:
            if question < last:
                return Claimed()
            if answer is not None:
                self.suspects.discard((agent, answer.attempt))
                return Claimed(answer)
        self.asked[agent] = question
        if answer is not None:
            del self.answers[agent]
            if answer.attempt not in held:
                self._suspect(agent, answer.attempt)
        stopped = {attempt for attempt in held if not self._goes_on(agent, attempt)}
        own, granted = self.world.rules.claim(self.own, agent, self.time)
        if not isinstance(granted, Granted):
            return Claimed(stopped=stopped)
        if self.own.pausing is not None:
            self.world.history.claimed_paused += 1
        self._store(own)
        self.answers[agent] = granted
        return Claimed(granted, stopped)

    def _goes_on(self, agent: str, attempt: int) -> bool:
        self.suspects.discard((agent, attempt))
        own, answer = self.world.rules.deploying(self.own, attempt, agent, self.time)
        if isinstance(answer, Granted):
            self._store(own)
            return True
        return own.phase is Phase.RUNNING and own.attempt == attempt

    def _suspect(self, agent: str, attempt: int) -> None:
        suspect = agent, attempt
        self.suspects.add(suspect)

        def give_back() -> None:
            if suspect in self.suspects:
                self.suspects.remove(suspect)
                why, before = "its agent did not get to know of it", self.own.recoveries
                self._store(self.world.rules.give_back(self.own, attempt, why, self.time))
                self.world.history.claims_counted += self.own.recoveries - before

        self.world.after(5.0, give_back)

    def activate(self, attempt: int, nonce: str) -> Any:
        own, answer = self.world.rules.activate(self.own, attempt, nonce, self.time)
        self._store(own)
        if isinstance(answer, Granted):
            self.world.history.activated.setdefault(attempt, set()).add(nonce)
            self.world.history.activated_at.setdefault(attempt, self.world.now)
        return answer, self.succeeded()

    def write(self, attempt: int, nonce: str, batch: Batch, events: list[Any]) -> Any:
        own, answer = self.world.rules.write(self.own, attempt, nonce, batch, self.time)
        if isinstance(answer, Stored):
            self.events.setdefault((attempt, nonce), []).extend(events[answer.new_from :])
            key = (attempt, nonce)
            known = self.world.history.acknowledged.get(key, 0)
            self.world.history.acknowledged[key] = max(known, answer.up_to)
        self._store(own)
        return answer

    def exited(self, attempt: int, was_deployed: bool = True) -> None:
        if not self.is_away:
            why = "exit code 137" if was_deployed else "its agent was told not to start it"
            exited = self.world.rules.exited
            self._store(exited(self.own, attempt, why, self.time, was_deployed=was_deployed))

    def cancel(self) -> None:
        if not self.is_away:
            self._store(self.world.rules.cancel(self.own, "Cancelled by a person."))

    def pause(self) -> None:
        if not self.is_away:
            self._store(self.world.rules.pause(self.own, "Paused by a person."))

    def resume(self) -> None:
        """Let it go on, again and again: somebody looks after it."""
        if not self.is_away:
            own, _ = self.world.rules.resume(self.own, "Resumed by a person.", self.time)
            self._store(own)
        self.world.after(self.world.random.uniform(20, 100), self.resume)

    def succeeded(self) -> set[int]:
        return {task for events in self.events.values() for task in events if type(task) is int}

    def tick(self) -> None:
        world = self.world
        if self.is_away:
            self.is_away = False
            self._store(world.rules.server_started(self.own, self.time))
        elif world.happens(world.trouble.server_dies):
            self.is_away = True
            self.asked, self.answers, self.suspects = {}, {}, set()
            world.after(world.random.uniform(1, 120), self.tick)
            return
        else:
            self._store(world.rules.expire(self.own, self.time))
        world.after(2.5, self.tick)


class Agent:
    """Asks for the run again and again, and starts a process for each grant."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.session = 0
        self.number = 0
        #: The attempts that it holds, until their processes were begun; and all that it ever had.
        self.held: frozenset[int] = frozenset()
        self.had: set[int] = set()
        world.after(world.random.uniform(0, 5), self.poll)

    def poll(self) -> None:
        world = self.world
        if world.happens(world.trouble.killed):  # a dead one is restarted, having forgotten all
            self.session, self.number = self.session + 1, 0
            self.held = frozenset()
        else:
            question, held = (self.session, self.number), self.held
            world.ask(
                lambda: world.server.claim(self.name, question, held),
                lambda answer: self.answered(question, answer),
            )
        world.after(world.random.uniform(5, 10), self.poll)

    def answered(self, question: tuple[int, int], answer: Claimed) -> None:
        world = self.world
        if question != (self.session, self.number):
            return  # it was answered before
        self.number += 1
        for attempt in answer.stopped & self.held:
            self.held -= {attempt}
            if world.server.own.phase is not Phase.RUNNING:
                world.ask(lambda attempt=attempt: world.server.exited(attempt, False), ignored)
        granted = answer.granted
        if granted is None or granted.attempt in self.had or world.happens(world.trouble.killed):
            return
        self.had.add(granted.attempt)
        self.held |= {granted.attempt}
        session = self.session
        for twin in range(2 if world.happens(world.trouble.twin) else 1):
            name = f"{self.name}/{granted.attempt}/{twin}/{world.random.random():.6f}"
            world.after(
                world.random.uniform(0.05, 20),
                lambda name=name: self.deployed(session, granted.attempt, name),
            )

    def deployed(self, session: int, attempt: int, name: str) -> None:
        """Start a process, unless the agent was told not to, or does not know of it any more."""
        if session == self.session and attempt not in self.held:
            return
        Process(self.world, attempt, name)
        self.world.after(10.0, lambda: self.begun(session, attempt))

    def begun(self, session: int, attempt: int) -> None:
        """Name it no more: its process is its own master."""
        if session == self.session:
            self.held -= {attempt}


class Process:
    """A supervisor with its runner: activates, runs tasks, delivers what happened."""

    def __init__(self, world: World, attempt: int, nonce: str) -> None:
        self.world = world
        self.attempt = attempt
        self.nonce = nonce
        self.tenancy = Tenancy(holds=world.policy.hold_on_disconnect)
        self.outbox = Outbox()
        self.done: set[int] | None = None
        self.is_dead = False
        self.has_ended = False
        self.is_busy = False
        self.activate()

    # -- owning -------------------------------------------------------------------------------

    def activate(self) -> None:
        if self.is_dead or self.done is not None or self.tenancy.ended:
            return
        asked_at, world = self.world.now, self.world
        world.ask(
            lambda: world.server.activate(self.attempt, self.nonce),
            lambda answer: self.activated(asked_at, *answer),
        )
        world.after(3.0, self.activate)

    def activated(self, asked_at: float, answer: Any, succeeded: set[int]) -> None:
        if self.is_dead:
            return
        if isinstance(answer, Refused):
            self.learn(answer)
            return
        self.tenancy.granted(asked_at, self.world.policy.lease.total_seconds())
        if self.done is None:
            self.done = set(succeeded)
            self.work()
            self.deliver()

    def learn(self, refusal: Refused) -> None:
        if refusal.why is Why.FINISHED and self.has_ended:
            return
        self.tenancy.end(refusal.why)
        self.world.history.knew_better.setdefault(self.nonce, self.world.now)

    # -- working ------------------------------------------------------------------------------

    def work(self) -> None:
        world = self.world
        if self.is_dead or self.has_ended or self.tenancy.ended or self.is_busy:
            return
        if world.happens(world.trouble.killed):
            self.die()
            return
        if world.happens(world.trouble.frozen):
            world.after(world.random.uniform(30, 200), self.work)  # stopped, then continued
            return
        assert self.done is not None
        left = [task for task in range(TASKS) if task not in self.done]
        if not left:
            self.has_ended = True
            self.outbox.put(None)
            return
        if not self.tenancy.may_start(world.now):
            world.after(1.0, self.work)
            return
        if world.happens(world.trouble.parks):
            person = world.random.random() < 0.3
            self.park(None if person else world.now + world.random.uniform(1, 200))
            return
        task = left[0]
        world.history.calls.append((world.now, self.attempt, self.nonce, task))
        self.is_busy = True
        world.after(world.random.uniform(0.1, 20), lambda: self.finished(task))

    def finished(self, task: int) -> None:
        if self.is_dead:
            return
        self.is_busy = False
        assert self.done is not None
        self.done.add(task)
        self.outbox.put(task)
        self.work()

    def park(self, until: float | None, why: str = "parked") -> None:
        self.has_ended = True
        self.outbox.put((why, until))

    def die(self) -> None:
        self.is_dead = True
        if self.world.random.random() < self.world.trouble.evidence:
            self.world.after(
                self.world.random.uniform(0.01, 2), lambda: self.world.server.exited(self.attempt)
            )

    # -- delivering ---------------------------------------------------------------------------

    def deliver(self) -> None:
        world = self.world
        if self.is_dead or self.tenancy.ended or (self.has_ended and not len(self.outbox)):
            return
        first, events = self.outbox.batch(2)
        ending = "Success" if events and events[-1] is None else None
        batch = Batch(first=first, count=len(events), ending=ending)
        if events and isinstance(events[-1], tuple):
            batch = parking(batch, events[-1])
        asked_at = world.now
        world.ask(
            lambda: world.server.write(self.attempt, self.nonce, batch, events),
            lambda answer: self.delivered(asked_at, answer),
        )
        world.after(2.0, self.deliver)

    def delivered(self, asked_at: float, answer: Any) -> None:
        if self.is_dead:
            return
        if isinstance(answer, Refused):
            self.learn(answer)
            return
        self.tenancy.granted(asked_at, self.world.policy.lease.total_seconds())
        self.outbox.stored(answer.up_to)
        if answer.pause and not self.has_ended and not self.is_busy:
            self.park(None, "paused")
        if answer.cancel and not self.has_ended:
            self.tenancy.end(answer.cancel)
            self.world.history.knew_better.setdefault(self.nonce, self.world.now)
            self.has_ended = True
            self.world.after(0.1, self.die_cancelled)

    def die_cancelled(self) -> None:
        """Report the end of a cancelled run until it is stored, as a supervisor would."""
        world = self.world
        if self.is_dead or world.server.own.phase is Phase.FINISHED:
            return
        first, events = self.outbox.batch(100)
        batch = Batch(first=first, count=len(events) + 1, ending="Cancelled")
        world.ask(
            lambda: world.server.write(self.attempt, self.nonce, batch, [*events, None]),
            lambda answer: None,
        )
        world.after(2.0, self.die_cancelled)


def parking(batch: Batch, event: Park) -> Batch:
    """Return a batch that parks the run with its last event."""
    why, until = event
    moment = None if until is None else START + datetime.timedelta(seconds=until)
    return replace(batch, parked=True, parked_until=moment, obeys=why == "paused")


def violations(world: World) -> list[str]:
    """Return what the run's history breaks of what must always hold."""
    history, server = world.history, world.server
    found: list[str] = []
    for attempt, nonces in history.activated.items():
        if len(nonces) > 1:
            found.append(f"attempt {attempt} was activated by {len(nonces)} processes")
    for time, attempt, nonce, task in history.calls:
        if nonce not in history.activated.get(attempt, set()):
            found.append(f"{nonce} called task {task} without having been activated")
        knew = history.knew_better.get(nonce)
        if knew is not None and time > knew:
            found.append(f"{nonce} called task {task} after it knew better")
        if world.policy.hold_on_disconnect:
            later = [at for other, at in history.activated_at.items() if other > attempt]
            if later and time > min(later):
                found.append(f"{nonce} called task {task} while a later attempt owned the run")
    if history.claimed_paused:
        found.append(f"the run was claimed {history.claimed_paused} times while it was paused")
    if history.claims_counted:
        found.append(f"{history.claims_counted} claims that got lost counted as losses")
    if len(history.endings) != 1:
        found.append(f"the run ended {len(history.endings)} times: {history.endings}")
    for key, up_to in history.acknowledged.items():
        if len(server.events.get(key, ())) < up_to:
            found.append(f"{key} was told that {up_to} events were stored, but some are missing")
        if len(server.events.get(key, ())) > up_to:
            found.append(f"{key} has events stored twice")
    if server.own.recoveries != history.losses:
        found.append(f"{history.losses} losses were counted as {server.own.recoveries}")
    if server.own.ending == "Success" and server.succeeded() != set(range(TASKS)):
        found.append(f"the run succeeded with {server.succeeded()} only")
    return found

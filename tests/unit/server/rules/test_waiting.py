"""Everything unfinished says why it waits, whose turn it is, and what would help."""

import datetime
import re
import shlex
from dataclasses import replace

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cli.app import headrace as command_line
from headrace.server.rules.ownership import Phase
from headrace.server.rules.task_waiting import TaskFacts, why_task_waits
from headrace.server.rules.waiting import AgentFacts, RunFacts, why_run_waits

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
TURNS = {"agent", "runner", "server", "user", "clock"}
KINDS = ("local", "docker", "kubernetes", "ecs", "vertex")


def seconds(number: float) -> datetime.datetime:
    return NOW + datetime.timedelta(seconds=number)


def run(**facts: object) -> RunFacts:
    given = {"phase": Phase.SCHEDULED, "state": "Scheduled", "since": seconds(-60)}
    return RunFacts(**{"id": "r1", "start_time": seconds(-60), **given, **facts})


def agent(name: str = "a1", labels: str = "", ago: float = 1, kind: str = "local") -> AgentFacts:
    return AgentFacts(
        name=name,
        kind=kind,
        labels=frozenset(labels.split()),
        last_seen=seconds(-ago),
        is_online=ago < 60,
    )


def check_remedy(remedy: str | None) -> None:
    """Make sure that a remedy that is a command is one, with options that it has."""
    if remedy is None or not remedy.startswith("headrace "):
        assert remedy is None or remedy.endswith(".")
        return
    words = shlex.split(remedy)[1:]
    command: click.Command = command_line
    context = click.Context(command, info_name="headrace")
    while isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, remedy
        command = found
        context = click.Context(command, parent=context, info_name=name)
    command.parse_args(context, list(words))


def test_a_run_of_the_future_waits_for_the_clock():
    why = why_run_waits(run(start_time=seconds(90)), [agent()], NOW)
    assert why.reason == "It waits until 12:01:30 UTC, its start time."
    assert (why.whose_turn, why.remedy) == ("clock", None)


def test_a_run_of_the_future_that_nobody_could_take_says_so():
    why = why_run_waits(run(start_time=seconds(90), labels=frozenset({"gpu"})), [], NOW)
    assert "Nobody could take it now: there is no agent with the label gpu." in why.reason
    assert why.remedy == "headrace agent local start --label gpu"


@pytest.mark.parametrize(
    "message",
    [
        "It is parked: nothing that is left of it starts earlier.",
        "Attempt 1 was lost: killed by SIGKILL.",
    ],
)
def test_a_run_that_goes_on_later_says_why_and_when(message: str):
    facts = run(start_time=seconds(90_000), attempt=1, message=message)
    why = why_run_waits(facts, [agent()], NOW)
    assert why.reason == f"{message} It goes on at 2026-03-02 13:00:00 UTC."
    assert why.whose_turn == "clock"


def test_nobody_serves_its_labels():
    why = why_run_waits(run(labels=frozenset({"gpu", "etl"})), [agent(labels="etl")], NOW)
    assert why.reason == (
        "There is no agent with the labels etl, gpu (a1 lacks gpu) since 11:59:00 UTC."
    )
    assert why.whose_turn == "user"
    assert why.remedy == "headrace agent local start --label etl --label gpu"


def test_the_agent_that_would_take_it_is_offline():
    why = why_run_waits(run(labels=frozenset({"etl"})), [agent(labels="etl", ago=600)], NOW)
    assert why.reason == "No agent with the label etl is online (a1 is offline) since 11:50:00 UTC."


@pytest.mark.parametrize("kind", KINDS[1:])
def test_an_agent_of_another_kind_is_none(kind):
    why = why_run_waits(run(kind=kind, labels=frozenset({"a b"})), [agent(labels="a b")], NOW)
    assert why.reason == f"There is no {kind} agent with the label a b since 11:59:00 UTC."
    assert why.remedy.startswith(f"headrace agent {kind} start ")
    assert why.remedy.endswith(" --label 'a b'")
    check_remedy(why.remedy)


def test_an_agent_that_is_there_has_a_moment_to_claim_it():
    why = why_run_waits(run(start_time=seconds(-1), since=seconds(-1)), [agent()], NOW)
    assert why.reason == "It waits for agent a1 to claim it."
    assert (why.whose_turn, why.remedy) == ("agent", None)


def test_agents_that_do_not_claim_it_may_be_full():
    why = why_run_waits(run(), [agent("a1"), agent("a2")], NOW)
    assert "one of the agents a1, a2" in why.reason
    assert "limits" in why.reason
    assert why.remedy == "headrace agent local start"


def test_a_claimed_run_names_its_agent():
    claimed = run(phase=Phase.CLAIMED, state="Submitted", agent="a1", lease_until=seconds(30))
    why = why_run_waits(claimed, [], NOW)
    assert why.reason == "Agent a1 deploys it since 11:59:00 UTC."
    assert why.whose_turn == "agent"


def test_a_run_that_was_claimed_ahead_of_its_time_waits_for_the_clock():
    held = run(phase=Phase.CLAIMED, agent="box", start_time=seconds(8), lease_until=seconds(68))
    why = why_run_waits(held, [], NOW)
    assert why.reason == "Agent box has it, and starts it at 12:00:08 UTC."
    assert (why.whose_turn, why.remedy) == ("clock", None)
    assert "pauses" in why_run_waits(replace(held, pausing="Paused by maria."), [], NOW).reason


def test_a_claim_that_has_lapsed_is_the_servers():
    claimed = run(phase=Phase.CLAIMED, state="Submitted", agent="a1", lease_until=seconds(-5))
    why = why_run_waits(claimed, [], NOW)
    assert "was not heard of since 11:59:55 UTC: the server takes it back" in why.reason
    assert why.whose_turn == "server"


def test_a_running_run_says_where():
    running = run(phase=Phase.RUNNING, state="Running", host="box", pid=12, lease_until=seconds(9))
    why = why_run_waits(running, [], NOW)
    assert why.reason == "It is running: its process on box, pid 12, since 11:59:00 UTC."
    assert why.whose_turn == "runner"


def test_a_silent_run_says_when_it_is_taken_over():
    running = run(
        phase=Phase.RUNNING,
        state="Running",
        host="box",
        pid=12,
        lease_until=seconds(-10),
        patience=datetime.timedelta(minutes=5),
    )
    why = why_run_waits(running, [], NOW)
    assert "Nothing was heard of it since 11:59:50 UTC" in why.reason
    assert "takes the run over at 12:04:50 UTC, unless it is heard of before" in why.reason
    assert why.whose_turn == "server"


def test_an_order_says_whose_it_is():
    order = {"phase": Phase.RUNNING, "host": "box", "pid": 12, "lease_until": seconds(9)}
    cancelling = run(state="Cancelling", cancelling="Cancelled by maria: wrong day", **order)
    why = why_run_waits(cancelling, [], NOW)
    assert why.reason == (
        "Cancelled by maria: wrong day. It ends when its process on box, pid 12 has stopped."
    )
    pausing = run(state="Pausing", pausing="Paused by maria.", **order)
    assert why_run_waits(pausing, [], NOW).reason.startswith("Paused by maria. It pauses when")


def test_a_paused_run_waits_for_a_person():
    paused = run(state="Paused", pausing="Paused by maria.", paused_tasks=["approve", "pay[3]"])
    why = why_run_waits(paused, [], NOW)
    assert why.reason == (
        "Paused by maria. The tasks that wait: approve, pay[3]. It goes on when a person says so."
    )
    assert (why.whose_turn, why.remedy) == ("user", "headrace flow-run resume r1")


def test_a_run_whose_schedule_is_off_says_so():
    why = why_run_waits(run(start_time=seconds(9), schedule_is_off=True), [agent()], NOW)
    assert "schedule is off" in why.reason


def task_of(**facts: object) -> TaskFacts:
    return TaskFacts(**{"slug": "load-1", **facts})


RUNNING = run(phase=Phase.RUNNING, state="Running", attempt=2, host="box", lease_until=seconds(9))


@pytest.mark.parametrize(
    ("task", "reason", "turn"),
    [
        (
            task_of(unfinished=["extract-1 (Running)"]),
            "It waits for the upstream task extract-1 (Running).",
            "runner",
        ),
        (task_of(), "It is ready, and waits for a free slot of the executor.", "runner"),
        (
            task_of(state="Retrying", due=seconds(60), message="Retry 1 of 3."),
            "Retry 1 of 3. It is tried again at 12:01:00 UTC.",
            "clock",
        ),
        (
            task_of(state="Running", attempt=2, place="w1:7", since=seconds(-5)),
            "It is running on w1:7 since 11:59:55 UTC.",
            "runner",
        ),
        (
            task_of(state="Running", attempt=1),
            "It was running in attempt 1, which was lost: it runs again.",
            "runner",
        ),
        (
            task_of(state="Paused"),
            "It is paused until a person says that it may go on.",
            "user",
        ),
    ],
)
def test_a_task_says_why(task: TaskFacts, reason: str, turn: str):
    why = why_task_waits(task, RUNNING, why_run_waits(RUNNING, [], NOW), NOW)
    assert (why.reason, why.whose_turn) == (reason, turn)


def test_a_task_of_a_run_that_waits_says_what_the_run_waits_for():
    waiting = run(labels=frozenset({"gpu"}))
    why = why_task_waits(task_of(), waiting, why_run_waits(waiting, [], NOW), NOW)
    assert why.reason.startswith(
        "Its flow run is not running. There is no agent with the label gpu"
    )
    assert why.remedy == "headrace agent local start --label gpu"


def test_a_task_that_a_run_has_left_behind_needs_a_restart():
    over = run(phase=Phase.FINISHED, state="Cancelled")
    why = why_task_waits(task_of(), over, None, NOW)
    assert "is over (Cancelled)" in why.reason
    assert why.remedy == "headrace flow-run restart r1"


# -- whatever there is --------------------------------------------------------------------------

times = st.integers(-100_000, 100_000).map(seconds)
texts = st.text(max_size=20)
# What a shell would take apart; no control characters, which labels cannot have.
labels = st.frozensets(st.text("ab -'\"$é&", min_size=1, max_size=5), max_size=3)


@st.composite
def runs(draw: st.DrawFn) -> RunFacts:
    phase = draw(st.sampled_from([Phase.SCHEDULED, Phase.CLAIMED, Phase.RUNNING]))
    return RunFacts(
        id="5e97479b-1e41-45df-9298-f84a7213a930",
        phase=phase,
        state=draw(st.sampled_from(["Scheduled", "Submitted", "Running", "Paused", "Cancelling"])),
        since=draw(times),
        message=draw(texts),
        start_time=draw(st.none() | times),
        attempt=draw(st.integers(0, 5)),
        agent=draw(st.none() | texts),
        host=draw(st.none() | st.just("box")),
        pid=draw(st.none() | st.integers(1, 99)),
        lease_until=draw(st.none() | times),
        patience=datetime.timedelta(seconds=draw(st.integers(0, 600))),
        cancelling=draw(st.none() | texts),
        pausing=draw(st.none() | texts),
        labels=draw(labels),
        kind=draw(st.sampled_from([*KINDS, "any"])),
        schedule_is_off=draw(st.booleans()),
        paused_tasks=draw(st.lists(texts, max_size=5)),
    )


@st.composite
def agents(draw: st.DrawFn) -> AgentFacts:
    return AgentFacts(
        name=draw(texts),
        kind=draw(st.sampled_from(KINDS)),
        labels=draw(labels),
        last_seen=draw(times),
        is_online=draw(st.booleans()),
    )


@st.composite
def tasks(draw: st.DrawFn) -> TaskFacts:
    return TaskFacts(
        slug="load-1",
        map_index=draw(st.integers(-1, 3)),
        state=draw(
            st.sampled_from(["Pending", "Scheduled", "Running", "Retrying", "Paused", "Looped"])
        ),
        since=draw(st.none() | times),
        message=draw(st.none() | texts),
        attempt=draw(st.integers(0, 5)),
        place=draw(st.none() | texts),
        due=draw(st.none() | times),
        unfinished=draw(st.lists(texts, max_size=5)),
    )


@given(runs(), st.lists(agents(), max_size=4))
def test_every_unfinished_run_says_why(facts: RunFacts, known: list[AgentFacts]):
    why = why_run_waits(facts, known, NOW)
    assert re.fullmatch(r"[^\n]+[.!?]", why.reason.replace("\n", " "))
    assert why.whose_turn in TURNS
    check_remedy(why.remedy)
    if why.whose_turn == "user":
        assert why.remedy is not None


@given(tasks(), runs(), st.lists(agents(), max_size=3), st.booleans())
def test_every_unfinished_task_says_why(
    facts: TaskFacts, of: RunFacts, known: list[AgentFacts], over: bool
):
    why_run = None if over else why_run_waits(of, known, NOW)
    why = why_task_waits(facts, of, why_run, NOW)
    assert why.reason
    assert why.whose_turn in TURNS
    check_remedy(why.remedy)
    if why.whose_turn == "user":
        assert why.remedy is not None

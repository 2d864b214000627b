"""The claim loop, with a launcher and a server that do what the test wants."""

import datetime
import threading
import time

import pytest

from headrace.agents.agent import Agent
from headrace.agents.launcher import Deployment, Ended, Launcher, Waits
from headrace.agents.pauses import Pauses
from headrace.core.errors import DeploymentError, NotAuthorized, NotFound, ServerUnreachable
from headrace.wire.claims import Claimed, ClaimedRun
from headrace.wire.events import EventAnswer


def _run(run_id, attempt=1, ahead=0.0):
    return ClaimedRun(
        id=run_id,
        name=run_id,
        attempt=attempt,
        token="",
        start_time=datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=ahead),
        lease=60.0,
        flow_name="f",
        project_name="p",
    )


class Server:
    """Answers claims with what is put into `answers`: runs, or an error."""

    api_url = "http://server"

    def __init__(self):
        self.answers = []
        self.claims = []
        self.exits = []
        self.told = []
        self.messages = []
        self.refusing = {}
        self.gone = set()
        self.unreachable = 0

    def claim(self, claim):
        self.claims.append(claim)
        time.sleep(0.01)
        if not self.answers:
            return Claimed()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Claimed) else Claimed(runs=answer)

    def exited(self, run_id, exited):
        if self.unreachable:
            self.unreachable -= 1
            raise ServerUnreachable("away")
        if run_id == "deleted":
            raise NotFound("There is no such run.")
        self.exits.append((run_id, exited.attempt, exited.reason))
        self.told.append(exited)

    def deploying(self, run_id, deploying):
        if run_id in self.gone:
            raise NotFound("There is no such run.")
        self.messages.append((run_id, deploying.message, time.monotonic()))
        return EventAnswer(stored=0, refused=self.refusing.get(run_id))


class Platform(Launcher):
    kind = "test"

    def __init__(self):
        self.left = []
        self.deployed = []
        self.cancelled = []
        self.failing = {}
        self.ended = []
        self.begun = True
        self.released = []
        self.broken = set()

    def _break(self, call):
        if call in self.broken:
            raise ZeroDivisionError(f"{call} is broken")

    def recover(self, agent):
        self._break("recover")
        return self.left

    def deploy(self, run):
        if run.id in self.failing:
            raise self.failing[run.id]
        self.deployed.append((run.id, time.time()))
        return Deployment(flow_run_id=run.id, attempt=run.attempt, handle=run.id)

    def watch(self, seconds):
        time.sleep(0.01)
        self._break("watch")
        ended, self.ended = self.ended, []
        return ended

    def has_begun(self, deployment):
        self._break("has_begun")
        return self.begun

    def early_logs(self, deployment):
        self._break("early_logs")
        return f"last words of {deployment.handle}"

    def release(self, deployment):
        self.released.append(deployment.handle)
        self._break("release")

    def cancel(self, deployment):
        self._break("cancel")
        self.cancelled.append(deployment.handle)

    @property
    def names(self):
        return [name for name, _ in self.deployed]


@pytest.fixture
def working():
    """Run an agent in a thread, and end it with the test."""
    agents = []

    def start(server, platform, limit=None):
        agent = Agent(platform, server, "agent-1", "agent", ["b", "a"], limit)
        thread = threading.Thread(target=agent.run)
        thread.start()
        agents.append((agent, thread))
        return agent

    yield start
    for agent, thread in agents:
        agent.stop()
        agent.stop()
        thread.join(20)
        assert not thread.is_alive()


def _until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def _deployment(run_id, attempt=1):
    return Deployment(flow_run_id=run_id, attempt=attempt, handle=run_id)


def _ended(run_id, how, to_report=True, attempt=1, is_final=False):
    return Ended(
        deployment=_deployment(run_id, attempt), how=how, to_report=to_report, is_final=is_final
    )


def _deployed(working, server, platform, run_id, **options):
    """Have a run deployed that does not begin."""
    platform.begun = False
    server.answers.append([_run(run_id)])
    agent = working(server, platform, **options)
    _until(lambda: platform.names == [run_id])
    _until(lambda: server.claims[-1].deploying == [run_id])
    return agent


def test_it_says_who_it_is_and_deploys_what_it_gets(working):
    server, platform = Server(), Platform()
    server.answers.append([_run("one"), _run("two")])
    working(server, platform)
    _until(lambda: len(platform.deployed) == 2)
    claim = server.claims[0]
    assert (claim.agent, claim.name, claim.kind) == ("agent-1", "agent", "test")
    assert claim.labels == ["a", "b"]
    assert claim.wait > 1


def test_a_run_that_cannot_be_deployed_is_reported_and_harms_no_other(working):
    server, platform = Server(), Platform()
    platform.failing = {"no": DeploymentError("no such image"), "bug": ZeroDivisionError("oops")}
    server.unreachable = 1
    server.answers.append([_run("no"), _run("bug"), _run("yes")])
    working(server, platform)
    _until(lambda: platform.names == ["yes"] and len(server.exits) == 2)
    reasons = {run: reason for run, _, reason in server.exits}
    assert reasons["no"] == "it could not be deployed: no such image"
    assert "oops" in reasons["bug"]


def test_ends_are_reported_unless_the_run_has_said_them_itself(working):
    server, platform = Server(), Platform()
    working(server, platform)
    platform.ended = [
        _ended("deleted", "gone"),
        _ended("said", "exit code 0", to_report=False),
        _ended("evicted", "evicted", attempt=3),
    ]
    _until(lambda: server.exits)
    assert server.exits == [("evicted", 3, "evicted")]


def test_the_limit_counts_what_an_earlier_process_has_left(working):
    server, platform = Server(), Platform()
    platform.left = [Deployment(flow_run_id="old", attempt=1, handle="old")]
    agent = working(server, platform, limit=2)
    _until(lambda: server.claims)
    assert server.claims[0].most == 1
    server.answers.append([_run("new")])
    _until(lambda: platform.names == ["new"])
    asked = len(server.claims)
    time.sleep(0.5)
    assert len(server.claims) <= asked + 1  # it is full
    platform.ended = [_ended("old", "exit code 0", to_report=False)]
    _until(lambda: len(server.claims) > asked + 1 and server.claims[-1].most == 1)
    assert agent is not None


def test_claims_are_kept_alive_until_the_process_has_begun(working):
    server, platform = Server(), Platform()
    platform.begun = False
    server.answers.append([_run("slow")])
    working(server, platform)
    _until(lambda: any(claim.deploying == ["slow"] for claim in server.claims))
    _until(lambda: platform.names == ["slow"])
    asked = len(server.claims)
    _until(lambda: len(server.claims) > asked + 1)
    assert server.claims[-1].deploying == ["slow"]
    platform.begun = True
    _until(lambda: server.claims[-1].deploying == [])


def test_a_run_is_started_when_it_is_due_and_not_before(working):
    server, platform = Server(), Platform()
    run = _run("later", ahead=0.7)
    server.answers.append([run])
    working(server, platform)
    _until(lambda: platform.deployed)
    late = platform.deployed[0][1] - run.start_time.timestamp()
    assert 0 <= late < 0.5


def test_a_run_that_was_cancelled_while_it_waited_is_not_started(working):
    server, platform = Server(), Platform()
    server.answers.append([_run("later", ahead=0.8)])
    server.answers.append(Claimed(cancelled=["later", "unknown"]))
    working(server, platform)
    _until(lambda: server.exits)
    assert server.exits[0][:2] == ("later", 1)
    time.sleep(1.0)
    assert platform.deployed == []


def test_what_is_due_soon_is_started_by_an_agent_that_stops(working):
    server, platform = Server(), Platform()
    server.answers.append([_run("later", ahead=0.6)])
    agent = working(server, platform)
    _until(lambda: agent._holdings.waiting)
    agent.stop()
    _until(lambda: platform.names == ["later"])


def test_a_server_that_goes_away_is_found_again(working):
    server, platform = Server(), Platform()
    server.answers += [ServerUnreachable("away"), ServerUnreachable("away"), [_run("one")]]
    working(server, platform)
    _until(lambda: platform.names == ["one"])
    # While it is away, nobody waits for it to answer.
    assert [claim.wait > 0 for claim in server.claims[:3]] == [True, False, False]


def test_a_fault_of_its_own_is_not_its_end(working, monkeypatch):
    monkeypatch.setattr("headrace.agents.claiming.LONGEST_PAUSE", 0.05)
    server, platform = Server(), Platform()
    server.answers += [ZeroDivisionError(), [_run("one")]]
    working(server, platform)
    _until(lambda: platform.names == ["one"])


def test_a_key_that_is_no_good_is_said_at_once():
    server, platform = Server(), Platform()
    server.answers.append(NotAuthorized("This key is not known."))
    with pytest.raises(NotAuthorized, match="not known"):
        Agent(platform, server, "agent-1", "agent").run()


def test_where_claims_are_not_held_back_it_asks_ever_more_seldom():
    pauses = Pauses()
    asked = [pauses.answered(20.0, 0.01, Claimed(), None) for _ in range(8)]
    assert asked == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert pauses.answered(20.0, 0.01, Claimed(runs=[_run("one")]), None) == 0.0
    assert pauses.answered(20.0, 20.0, Claimed(), None) == 0.0


def test_where_held_claims_fail_again_and_again_it_asks_without():
    class Log:
        def warning(self, *_):
            pass

    pauses = Pauses()
    for _ in range(3):
        assert pauses.wait(False) > 0
        pauses.failed(20.0, ServerUnreachable("cut"), Log())
        assert pauses.wait(False) == 0.0
        pauses.answered(0.0, 0.01, Claimed(), Log())
    assert pauses.wait(False) == 0.0


def test_it_asks_again_when_the_next_run_is_due():
    pauses = Pauses()
    pauses.next_due = 3.0
    assert pauses.wait(False) == 3.0
    pauses.next_due = 0.0
    assert pauses.wait(False) == 1.0


def test_the_end_goes_along_with_what_was_printed_and_is_let_go_of_afterwards(working):
    server, platform = Server(), Platform()
    server.unreachable = 2
    working(server, platform)
    platform.ended = [
        _ended("evicted", "evicted"),
        _ended("imageless", "no such image", is_final=True),
        _ended("said", "exit code 0", to_report=False),
        _ended("deleted", "gone"),
    ]
    _until(lambda: set(platform.released) == {"evicted", "imageless", "said", "deleted"})
    told = {exited.reason: exited for exited in server.told}
    assert set(told) == {"evicted", "no such image"}
    assert told["evicted"].output == "last words of evicted"
    assert (told["evicted"].is_final, told["no such image"].is_final) == (False, True)


def test_nothing_is_let_go_of_before_the_server_has_taken_its_end(working):
    server, platform = Server(), Platform()
    server.unreachable = 3
    working(server, platform)
    platform.ended = [_ended("evicted", "evicted")]
    _until(lambda: server.unreachable < 3)
    assert platform.released == []
    _until(lambda: platform.released == ["evicted"])
    assert server.exits == [("evicted", 1, "evicted")]


def test_what_can_never_be_deployed_fails_at_once(working):
    server, platform = Server(), Platform()
    platform.failing = {"no": DeploymentError("no such region", is_final=True)}
    server.answers.append([_run("no")])
    working(server, platform)
    _until(lambda: server.told)
    assert (server.told[0].is_final, server.told[0].output) == (True, "")


def test_a_run_shows_what_it_waits_for_and_no_more_often_than_each_second(working):
    server, platform = Server(), Platform()
    _deployed(working, server, platform, "slow")
    for number in range(20):
        platform.ended.append(Waits(deployment=_deployment("slow"), why=f"pulling {number} %"))
        platform.ended.append(Waits(deployment=_deployment("unknown"), why="nobody asks"))
        time.sleep(0.02)
    _until(lambda: server.messages and server.messages[-1][1] == "pulling 19 %")
    platform.ended.append(Waits(deployment=_deployment("slow"), why="pulling 19 %"))
    time.sleep(1.3)
    assert {run for run, _, _ in server.messages} == {"slow"}
    assert len(server.messages) == 2
    (_, first, at), (_, last, later) = server.messages
    assert (first, last) == ("pulling 0 %", "pulling 19 %")
    assert 0.9 < later - at < 2.5


def test_the_server_tells_that_a_process_has_begun(working):
    server, platform = Server(), Platform()
    _deployed(working, server, platform, "slow")
    server.answers.append(Claimed(begun=["slow", "unknown"]))
    _until(lambda: server.claims[-1].deploying == [])
    platform.ended.append(Waits(deployment=_deployment("slow"), why="too late"))
    time.sleep(0.2)
    assert server.messages == []


@pytest.mark.parametrize("why", ["cancelled", "paused", "deleted"])
def test_what_is_deployed_and_not_to_begin_is_cancelled(working, why):
    server, platform = Server(), Platform()
    _deployed(working, server, platform, "slow")
    if why == "deleted":
        server.gone.add("slow")
    server.refusing["slow"] = why
    server.answers.append(Claimed(cancelled=["slow"]))
    _until(lambda: platform.cancelled == ["slow"])
    platform.ended = [_ended("slow", "killed by SIGKILL (exit code 137)")]
    _until(lambda: server.exits)


@pytest.mark.parametrize("refused", ["cancelled", "superseded"])
def test_what_is_still_being_deployed_and_not_to_begin_is_given_back(working, refused):
    """A pull may take minutes, in which the run need not wait for its end."""
    server, platform = Server(), Platform()
    platform.begun = False
    gate = threading.Event()
    deploy = platform.deploy

    def slow(run):
        gate.wait(10)
        return deploy(run)

    platform.deploy = slow
    server.answers.append([_run("pulled")])
    working(server, platform)
    _until(lambda: server.claims and server.claims[-1].deploying == ["pulled"])
    server.refusing["pulled"] = refused
    server.answers.append(Claimed(cancelled=["pulled"]))
    if refused == "cancelled":
        _until(lambda: server.exits == [("pulled", 1, "its agent was told not to start it")])
    else:  # it may have begun though nobody has heard that it was started
        _until(lambda: server.messages)
    gate.set()
    _until(lambda: platform.cancelled == ["pulled"])
    assert len(server.exits) == (refused == "cancelled")


def test_what_is_just_ending_is_left_to_itself(working):
    server, platform = Server(), Platform()
    _deployed(working, server, platform, "quick")
    server.refusing["quick"] = "superseded"
    server.answers.append(Claimed(cancelled=["quick"]))
    _until(lambda: server.messages)
    time.sleep(0.3)
    assert platform.cancelled == []
    assert server.claims[-1].deploying == []


def test_what_stays_though_it_is_over_is_cancelled(working, monkeypatch):
    monkeypatch.setattr("headrace.agents.unwanted._ENDS_BY_ITSELF", 0.1)
    server, platform = Server(), Platform()
    _deployed(working, server, platform, "stuck")
    server.refusing["stuck"] = "superseded"
    server.answers.append(Claimed(cancelled=["stuck"]))
    _until(lambda: len(server.messages) == 1 and server.claims[-1].deploying == ["stuck"])
    assert platform.cancelled == []
    server.answers.append(Claimed(cancelled=["stuck"]))
    _until(lambda: platform.cancelled == ["stuck"])


def test_what_could_not_be_cancelled_is_cancelled_again(working, monkeypatch):
    monkeypatch.setattr("headrace.agents.unwanted._CANCEL_AGAIN", 0.1)
    server, platform = Server(), Platform()
    platform.broken = {"cancel"}
    _deployed(working, server, platform, "slow")
    server.refusing["slow"] = "cancelled"
    server.answers.append(Claimed(cancelled=["slow"]))
    _until(lambda: server.messages and server.claims[-1].deploying == ["slow"])
    platform.broken.clear()
    server.answers.append(Claimed(cancelled=["slow"]))
    _until(lambda: platform.cancelled == ["slow"])


def test_an_older_attempt_that_has_not_begun_makes_room_for_the_next(working, monkeypatch):
    monkeypatch.setattr("headrace.agents.unwanted._ENDS_BY_ITSELF", 0.1)
    server, platform = Server(), Platform()
    _deployed(working, server, platform, "run")
    server.answers.append([_run("run", attempt=2)])
    _until(lambda: platform.names == ["run", "run"])
    _until(lambda: platform.cancelled == ["run"])
    time.sleep(0.2)
    assert platform.cancelled == ["run"]


@pytest.mark.parametrize(
    "call", ["recover", "watch", "has_begun", "early_logs", "release", "cancel"]
)
def test_nothing_that_a_launcher_raises_ends_the_agent(working, monkeypatch, call):
    monkeypatch.setattr("headrace.agents.recovery._RECOVERY_SECONDS", 0.2)
    server, platform = Server(), Platform()
    platform.broken = {call}
    platform.begun = call != "cancel"
    server.answers.append([_run("one")])
    server.refusing["one"] = "cancelled"
    server.answers.append(Claimed(cancelled=["one"]))
    working(server, platform)
    _until(lambda: platform.names == ["one"])
    time.sleep(0.3)
    platform.broken.discard("watch")
    platform.ended = [_ended("one", "evicted")]
    _until(lambda: ("one", 1, "evicted") in server.exits)
    server.answers.append([_run("two")])
    _until(lambda: platform.names == ["one", "two"])


def test_a_platform_that_comes_up_later_is_asked_for_runs_of_earlier_again(working):
    server, platform = Server(), Platform()
    platform.broken = {"recover"}
    platform.left = [_deployment("old")]
    platform.begun = False
    working(server, platform)
    time.sleep(0.1)
    assert server.claims == []
    platform.broken.clear()
    _until(lambda: server.claims)
    assert server.claims[0].deploying == ["old"]


def test_no_more_are_taken_than_can_be_deployed_at_once(working):
    server, platform = Server(), Platform()
    platform.at_once = 2
    gate = threading.Event()
    deploy = platform.deploy

    def slow(run):
        gate.wait(10)
        return deploy(run)

    platform.deploy = slow
    server.answers += [[_run("one")], [_run("two")], [_run("three")]]
    working(server, platform)
    _until(lambda: len(server.answers) == 1)
    time.sleep(0.3)
    assert len(server.answers) == 1  # others may have room for it
    gate.set()
    _until(lambda: sorted(platform.names) == ["one", "three", "two"])


def test_an_agent_that_stops_takes_its_question_back(working):
    server, platform = Server(), Platform()
    held = threading.Event()
    claim = server.claim

    def hold(asked):
        if asked.most and server.claims:
            server.claims.append(asked)
            held.wait(10)
            return Claimed()
        if not asked.most:
            held.set()
        return claim(asked)

    server.claim = hold
    agent = working(server, platform)
    _until(lambda: len(server.claims) == 2)
    agent.stop()
    _until(lambda: len(server.claims) == 3)
    _, question, last = server.claims
    assert (last.most, last.session, last.number) == (0, question.session, question.number)


def test_what_comes_when_nothing_is_deployed_any_more_is_left_to_others(working):
    server, platform = Server(), Platform()
    agent = working(server, platform)
    _until(lambda: server.claims)
    agent.stop()
    _until(agent._closed.is_set)
    agent._take(Claimed(runs=[_run("late")]))
    assert platform.deployed == []

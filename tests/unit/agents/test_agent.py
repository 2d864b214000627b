"""The claim loop, with a launcher and a server that do what the test wants."""

import datetime
import threading
import time

import pytest

from headrace.agents.agent import Agent
from headrace.agents.launcher import Deployment, Ended, Launcher
from headrace.agents.pauses import Pauses
from headrace.core.errors import DeploymentError, NotAuthorized, NotFound, ServerUnreachable
from headrace.wire.claims import Claimed, ClaimedRun


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


class Platform(Launcher):
    kind = "test"

    def __init__(self):
        self.left = []
        self.deployed = []
        self.cancelled = []
        self.failing = {}
        self.ended = []
        self.begun = True

    def recover(self, agent):
        return self.left

    def deploy(self, run):
        if run.id in self.failing:
            raise self.failing[run.id]
        self.deployed.append((run.id, time.time()))
        return Deployment(flow_run_id=run.id, attempt=run.attempt, handle=run.id)

    def watch(self, seconds):
        time.sleep(0.01)
        ended, self.ended = self.ended, []
        return ended

    def has_begun(self, deployment):
        return self.begun

    def early_logs(self, deployment):
        return ""

    def release(self, deployment):
        pass

    def cancel(self, deployment):
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


def _ended(run_id, how, to_report=True, attempt=1):
    deployment = Deployment(flow_run_id=run_id, attempt=attempt, handle=run_id)
    return Ended(deployment=deployment, how=how, to_report=to_report)


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
    _until(lambda: agent._due)
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
    monkeypatch.setattr("headrace.agents.agent.LONGEST_PAUSE", 0.05)
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

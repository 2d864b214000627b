"""The agent's loop and a real server, with a platform on which everything happens at the test's word."""

import datetime
import threading
import time
import uuid

import pytest

from headrace.agents.agent import Agent
from headrace.agents.launcher import Deployment, Ended, Launcher, Waits
from headrace.client import Client
from headrace.core import now as clock
from headrace.core.errors import DeploymentError
from headrace.wire.claims import Activate

SECOND = datetime.timedelta(seconds=1)
HOUR = datetime.timedelta(hours=1)


class Platform(Launcher):
    """Keeps what is deployed, and tells what it is told to tell."""

    kind = "test"

    def __init__(self):
        self.live = {}
        self.cancelled = []
        self.released = []
        self.impossible = False
        self._news = []
        self._heard = threading.Condition()

    def tell(self, *news):
        with self._heard:
            self._news += news
            self._heard.notify()

    def end(self, deployment, how, **options):
        self.live.pop(deployment.flow_run_id, None)
        self.tell(Ended(deployment=deployment, how=how, to_report=True, **options))

    def recover(self, agent):
        return list(self.live.values())

    def deploy(self, run):
        if self.impossible:
            raise DeploymentError("there is no region nowhere-1", is_final=True)
        deployment = Deployment(flow_run_id=run.id, attempt=run.attempt, handle=run.id)
        self.live[run.id] = deployment
        return deployment

    def watch(self, seconds):
        with self._heard:
            self._heard.wait_for(lambda: self._news, seconds)
            news, self._news = self._news, []
        return news

    def early_logs(self, deployment):
        return "ModuleNotFoundError: No module named 'etl'\nand more"

    def release(self, deployment):
        self.released.append(deployment)

    def cancel(self, deployment):
        self.cancelled.append(deployment)
        self.end(deployment, "killed by SIGTERM (exit code 143)")


class Working:
    """An agent at work in threads of its own."""

    def __init__(self, scene, platform, label, id=None, limit=None):
        self.agent = Agent(
            platform,
            Client(scene.server.url, api_key="", retries=False),
            id or f"agent-{uuid.uuid4()}",
            "agent",
            [label],
            limit,
        )
        self._thread = threading.Thread(target=self.agent.run)
        self._thread.start()

    def stop(self):
        self.agent.stop()
        self.agent.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture
def label():
    return f"label-{uuid.uuid4()}"


@pytest.fixture
def working(scene, label):
    agents = []

    def start(platform, **options):
        agents.append(Working(scene, platform, label, **options))
        return agents[-1]

    yield start
    for agent in agents:
        agent.stop()


@pytest.fixture
def made(scene, label):
    def make(start_time=None):
        return scene.client.create_flow_run(
            "looks",
            "p",
            parameters={"where": "/nowhere", "until": ""},
            labels=[label],
            start_time=start_time,
        ).id

    return make


def _deployed(scene, platform, run_id):
    scene.until(lambda: run_id in platform.live, "it is not deployed")
    return platform.live[run_id]


def test_a_run_shows_within_a_second_what_it_waits_for(scene, working, made):
    platform = Platform()
    working(platform)
    run_id = made()
    deployment = _deployed(scene, platform, run_id)
    for why in ("Unschedulable: 0/3 nodes are available", "pulling the image"):
        told = time.monotonic()
        platform.tell(Waits(deployment=deployment, why=why))
        scene.until(lambda why=why: why in scene.client.get_flow_run(run_id).message, "not shown")
        # A loaded machine takes longer; where nothing is told before the next question, it is 20 s.
        assert time.monotonic() - told < 8.0
        time.sleep(1.0)


def test_what_a_process_printed_that_never_began_is_in_the_logs(scene, working, made):
    platform = Platform()
    working(platform)
    run_id = made()
    deployment = _deployed(scene, platform, run_id)
    platform.end(deployment, "exit code 1")
    scene.until(lambda: platform.live.get(run_id, deployment).attempt == 2, "no next attempt")
    scene.until(lambda: deployment in platform.released, "it is not let go of")
    lines = [line.message for line in scene.client.log_page(run_id).items]
    assert any("No module named 'etl'" in line for line in lines), lines
    assert any("exit code 1" in each.message for each in scene.client.flow_run_states(run_id))


def test_what_can_never_run_fails_at_once(scene, working, made):
    platform = Platform()
    working(platform)
    first = made()
    platform.end(_deployed(scene, platform, first), "no such image", is_final=True)
    assert "no such image" in scene.ended(first, "Failed").message
    platform.impossible = True
    second = made()
    assert "no region nowhere-1" in scene.ended(second, "Failed").message


def test_a_run_that_is_cancelled_while_it_waits_for_room_is_ended(scene, working, made):
    platform = Platform()
    working(platform)
    run_id = made()
    deployment = _deployed(scene, platform, run_id)
    time.sleep(0.5)
    asked = time.monotonic()
    scene.client.cancel_flow_run(run_id, "not today")
    assert "not today" in scene.ended(run_id, "Cancelled").message
    assert time.monotonic() - asked < 12.0
    assert platform.cancelled == [deployment]


def test_the_server_says_when_a_process_has_begun(scene, working, made):
    platform = Platform()
    agent = working(platform).agent
    run_id = made()
    _deployed(scene, platform, run_id)
    assert agent._holdings.is_deploying
    scene.client.activate(run_id, Activate(attempt=1, nonce="n"))
    scene.until(lambda: not agent._holdings.is_deploying, "it is not said")
    assert platform.cancelled == []


def test_agents_of_a_kind_share_work_and_double_none(scene, working, made):
    platforms = [Platform(), Platform()]
    for platform in platforms:
        working(platform, limit=12)
    runs = {made() for _ in range(20)}
    scene.until(lambda: sum(len(each.live) for each in platforms) >= 20, "not all are deployed")
    time.sleep(0.5)
    first, second = (set(platform.live) for platform in platforms)
    assert not first & second
    assert first | second == runs
    assert max(len(first), len(second)) <= 12


def test_an_agent_that_is_started_again_goes_on(scene, working, made):
    platform = Platform()
    before = working(platform, id="kept")
    run_id = made()
    deployment = _deployed(scene, platform, run_id)
    before.stop()
    after = working(platform, id="kept")
    scene.until(lambda: len(after.agent._holdings) == 1, "it is not found again")
    platform.end(deployment, "evicted")
    scene.until(lambda: platform.live.get(run_id, deployment).attempt == 2, "no next attempt")
    assert any("evicted" in each.message for each in scene.client.flow_run_states(run_id))


@pytest.mark.parametrize("off", [-HOUR, HOUR], ids=["behind", "ahead"])
def test_an_agent_whose_clock_is_wrong_starts_runs_in_time(scene, working, made, off):
    with clock.replaced(lambda: datetime.datetime.now(datetime.UTC) + off):
        platform = Platform()
        working(platform)
        at_once = made()
        scene.until(lambda: at_once in platform.live, "it is not deployed")
        due = datetime.datetime.now(datetime.UTC) + 4 * SECOND
        scheduled = made(due)
        scene.until(lambda: scene.client.get_flow_run(scheduled).state == "Submitted", "no claim")
        early = datetime.datetime.now(datetime.UTC) < due - SECOND
        assert not (early and scheduled in platform.live)
        scene.until(lambda: scheduled in platform.live, "it is not deployed", 30)
        assert datetime.datetime.now(datetime.UTC) > due


def test_an_agent_that_ends_in_a_hurry_gives_back_what_waits_for_its_time(scene, working, made):
    agent = working(Platform())
    run_id = made(datetime.datetime.now(datetime.UTC) + 9 * SECOND)
    scene.until(lambda: scene.client.get_flow_run(run_id).state == "Submitted", "no claim")
    agent.stop()
    began = time.monotonic()
    scene.until(lambda: scene.client.get_flow_run(run_id).state == "Scheduled", "it is kept")
    assert time.monotonic() - began < 20.0
    platform = Platform()
    working(platform)
    scene.until(lambda: run_id in platform.live, "nobody takes it")

"""The launcher of Vertex AI: the contract of all launchers, and what may go wrong at Google's."""

import os
import stat
import threading
import time
import uuid

import pytest

from headrace.agents.launcher import Ended, Waits
from headrace.agents.vertex.api import VertexApi
from headrace.agents.vertex.job import JobDefaults
from headrace.agents.vertex.launcher import VertexLauncher
from headrace.agents.vertex_agent import VertexAgent
from headrace.core.errors import ConfigError, DeploymentError
from headrace.run_configs import VertexRun
from headrace.testing import LauncherContract, LauncherPlatform
from tests.integration.components.vertex import PROJECT, REGION, FakeVertex, vertex

__all__ = ["vertex"]


class Place(LauncherPlatform):
    def __init__(self, fake: FakeVertex) -> None:
        self.fake = fake

    def launcher(self, **more):
        api = VertexApi(None, REGION, endpoint=self.fake.url, logging_endpoint=self.fake.url)
        settings = {"look_every": 0.1, "again": (0.05, 0.05, 0.05), **more}
        return VertexLauncher(
            api,
            api_url="http://127.0.0.1:4200",
            defaults=JobDefaults(image="headrace:test"),
            **settings,
        )

    def run(self, does, **more):
        return LauncherContract.run_that(does, **more)

    def job(self, deployment):
        with self.fake.machines.lock:
            return self.fake.machines.jobs.get(deployment.handle)

    def is_running(self, deployment):
        job = self.job(deployment)
        return job is not None and job.process is not None and job.process.poll() is None

    def kill(self, deployment):
        self.job(deployment).kill()

    def marks(self, deployment):
        message = self.job(deployment).message
        return [*message.labels.values(), message.display_name]

    def impossible(self):
        return self.run("succeed", run_config=VertexRun(image="no:image").serialize())


@pytest.fixture
def platform(vertex, monkeypatch, tmp_path):
    program = tmp_path / "headrace"
    program.write_text(LauncherContract.PROGRAM)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(vertex.key_file))
    path = vertex.machines.path
    vertex.machines.path = f"{tmp_path}{os.pathsep}{path}"
    vertex.asked.clear()
    yield Place(vertex)
    vertex.machines.path = path
    vertex.machines.restarts = 0
    vertex.waits.update(QUEUED=0.0, PENDING=0.0)
    vertex.faults.clear()


class TestVertexLauncher(LauncherContract):
    patience = 90.0


@pytest.fixture
def launcher(platform):
    found = platform.launcher()
    list(found.recover(f"agent-{uuid.uuid4()}"))
    yield found
    found.close()
    for job in platform.fake.jobs:
        job.kill()


def news_of(launcher, count, kind=Ended | Waits, timeout=60.0):
    found, until = [], time.monotonic() + timeout
    while len(found) < count:
        assert time.monotonic() < until, found
        found += [each for each in launcher.watch(0.2) if isinstance(each, kind)]
    return found


def end_of(launcher, timeout=60.0):
    (ended,) = news_of(launcher, 1, Ended, timeout)
    return ended


def until_it_runs(platform, deployment):
    until = time.monotonic() + 60
    while not platform.is_running(deployment):
        assert time.monotonic() < until, platform.job(deployment)
        time.sleep(0.02)


# -- unclear answers, quota, refusals ---------------------------------------------------------------


@pytest.mark.parametrize("how", [{"status": "UNAVAILABLE"}, {"status": None, "is_done": True}])
def test_an_unclear_answer_is_looked_after_and_makes_no_twin(platform, launcher, how):
    platform.fake.fail("create", times=1, **how)
    run = platform.run("succeed")
    deployment = launcher.deploy(run)
    assert [job.message.name for job in platform.fake.of(run.id)] == [deployment.handle]
    ended = end_of(launcher)
    assert ended.deployment == deployment


def test_quota_is_asked_again_and_is_no_final_end(platform, launcher):
    platform.fake.fail("create", "RESOURCE_EXHAUSTED", message="Quota exceeded", times=2)
    launcher.deploy(platform.run("succeed"))
    assert platform.fake.asked.count("create") == 3
    assert platform.fake.asked.count("list") == 1  # nothing unclear, nothing to look for
    platform.fake.fail("create", "RESOURCE_EXHAUSTED", message="Quota exceeded", times=9)
    with pytest.raises(DeploymentError, match="RESOURCE_EXHAUSTED: Quota exceeded") as caught:
        launcher.deploy(platform.run("succeed"))
    assert not caught.value.is_final


@pytest.mark.parametrize("status", ["INVALID_ARGUMENT", "PERMISSION_DENIED", "NOT_FOUND"])
def test_refusals_are_final_and_in_googles_words(platform, launcher, status):
    platform.fake.fail("create", status, message="Because of this")
    with pytest.raises(DeploymentError, match=f"{status}: Because of this") as caught:
        launcher.deploy(platform.run("succeed"))
    assert caught.value.is_final
    assert platform.fake.asked.count("create") == 1


def test_what_no_job_can_have_is_refused_by_name(platform, launcher):
    config = VertexRun(scheduling={"timeuot": "5s"}).serialize()
    with pytest.raises(DeploymentError, match="timeuot") as caught:
        launcher.deploy(platform.run("succeed", run_config=config))
    assert caught.value.is_final


# -- what becomes of jobs --------------------------------------------------------------------------


def test_why_a_job_waits(platform, launcher):
    platform.fake.waits.update(QUEUED=2.0, PENDING=2.0)  # looked at often meanwhile
    launcher.deploy(platform.run("succeed"))
    queued, pending, ended = news_of(launcher, 3)
    assert isinstance(queued, Waits)
    assert "quota" in queued.why
    assert isinstance(pending, Waits)
    assert "machines" in pending.why
    assert isinstance(ended, Ended)


@pytest.mark.parametrize("state", ["CANCELLED", "EXPIRED", "FAILED"])
def test_a_job_that_is_ended_from_outside(platform, launcher, state):
    deployment = launcher.deploy(platform.run("wait"))
    until_it_runs(platform, deployment)
    with platform.fake.machines.lock:
        platform.job(deployment).become(state, 13, "Internal error")
    ended = end_of(launcher)
    assert state.lower() in ended.how
    assert "INTERNAL: Internal error" in ended.how
    assert (ended.to_report, ended.is_final) == (True, False)


def test_a_job_that_somebody_deletes(platform, launcher, monkeypatch):
    monkeypatch.setattr("headrace.agents.vertex.launcher._LISTED_AFTER", 0.1)
    deployment = launcher.deploy(platform.run("wait"))
    with platform.fake.machines.lock:
        platform.fake.machines.jobs.pop(deployment.handle).kill()
    ended = end_of(launcher)
    assert (ended.how, ended.to_report) == ("its job was deleted", True)


def test_a_container_that_vertex_starts_again_is_told_of_in_the_end(platform, launcher):
    platform.fake.machines.restarts = 2
    deployment = launcher.deploy(platform.run("fail"))
    ended = end_of(launcher)
    assert platform.job(deployment).starts == 3
    assert ended.to_report


def test_twins_are_one_run_to_the_agent(platform, launcher):
    run = platform.run("wait")
    first = launcher.deploy(run)
    launcher._jobs._names.clear()  # as if the list did not show the first when it was looked for
    second = launcher.deploy(run)
    launcher._jobs._names[run.id, run.attempt].add(first.handle)
    assert first.handle != second.handle
    for each in (first, second):
        until_it_runs(platform, each)
    platform.kill(first)
    until = time.monotonic() + 60
    while platform.job(first) is not None:  # it is deleted, and nobody is told
        assert time.monotonic() < until
        assert not [each for each in launcher.watch(0.1) if isinstance(each, Ended)]
    platform.kill(second)
    ended = end_of(launcher)
    assert ended.deployment == second
    assert ended.to_report


def test_a_twin_of_what_has_succeeded_is_cancelled(platform, launcher):
    run = platform.run("wait")
    first = launcher.deploy(run)
    launcher._jobs._names.clear()
    second = launcher.deploy(run)
    launcher._jobs._names[run.id, run.attempt].add(first.handle)
    with platform.fake.machines.lock:
        platform.job(first).become("SUCCEEDED")
    ended = end_of(launcher)
    assert (ended.deployment, ended.to_report) == (first, False)
    until = time.monotonic() + 60
    while platform.job(second).state not in ("CANCELLING", "CANCELLED"):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_vertex_away_for_a_while(platform, launcher, caplog):
    deployment = launcher.deploy(platform.run("succeed"))
    platform.fake.fail("list", "UNAVAILABLE", times=2)
    platform.fake.fail("list", None, seconds=0.3)
    ended = end_of(launcher)
    assert ended.deployment == deployment
    assert "UNAVAILABLE: injected" in caplog.text


def test_five_hundred_are_seen_by_pages_and_looked_at_less_often(platform, launcher):
    platform.fake.waits.update(QUEUED=60.0)
    runs = [platform.run("succeed") for _ in range(120)]
    threads = [threading.Thread(target=launcher.deploy, args=[run]) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(news_of(launcher, 120, Waits)) == 120
    platform.fake.asked.clear()
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        assert launcher.watch(0.1) == []
    # Two pages each time, no job by itself, and ever longer pauses.
    assert set(platform.fake.asked) <= {"list"}
    assert len(platform.fake.asked) <= 20
    until = time.monotonic() + 60
    while len(platform.fake.asked) < 4:
        assert time.monotonic() < until, platform.fake.asked
        assert launcher.watch(0.1) == []
    assert set(platform.fake.asked) == {"list"}
    with platform.fake.machines.lock:
        platform.fake.machines.jobs.clear()


def test_jobs_are_kept_if_that_is_asked_for(platform):
    keeping = platform.launcher(keep=True)
    list(keeping.recover("agent-keep"))
    deployment = keeping.deploy(platform.run("succeed"))
    ended = end_of(keeping)
    keeping.release(ended.deployment)
    keeping.close()
    assert platform.job(deployment).state == "SUCCEEDED"


def test_an_agent_that_ends_does_not_wait_for_all_that_is_to_be_deleted(platform):
    first = platform.launcher()
    agent = f"agent-{uuid.uuid4()}"
    list(first.recover(agent))
    for _ in range(12):
        first.deploy(platform.run("succeed"))
    ended = news_of(first, 12, Ended)
    platform.fake.fail("delete", "UNAVAILABLE", seconds=4.0, times=99)
    for each in ended:
        first.release(each.deployment)
    began = time.monotonic()
    first.close()
    assert time.monotonic() < began + 8.0  # four are asked at a time: all would take 12 s
    platform.fake.faults.clear()
    second = platform.launcher()
    list(second.recover(agent))
    assert len(news_of(second, 12, Ended)) == 12  # they are told again, which is no harm
    second.close()


def test_early_logs_that_are_out_of_reach(platform, launcher, caplog):
    deployment = launcher.deploy(platform.run("fail"))
    end_of(launcher)
    assert launcher.early_logs(deployment).splitlines() == [LauncherContract.LAST_WORDS]
    platform.fake.fail("entries", "PERMISSION_DENIED")
    assert launcher.early_logs(deployment) == ""
    assert "out of reach" in caplog.text


# -- the agent's start -----------------------------------------------------------------------------


def start(vertex, **more):
    settings = {"region_name": REGION, "endpoint": vertex.url, **more}
    return VertexAgent(api_url="http://127.0.0.1:1", **settings)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    return tmp_path


def test_no_credentials(vertex, home):
    with pytest.raises(ConfigError, match="no credentials for Google Cloud.*gcloud auth"):
        start(vertex)


def test_credentials_that_are_none(vertex, home, monkeypatch):
    (home / "key.json").write_text("{}")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(home / "key.json"))
    with pytest.raises(ConfigError, match="no credentials for Google Cloud"):
        start(vertex)


def test_credentials_that_are_refused(vertex, home, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(vertex.revoked_key_file))
    with pytest.raises(ConfigError, match="credentials were refused.*invalid_grant"):
        start(vertex)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(vertex.key_file))
    monkeypatch.setattr(vertex, "refuses_all", True)
    with pytest.raises(ConfigError, match="UNAUTHENTICATED"):
        start(vertex)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"region_name": None}, "needs a region.*--region-name"),
        ({"region_name": "atlantis"}, "'atlantis' is none"),
        ({"region_name": "asia-east7"}, "in region 'asia-east7': INVALID_ARGUMENT"),
        ({"project": "another"}, "project 'another' in region .*PERMISSION_DENIED"),
        ({"endpoint": "http://127.0.0.1:1"}, "no answer"),
    ],
)
def test_projects_and_regions_that_are_none(vertex, home, monkeypatch, settings, message):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(vertex.key_file))
    with pytest.raises(ConfigError, match=message):
        start(vertex, **settings)


def test_the_project_of_the_credentials(vertex, home, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(vertex.key_file))
    api = VertexApi(None, REGION, endpoint=vertex.url)
    assert api.project == PROJECT
    api.close()

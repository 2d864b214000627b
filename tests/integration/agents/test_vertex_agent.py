"""The agent of Vertex AI with a real server, and jobs that really run flows."""

import os
import signal
import subprocess

import pytest

from headrace.run_configs import VertexRun
from tests.integration.components.vertex import REGION, FakeVertex, vertex
from tests.support.agents import running_agent
from tests.support.servers import PROGRAM

__all__ = ["vertex"]


@pytest.fixture(scope="module")
def shared_database_url(tmp_path_factory):
    """One kind of database: what becomes of jobs is no matter of it."""
    return f"sqlite:///{tmp_path_factory.mktemp('database') / 'headrace.db'}"


@pytest.fixture
def agent(scene, vertex: FakeVertex):
    """An agent of Vertex AI; what its jobs have left is gone before the next test."""
    options = [
        *("--region-name", REGION, "--endpoint", vertex.url, "--logging-endpoint", vertex.url),
        *("--image", "headrace:test", "--env", "STAGE=agent"),
    ]
    env = {"GOOGLE_APPLICATION_CREDENTIALS": str(vertex.key_file)}
    with running_agent(scene.server, options=options, env=env, kind="vertex") as running:
        yield running
    for job in vertex.jobs:
        job.kill()
    vertex.waits.update(QUEUED=0.0, PENDING=0.0)
    vertex.faults.clear()


def config(**more):
    return VertexRun(**more).serialize()


def running(vertex, run):
    """Return the job of a run whose process runs."""
    found = [job for job in vertex.of(run) if job.process and job.process.poll() is None]
    return found[0] if found else None


def states(scene, run):
    return [each.state for each in scene.client.task_runs(run)]


def test_a_run_in_a_job(scene, agent, vertex):
    run, where = scene.start(config(env={"OWN": "yes"}, machine_type="n2-standard-2"))
    found = scene.looked(where)
    env = found["env"]
    assert (env["STAGE"], env["OWN"], env["HEADRACE_RUN_ID"]) == ("agent", "yes", run)
    assert "HEADRACE_API_KEY" not in env
    scene.ended(run)
    # The server knows its end, so that the job is not needed any more.
    scene.until(lambda: not vertex.of(run), "the job stays")
    assert found["env"]["HEADRACE_RUN_TOKEN"] not in agent.log


def test_why_it_waits_is_shown(scene, agent, vertex):
    vertex.waits.update(QUEUED=600.0)
    run, _ = scene.start(config())
    scene.until(
        lambda: "queued the job" in (scene.client.get_flow_run(run).message or ""),
        "the run does not say why it waits",
    )
    (job,) = vertex.of(run)
    job.waits.update(QUEUED=0.0)
    scene.ended(run)


def test_a_container_that_is_killed_is_followed_by_another(scene, agent, vertex, tmp_path):
    until = tmp_path / "until"
    run, where = scene.start(config(), until=until)
    first = scene.looked(where)
    scene.until(lambda: "Success" in states(scene, run), "the server does not hear of its task")
    running(vertex, run).kill()
    scene.until(lambda: scene.client.get_flow_run(run).attempt == 2, "no other attempt")
    scene.until(lambda: "SIGKILL (exit code 137)" in agent.log, "the agent does not say why")
    scene.until(lambda: running(vertex, run), "the second attempt does not begin")
    until.touch()
    scene.ended(run)
    assert scene.looked(where)["pid"] == first["pid"]  # what had finished was not run again


def test_a_cancelled_run_that_waits_has_its_job_cancelled(scene, agent, vertex):
    vertex.waits.update(QUEUED=60.0)
    run, _ = scene.start(config())
    scene.until(lambda: vertex.of(run), "no job is made")
    (job,) = vertex.of(run)
    scene.client.cancel_flow_run(run)
    scene.until(lambda: job.state == "CANCELLED", "the job is not cancelled")
    scene.ended(run, "Cancelled")


def test_what_can_never_be_deployed_fails_at_once(scene, agent, vertex):
    for wrong, message in (
        (config(image="no:image"), "NOT_FOUND: Image no:image was not found"),
        (config(machine_type="large"), "INVALID_ARGUMENT: Machine type 'large'"),
    ):
        run, _ = scene.start(wrong)
        assert message in scene.ended(run, "Failed").message
        assert scene.client.get_flow_run(run).attempt == 1


def test_an_agent_that_is_killed_finds_its_jobs(scene, agent, vertex, tmp_path):
    until = tmp_path / "until"
    goes_on, where = scene.start(config(), until=until)
    dies, other = scene.start(config(), until=until)
    scene.looked(where)
    scene.looked(other)
    agent.kill()
    running(vertex, dies).kill()
    agent.start()
    scene.until(lambda: f"Found flow run {goes_on}" in agent.log, "it is not found")
    scene.until(lambda: scene.client.get_flow_run(dies).attempt == 2, "its end is not told")
    until.touch()
    scene.ended(goes_on)
    scene.ended(dies)
    assert scene.client.get_flow_run(goes_on).attempt == 1


def test_an_answer_that_is_lost_with_the_list_behind_makes_twins_of_which_one_runs(
    scene, agent, vertex
):
    # The job is made, its answer is lost, and the list that is asked for it is refused until late.
    vertex.fail("create", None, is_done=True)
    real, vertex.list = vertex.list, lambda parent, params: {}
    try:
        run, _ = scene.start(config())
        scene.until(lambda: len(vertex.of(run)) == 2, "there are no twins")
    finally:
        vertex.list = real
    scene.ended(run)
    assert scene.client.get_flow_run(run).attempt == 1
    scene.until(lambda: not vertex.of(run), "the jobs stay")


def test_signals_end_the_agent_and_no_run(scene, agent, vertex, tmp_path):
    until = tmp_path / "until"
    run, where = scene.start(config(), until=until)
    scene.looked(where)
    agent.stop()
    assert running(vertex, run)
    until.touch()
    scene.ended(run)


def test_errors_at_the_start_are_no_tracebacks(scene, vertex, tmp_path):
    done = subprocess.run(
        [PROGRAM, "agent", "vertex", "start", "--region-name", REGION, "--endpoint", vertex.url],
        env={
            **os.environ,
            **scene.server.env,
            "GOOGLE_APPLICATION_CREDENTIALS": str(vertex.revoked_key_file),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode not in (0, -signal.SIGKILL)
    assert "credentials were refused" in done.stderr
    assert "Traceback" not in done.stderr

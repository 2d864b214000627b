"""The agent of Kubernetes with a real server: flows run in pods of the cluster."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from headrace.client import Client
from headrace.run_configs import KubernetesRun
from tests.support.agents import running_agent
from tests.support.place import FLOWS, Place
from tests.support.servers import PROGRAM, running_server

IMAGE = "headrace:here"


@pytest.fixture(scope="module")
def shared(kubernetes_cluster, tmp_path_factory):
    """A server and an agent for all tests of this module."""
    folder = tmp_path_factory.mktemp("kubernetes")
    options = ["--kubeconfig", str(kubernetes_cluster.kubeconfig), "--image", IMAGE]
    # What lies beside the real files of this machine, as the nodes' disks are the test's.
    options += ["--env", f"HEADRACE_HOME={folder / 'pods'}"]
    with ExitStack() as stack:
        server = stack.enter_context(running_server())
        agent = stack.enter_context(
            running_agent(server, "here", options=options, kind="kubernetes")
        )
        place = Place(server, agent, folder)
        place.marks.mkdir()
        text = FLOWS.format(marks=str(place.marks), results=str(folder / "results"))
        (folder / "flows.py").write_text(textwrap.dedent(text))
        place.call("project", "create", "etl")
        place.call("register", "--project", "etl", "--path", "flows.py", "--label", "here")
        yield place


@pytest.fixture
def api(kubernetes_api):
    kubernetes_api.add_image(IMAGE, env={"PATH": f"{Path(PROGRAM).parent}:{os.environ['PATH']}"})
    return kubernetes_api


@pytest.fixture
def place(shared, api):
    yield shared
    for mark in shared.marks.iterdir():
        mark.unlink()


def start(place: Place, config: KubernetesRun) -> str:
    """Start a run with a run config of its own."""
    with Client(place.server.url, api_key="") as client:
        return client.create_flow_run("sums", "etl", run_config=config.serialize()).id


def begin(place: Place, tmp_path: Path) -> tuple[str, Path]:
    """Start a run that holds, wait until it does, and return it with what lets go of it."""
    until = tmp_path / "until"
    run = place.start("held", until=str(until))
    place.wait_for_mark("hold")
    place.wait_until_doubled(run)
    return run, until


def pod_of(api, run: str, attempt: int = 1) -> str:
    return api.wait_for_pod(f"headrace-{run}-{attempt}")["metadata"]["name"]


def states(place: Place, run: str) -> str:
    return place.call("flow-run", "states", run)


def wait_for_state(place: Place, run: str, words: str) -> None:
    until = time.monotonic() + 90
    while words not in (said := json.dumps(place.show(run), ensure_ascii=False)):
        assert time.monotonic() < until, f"{said}\n{place.agent.log[-3000:]}"
        time.sleep(0.05)


def wait_for_states(place: Place, run: str, words: str) -> None:
    until = time.monotonic() + 60
    while words not in (said := states(place, run)):
        assert time.monotonic() < until, f"{said}\n{place.agent.log[-3000:]}"
        time.sleep(0.05)


def test_a_flow_runs_in_a_job(place: Place, api) -> None:
    run = place.start("sums")
    place.wait(run, "Success")
    asked = [call for call in api.calls if call.verb == "create" and call.resource.plural == "jobs"]
    assert len(asked) == 1, asked
    api.wait(lambda: api.get("jobs", f"headrace-{run}-1") is None)
    # What a probe looks at.
    assert (place.agent.home / "agents" / "kubernetes" / "alive").exists()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("kill", "killed by SIGKILL (exit code 137)"),
        ("oom", "OOMKilled"),
        ("evict", "Evicted: The node was low on resource: memory"),
        ("delete", "SIGTERM"),
    ],
)
def test_a_pod_that_is_lost_is_followed_by_another(
    place: Place, api, tmp_path: Path, how: str, words: str
) -> None:
    run, until = begin(place, tmp_path)
    pod = pod_of(api, run)
    if how == "kill":
        os.kill(api.pid(pod), 9)
    elif how == "oom":
        api.out_of_memory(pod)
    elif how == "evict":
        api.evict(pod)
    else:
        api.delete("pods", pod)
    place.wait_for_calls("hold", 2)
    until.touch()
    place.wait(run, "Success")
    assert words in states(place, run)
    assert [place.calls(name) for name in ("numbers", "double-0", "double-1")] == [1, 1, 1]
    assert place.show(run)["attempt"] == 2


def test_a_run_says_what_it_waits_for(place: Place, api) -> None:
    api.unschedulable("Insufficient cpu")
    began = time.monotonic()
    run = place.start("sums")
    wait_for_state(place, run, "Insufficient cpu")
    assert time.monotonic() - began < 20
    api.unschedulable(None)
    place.wait(run, "Success")


def test_what_can_never_be_deployed_fails(place: Place, api) -> None:
    missing = start(place, KubernetesRun(image="nobody/made-this:1"))
    unknown = start(place, KubernetesRun(job_template={"spec": {"tmplate": 1}}))
    remote = start(place, KubernetesRun(job_template_path="agent:///no/such/job.yaml"))
    other = start(place, KubernetesRun(job_template={"metadata": {"namespace": "elsewhere"}}))
    for run, words in (
        (unknown, 'unknown field "spec.tmplate"'),
        (remote, "/no/such/job.yaml"),
        (other, "'elsewhere'"),
    ):
        shown = place.wait(run, "Failed")
        assert words in states(place, run).replace('\\"', '"')
        assert shown["attempt"] == 1
    # A registry is given a little time to find an image.
    shown = place.wait(missing, "Failed")
    assert "nobody/made-this:1: not found" in states(place, missing)
    assert shown["attempt"] == 1
    api.wait(lambda: api.get("jobs", f"headrace-{missing}-1") is None)
    assert place.agent.is_running


def test_last_words_of_a_program_that_got_no_further(place: Place, api) -> None:
    api.add_image("broken:1", entrypoint=("sh", "-c", "echo no module named numpy >&2; exit 3"))
    run = start(place, KubernetesRun(image="broken:1"))
    place.wait_for_log(run, "no module named numpy")
    wait_for_states(place, run, "exit code 3")
    with Client(place.server.url, api_key="") as client:
        client.cancel_flow_run(run)


def test_a_twin_does_not_begin(place: Place, api, tmp_path: Path) -> None:
    run, until = begin(place, tmp_path)
    job = api.get("jobs", f"headrace-{run}-1")
    twin = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "twin"},
        "spec": {
            "backoffLimit": 0,
            "template": {"spec": job["spec"]["template"]["spec"]},
        },
    }
    token = next(
        entry["value"]
        for entry in job["spec"]["template"]["spec"]["containers"][0]["env"]
        if entry["name"] == "HEADRACE_RUN_TOKEN"
    )
    assert token
    assert token not in place.agent.log
    api.create(twin)
    pod = api.wait_for_pod("twin", lambda pod: pod["status"].get("phase") == "Failed")
    (status,) = pod["status"]["containerStatuses"]
    assert status["state"]["terminated"]["exitCode"] == 11
    until.touch()
    place.wait(run, "Success")
    assert place.calls("hold") == 1


def test_an_agent_that_is_killed_finds_its_jobs(place: Place, api, tmp_path: Path) -> None:
    run, until = begin(place, tmp_path)
    place.agent.kill()
    os.kill(api.pid(pod_of(api, run)), 9)
    place.agent.start()
    place.wait_for_calls("hold", 2)
    until.touch()
    place.wait(run, "Success")
    assert "killed by SIGKILL (exit code 137)" in states(place, run)
    assert place.calls("numbers") == 1


def test_runs_that_are_cancelled_leave_no_job(place: Place, api, tmp_path: Path) -> None:
    runs, _ = begin(place, tmp_path)
    api.unschedulable("Insufficient cpu")
    waits = place.start("sums")
    wait_for_state(place, waits, "Insufficient cpu")
    for run in (runs, waits):
        place.call("flow-run", "cancel", run)
    for run in (runs, waits):
        place.wait(run, "Cancelled")
        api.wait(lambda run=run: api.get("jobs", f"headrace-{run}-1") is None)
    assert place.calls("total") == 0


def test_the_agent_of_prefect_1(shared, api, tmp_path: Path) -> None:
    program = """
from prefect.agent.kubernetes import KubernetesAgent
agent = KubernetesAgent(
    name="old",
    labels=["here"],
    volumes=[{"name": "data", "emptyDir": {}}],
    volume_mounts=[{"name": "data", "mountPath": "/data"}],
    delete_finished_jobs=False,
)
print(agent.name, "here" in agent.labels)
"""
    home = tmp_path / "home"
    done = subprocess.run(
        [Path(PROGRAM).with_name("python"), "-c", "import headrace.compat.prefect\n" + program],
        env={
            **os.environ,
            **shared.server.env,
            "HEADRACE_HOME": str(home),
            "KUBECONFIG": str(api.kubeconfig),
            "NAMESPACE": "default",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.endswith("old True\n"), done.stderr


# -- an agent that cannot start -------------------------------------------------------------------


def test_an_agent_that_cannot_work_says_why_and_ends(shared, api, tmp_path: Path) -> None:
    def said(*options: str) -> str:
        done = subprocess.run(
            [PROGRAM, "agent", "kubernetes", "start", *options],
            env={**os.environ, **shared.server.env, "HEADRACE_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode not in (0, -9), done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return " ".join((done.stdout + done.stderr).split())

    config = str(api.kubeconfig)
    assert "no kubeconfig /no/such/file" in said("--kubeconfig", "/no/such/file")
    assert "no context 'other'" in said("--kubeconfig", config, "--context", "other")
    assert "Unauthorized" in said("--kubeconfig", str(api.kubeconfig_for("wrong", "wrong")))
    assert 'cannot list resource "jobs"' in said("--kubeconfig", str(api.kubeconfig_of("weak")))
    assert "/no/such.yaml" in said("--kubeconfig", config, "--job-template", "/no/such.yaml")
    (tmp_path / "pod.yaml").write_text("kind: Pod")
    assert "describes a Pod" in said(
        "--kubeconfig", config, "--job-template", str(tmp_path / "pod.yaml")
    )

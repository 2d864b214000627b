"""The agent of ECS with a real server: flows run in containers that MiniStack's tasks are."""

from __future__ import annotations

import contextlib
import os
import subprocess
import textwrap
import time
from contextlib import ExitStack

import docker.errors
import pytest
import yaml

from headrace.run_configs import ECSRun
from headrace.testing import LauncherContract
from tests.integration.components.ecs_fake import CLUSTER, running_fake_ecs
from tests.support.agents import running_agent
from tests.support.place import Place
from tests.support.servers import PROGRAM, running_server

FLOWS = """
    import os, time
    from pathlib import Path
    from headrace import Flow, Parameter, task
    from headrace.results import S3Result
    from headrace.run_configs import ECSRun

    MARKS = Path({marks!r})


    def mark(name):
        with (MARKS / name).open("a") as file:
            file.write(f"{{os.getpid()}} {{time.time()}}\\n")


    @task
    def numbers(count):
        mark("numbers")
        return list(range(count))


    @task
    def double(x):
        mark(f"double-{{x}}")
        return 2 * x


    @task
    def hold(xs, until):
        mark("hold")
        while until and not Path(until).exists():
            time.sleep(0.02)
        mark(f"stage-{{os.environ['STAGE']}}")
        return sum(xs)


    with Flow("held", result=S3Result(bucket="flows")) as held:
        hold(double.map(numbers(Parameter("count", default=3))), Parameter("until", default=""))

    with Flow("nowhere", run_config=ECSRun(image={missing!r})) as nowhere:
        numbers(1)

    with Flow("nonsense", run_config=ECSRun(memory="plenty")) as nonsense:
        numbers(1)

    command = {{"name": "flow", "command": ["sh", "-c", "echo early words; exit 3"]}}
    wordy = ECSRun(run_task_kwargs={{"overrides": {{"containerOverrides": [command]}}}})
    with Flow("wordy", run_config=wordy, max_recoveries=0) as never_begins:
        numbers(1)

    with Flow("elsewhere", run_config=ECSRun(task_definition_path="s3://flows/task.yaml")) as other:
        numbers(1)
"""


def definition(folder, **flow):
    """What runs in MiniStack are given: the folder of the test, and the host's network."""
    return {
        "networkMode": "host",
        "volumes": [{"name": "files", "host": {"sourcePath": str(folder)}}],
        "containerDefinitions": [
            {
                "name": "flow",
                "mountPoints": [{"sourceVolume": "files", "containerPath": str(folder)}],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": "ecs-agent",
                        "awslogs-create-group": "true",
                        "awslogs-stream-prefix": "run",
                    },
                },
                **flow,
            }
        ],
    }


@pytest.fixture(scope="module")
def place(ministack, registry, headrace_image, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ecs")
    (folder / "task.yaml").write_text(yaml.safe_dump(definition(folder)))
    s3 = ministack.client("s3")
    elsewhere = definition(folder, dockerLabels={"from": "s3"}, image=headrace_image)
    s3.put_object(Bucket="flows", Key="task.yaml", Body=yaml.safe_dump(elsewhere).encode())
    s3.close()
    options = [
        *("--cluster", ministack.cluster, "--launch-type", "EC2", "--image", headrace_image),
        *("--task-definition", str(folder / "task.yaml")),
        *(word for each in ministack.env.items() for word in ("--env", "=".join(each))),
        *("--env", "STAGE=test"),
    ]
    with ExitStack() as stack:
        server = stack.enter_context(running_server())
        agent = stack.enter_context(
            running_agent(server, "here", options=options, env=ministack.env, kind="ecs")
        )
        found = Place(server, agent, folder)
        found.marks.mkdir()
        missing = f"{registry.address}/nobody/made-this:1"
        text = FLOWS.format(marks=str(found.marks), missing=missing)
        (folder / "flows.py").write_text(textwrap.dedent(text))
        found.call("project", "create", "etl")
        found.call("register", "--project", "etl", "--path", "flows.py", "--label", "here")
        yield found
        if "PYTEST_CURRENT_TEST" in os.environ:
            print(agent.log[-5000:])


@pytest.fixture(autouse=True)
def clean(request):
    yield
    if "place" in request.fixturenames:
        for mark in request.getfixturevalue("place").marks.iterdir():
            mark.unlink()


def tasks_of(ministack, run):
    """Return the ARNs of a run's tasks, the first first."""
    ecs = ministack.client("ecs")
    found = []
    for status in ("RUNNING", "STOPPED"):
        listed = ecs.list_tasks(cluster=ministack.cluster, desiredStatus=status)["taskArns"]
        if listed:
            answer = ecs.describe_tasks(cluster=ministack.cluster, tasks=listed, include=["TAGS"])
            found += [task for task in answer["tasks"] if run in str(task["tags"])]
    ecs.close()
    return sorted(found, key=lambda task: task["createdAt"])


def wait_until(condition, what, seconds=120):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, what
        time.sleep(0.05)
    return found


def begin(place, tmp_path, **parameters):
    """Start a run that holds, wait until it does, and return it with what lets go of it."""
    until = place.folder / f"until-{tmp_path.name}"
    run = place.start("held", until=str(until), **parameters)
    place.wait_for_mark("hold")
    place.wait_until_doubled(run)  # which it does once the checkpoints are in the bucket
    return run, until


def test_flows_run_in_tasks(place, ministack):
    runs = [place.start("held") for _ in range(2)]
    for run in runs:
        place.wait(run, "Success")

    assert place.calls("numbers") == 2
    assert place.calls("stage-test") == 2
    (first,), (second,) = (tasks_of(ministack, run) for run in runs)
    assert first["taskDefinitionArn"] == second["taskDefinitionArn"]
    assert first["taskDefinitionArn"].endswith(":1")
    token = next(
        each["value"]
        for each in first["overrides"]["containerOverrides"][0]["environment"]
        if each["name"] == "HEADRACE_RUN_TOKEN"
    )
    assert token not in place.agent.log


def test_a_container_that_is_killed_is_followed_by_another(place, ministack, tmp_path):
    run, until = begin(place, tmp_path)
    (task,) = tasks_of(ministack, run)

    ministack.container_of(task["taskArn"]).kill()
    place.wait_for_calls("hold", 2)
    until.touch()
    place.wait(run, "Success")

    assert "killed by SIGKILL (exit code 137)" in place.call("flow-run", "states", run)
    # What had finished was not run again: its results were in the bucket.
    assert [place.calls(name) for name in ("numbers", "double-0", "double-2")] == [1, 1, 1]
    assert len(tasks_of(ministack, run)) == 2


def test_a_task_that_is_stopped_from_outside_is_followed_by_another(place, ministack, tmp_path):
    run, until = begin(place, tmp_path)
    (task,) = tasks_of(ministack, run)

    ecs = ministack.client("ecs")
    ecs.stop_task(cluster=ministack.cluster, task=task["taskArn"], reason="the cat walked over it")
    ecs.close()
    place.wait_for_calls("hold", 2)
    until.touch()
    place.wait(run, "Success")

    # Its process has said before that it was asked to end; who asked is what ECS knows.
    assert "SIGTERM" in place.call("flow-run", "states", run)
    words = "UserInitiated: the cat walked over it"
    wait_until(lambda: words in place.agent.log, "the agent does not say why")
    assert place.calls("numbers") == 1


def test_a_twin_does_not_begin(place, ministack, tmp_path):
    """MiniStack starts as many tasks as it is told to, whatever their clientToken."""
    run, until = begin(place, tmp_path)
    (task,) = tasks_of(ministack, run)
    ecs = ministack.client("ecs")
    (twin,) = ecs.run_task(
        cluster=ministack.cluster,
        taskDefinition=task["taskDefinitionArn"],
        launchType="EC2",
        overrides=task["overrides"],
        tags=[],
        clientToken=f"{run}-1",
    )["tasks"]

    def stopped():
        answer = ecs.describe_tasks(cluster=ministack.cluster, tasks=[twin["taskArn"]])
        return answer["tasks"][0]["containers"][0].get("exitCode")

    assert twin["taskArn"] != task["taskArn"]
    assert wait_until(stopped, "the twin runs on") == 11
    ecs.close()
    until.touch()
    place.wait(run, "Success")
    assert place.calls("numbers") == 1
    assert place.calls("hold") == 1


def test_an_agent_that_is_killed_finds_its_tasks(place, ministack, tmp_path):
    run, until = begin(place, tmp_path)
    place.agent.kill()
    place.agent.start()
    wait_until(lambda: f"Found flow run {run}" in place.agent.log, "it is not found")
    (task,) = tasks_of(ministack, run)

    ministack.container_of(task["taskArn"]).kill()
    place.wait_for_calls("hold", 2)
    until.touch()

    place.wait(run, "Success")
    assert place.calls("numbers") == 1
    # The agent that knew nothing has registered nothing that was there.
    ecs = ministack.client("ecs")
    family = task["taskDefinitionArn"].rpartition("/")[2].partition(":")[0]
    assert len(ecs.list_task_definitions(familyPrefix=family)["taskDefinitionArns"]) == 1
    ecs.close()


def test_a_run_that_is_cancelled_ends(place, ministack, tmp_path):
    run, _ = begin(place, tmp_path)
    (task,) = tasks_of(ministack, run)

    place.call("flow-run", "cancel", run)

    place.wait(run, "Cancelled")
    wait_until(lambda: tasks_of(ministack, run)[0]["lastStatus"] == "STOPPED", "its task goes on")
    with contextlib.suppress(docker.errors.NotFound):
        container = ministack.container_of(task["taskArn"])
        assert container is None or container.status != "running"


def test_what_can_never_be_deployed_fails_at_once(place, ministack):
    for name, words in (("nowhere", "nobody/made-this:1"), ("nonsense", "'plenty'")):
        run = place.start(name)
        shown = place.wait(run, "Failed")
        assert words in str(shown)
        assert shown["attempt"] == 1
    assert place.agent.is_running


def test_what_a_program_says_that_never_begins_is_in_the_logs(place):
    run = place.start("wordy")

    shown = place.wait(run, "Failed")

    assert "exit code 3" in str(shown)
    place.wait_for_log(run, "early words")


def test_a_definition_in_a_bucket_is_read_by_the_agent(place, ministack):
    run = place.start("elsewhere")
    place.wait(run, "Success")

    (task,) = tasks_of(ministack, run)
    ecs = ministack.client("ecs")
    found = ecs.describe_task_definition(taskDefinition=task["taskDefinitionArn"])
    ecs.close()
    (flow,) = found["taskDefinition"]["containerDefinitions"]
    assert flow["dockerLabels"] == {"from": "s3"}


# -- an agent that cannot start -------------------------------------------------------------------


@pytest.fixture(scope="module")
def server():
    with running_server() as found:
        yield found


def start(server, *options, **env):
    """Start an agent that is to fail, and return what it says."""
    done = subprocess.run(
        [PROGRAM, "agent", "ecs", "start", *options],
        env={**os.environ, **server.env, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode not in (0, -9), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_an_agent_that_cannot_work_says_why_and_ends(server, tmp_path):
    with running_fake_ecs() as fake:
        well = fake.env
        assert "There are no AWS credentials" in start(
            server, **{**well, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
        )
        refused = start(server, "--cluster", CLUSTER, **{**well, "AWS_ACCESS_KEY_ID": "nobody"})
        assert "The security token included in the request is invalid" in refused
        assert "--region-name" in start(
            server, **{**well, "AWS_DEFAULT_REGION": "", "AWS_REGION": ""}
        )
        assert "no active ECS cluster 'missing'" in start(server, "--cluster", "missing", **well)
        assert "no active ECS cluster 'default'" in start(server, **well)
        fake.refuse("DescribeClusters", "AccessDeniedException", "User x is not authorized")
        assert "User x is not authorized" in start(server, "--cluster", CLUSTER, **well)
        assert "nowhere.yaml" in start(
            server, "--cluster", CLUSTER, "--task-definition", "nowhere.yaml", **well
        )
        (tmp_path / "kwargs.yaml").write_text("count: 3")
        assert "says count" in start(
            server, "--run-task-kwargs", str(tmp_path / "kwargs.yaml"), **well
        )
        assert fake.problems == []
    away = {**well, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}
    assert "Is the region's name right?" in start(server, "--cluster", CLUSTER, **away)


def test_tasks_on_fargate_are_in_the_default_vpc(ministack, monkeypatch, tmp_path):
    from headrace.agents.ecs.api import EcsApi
    from headrace.agents.ecs.aws import Aws
    from headrace.agents.ecs.definition import Defaults
    from headrace.agents.ecs.launcher import ECSLauncher

    for name, value in ministack.env.items():
        monkeypatch.setenv(name, value)
    launcher = ECSLauncher(
        EcsApi(Aws()),
        api_url="https://server",
        defaults=Defaults(image="headrace:none", cluster=ministack.cluster),
        folder=tmp_path,
    )
    list(launcher.recover("fargate"))

    deployment = launcher.deploy(
        LauncherContract.run_that("succeed", ECSRun(cpu="0.5 vcpu", memory="1 GB").serialize())
    )

    ecs = ministack.client("ecs")
    answer = ecs.describe_tasks(cluster=ministack.cluster, tasks=[deployment.handle])
    (task,) = answer["tasks"]
    described = ecs.describe_task_definition(taskDefinition=task["taskDefinitionArn"])
    ecs.close()
    launcher.cancel(deployment)
    launcher.close()
    network = launcher.network()["awsvpcConfiguration"]
    assert network["subnets"]
    assert network["assignPublicIp"] == "ENABLED"
    assert task["launchType"] == "FARGATE"
    made = described["taskDefinition"]
    assert (made["networkMode"], made["cpu"], made["memory"]) == ("awsvpc", "512", "1024")

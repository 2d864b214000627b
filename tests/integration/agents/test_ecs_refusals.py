"""What MiniStack cannot show: an ECS that refuses, throttles, has no room, and stops tasks."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from headrace.agents.ecs import aws
from headrace.agents.ecs.api import EcsApi
from headrace.agents.ecs.definition import Defaults
from headrace.agents.ecs.launcher import ECSLauncher
from headrace.agents.launcher import Ended, Waits
from headrace.core.errors import DeploymentError
from headrace.testing import LauncherContract
from tests.integration.components.ecs_fake import CLUSTER, running_fake_ecs

AGENT = "agent-1"


@pytest.fixture
def fake(monkeypatch):
    with running_fake_ecs() as found:
        for name, value in found.env.items():
            monkeypatch.setenv(name, value)
        yield found
    assert found.problems == []


@pytest.fixture
def launcher_of(fake, tmp_path, monkeypatch):
    """Start launchers, each as if an agent had been started again."""
    monkeypatch.setattr(aws, "_PAUSE", 0.05)
    started = []

    def start(agent=AGENT, folder=tmp_path, **defaults):
        given = {"image": "headrace:1", "launch_type": "EC2", "cluster": CLUSTER, **defaults}
        launcher = ECSLauncher(
            EcsApi(aws.Aws()),
            api_url="https://server.example.com",
            defaults=Defaults(**given),
            folder=folder,
            look=0.05,
        )
        started.append(launcher)
        launcher.found = list(launcher.recover(agent))
        return launcher

    yield start
    for launcher in started:
        launcher.close()


@pytest.fixture
def launcher(launcher_of):
    return launcher_of()


def run_with(run_config=None, **fields):
    run = LauncherContract.run_that("succeed", run_config)
    for name, value in fields.items():
        setattr(run, name, value)
    return run


def news_of(launcher, seconds=60):
    until = time.monotonic() + seconds
    while not (news := launcher.watch(0.2)):
        assert time.monotonic() < until, "there is no news"
    return news


def end_of(launcher, seconds=60):
    until = time.monotonic() + seconds
    while True:
        ends = [each for each in news_of(launcher, seconds) if isinstance(each, Ended)]
        if ends:
            (ended,) = ends
            return ended
        assert time.monotonic() < until, "nothing ends"


# -- starting a task ------------------------------------------------------------------------------


def test_a_task_is_told_whose_it_is(fake, launcher):
    run = run_with({"env": {"STAGE": "test"}})

    deployment = launcher.deploy(run)

    task = fake.tasks[deployment.handle]
    (flow,) = task["overrides"]["containerOverrides"]
    environment = {each["name"]: each["value"] for each in flow["environment"]}
    assert (
        environment.items()
        >= {
            "STAGE": "test",
            "HEADRACE_API_URL": "https://server.example.com",
            "HEADRACE_RUN_ID": run.id,
            "HEADRACE_RUN_ATTEMPT": "1",
            "HEADRACE_RUN_TOKEN": run.token,
        }.items()
    )
    assert flow["command"] == ["headrace", "execute"]
    assert task["startedBy"] == f"headrace/{AGENT}"
    assert {tag["key"]: tag["value"] for tag in task["tags"]} == {
        "headrace.io/flow-run-id": run.id,
        "headrace.io/attempt": "1",
        "headrace.io/agent-id": AGENT,
    }
    # The token is in the task's own environment, and in nothing that stays.
    assert run.token not in str(fake.definitions)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("RESOURCE:MEMORY", "as much memory free"),
        ("AGENT", "not connected"),
        ("Capacity is unavailable at this time. Please try again later.", "unavailable"),
    ],
)
def test_no_room_is_an_ordinary_loss(fake, launcher, reason, words):
    fake.has_no_room(reason, "a detail")

    with pytest.raises(DeploymentError, match=words) as caught:
        launcher.deploy(run_with())

    assert reason in str(caught.value)
    assert "a detail" in str(caught.value)
    assert not caught.value.is_final


@pytest.mark.parametrize(
    ("code", "message", "is_final"),
    [
        ("AccessDeniedException", "User x is not authorized to perform: ecs:RunTask", True),
        ("ClientException", "Family contains invalid characters.", True),
        ("InvalidParameterException", "Network Configuration is missing.", True),
        ("ClusterNotFoundException", "Cluster not found.", True),
        ("InvalidParameterException", "No Container Instances were found in your cluster.", False),
        ("ExpiredTokenException", "The security token is expired", False),
        ("ClientException", "You've reached the limit on the number of tasks", False),
    ],
)
def test_refusals_are_told_in_aws_own_words(fake, launcher, code, message, is_final):
    fake.refuse("RunTask", code, message)

    with pytest.raises(DeploymentError) as caught:
        launcher.deploy(run_with())

    assert message in str(caught.value)
    assert code in str(caught.value)
    assert caught.value.is_final == is_final
    assert fake.calls["RunTask"] == 1
    launcher.deploy(run_with())  # one run's refusal is no other's


@pytest.mark.parametrize(
    ("code", "message", "status"),
    [
        ("ThrottlingException", "Rate exceeded", 400),
        ("ServerException", "Service Unavailable. Please try again later.", 500),
        ("ClientException", "Too many concurrent attempts to create a new revision", 400),
    ],
)
def test_what_passes_is_tried_again_and_starts_one_task(fake, launcher, code, message, status):
    fake.refuse("RegisterTaskDefinition", code, message, 4, status)
    fake.refuse("RunTask", code, message, 4, status)

    launcher.deploy(run_with())

    assert len(fake.tasks) == 1
    assert fake.calls["RunTask"] == 5


def test_throttling_that_does_not_end_is_an_ordinary_loss(fake, launcher, monkeypatch):
    monkeypatch.setattr(aws, "_PATIENCE", 0.5)
    fake.refuse("RunTask", "ThrottlingException", "Rate exceeded", 1000)

    with pytest.raises(DeploymentError, match="Rate exceeded") as caught:
        launcher.deploy(run_with())

    assert not caught.value.is_final


def test_an_agent_that_ends_does_not_go_on_trying(fake, launcher):
    fake.refuse("RunTask", "ThrottlingException", "Rate exceeded", 10000)
    raised = []

    def deploy():
        try:
            launcher.deploy(run_with())
        except DeploymentError as error:
            raised.append(error)

    thread = threading.Thread(target=deploy)
    thread.start()
    until = time.monotonic() + 60
    while not fake.calls["RunTask"]:
        assert time.monotonic() < until, raised
        time.sleep(0.01)
    launcher.close()
    thread.join(30)

    assert "ended before" in str(raised)


def test_one_attempt_is_one_task(fake, launcher, launcher_of):
    run = run_with()

    first = launcher.deploy(run)
    second = launcher.deploy(run)
    # An agent that has forgotten it, with another token: ECS tells which task there is.
    again = launcher_of().deploy(run_with(id=run.id, token="another"))

    assert first == second == again
    assert len(fake.tasks) == 1
    assert launcher.deploy(run_with(id=run.id, attempt=2)) != first


def test_arguments_that_no_run_task_takes_are_named(launcher):
    with pytest.raises(DeploymentError, match="colour") as unknown:
        launcher.deploy(run_with({"type": "ECSRun", "run_task_kwargs": {"colour": "red"}}))
    with pytest.raises(DeploymentError, match="startedBy") as reserved:
        launcher.deploy(run_with({"type": "ECSRun", "run_task_kwargs": {"startedBy": "me"}}))
    for wrong in ("none", {"containerOverrides": "none"}):
        with pytest.raises(DeploymentError, match="containerOverrides a list"):
            launcher.deploy(run_with({"type": "ECSRun", "run_task_kwargs": {"overrides": wrong}}))
    with pytest.raises(DeploymentError, match="containers") as definition:
        launcher.deploy(run_with({"type": "ECSRun", "task_definition": {"containers": []}}))

    assert unknown.value.is_final
    assert reserved.value.is_final
    assert definition.value.is_final


def test_fifty_are_in_flight_and_cost_little(fake, launcher):
    launcher.deploy(run_with())
    fake.slow["RunTask"] = 2.0  # a loaded machine needs a second until all have asked
    before = time.process_time()

    with ThreadPoolExecutor(launcher.at_once) as pool:
        deployed = list(pool.map(lambda _: launcher.deploy(run_with()), range(150)))

    # Of this process, which plays ECS too: both together within twice what the agent may take.
    assert (time.process_time() - before) / 150 < 0.020
    assert fake.most_in_flight >= 40
    assert len({each.handle for each in deployed}) == 150
    assert fake.calls["RegisterTaskDefinition"] == 1
    assert fake.calls["DescribeTaskDefinition"] == 1


# -- task definitions -----------------------------------------------------------------------------


def test_a_definition_is_registered_when_it_has_changed(fake, launcher, launcher_of):
    asked = {"type": "ECSRun", "cpu": "1 vcpu"}
    launcher.deploy(run_with(asked))
    launcher.deploy(run_with(asked))
    launcher.deploy(run_with({**asked, "cpu": "2 vcpu"}))
    assert fake.calls["RegisterTaskDefinition"] == 2

    # The one and the other, found again by an agent that remembers nothing.
    again = launcher_of()
    again.deploy(run_with({**asked, "cpu": "2 vcpu"}))
    again.deploy(run_with(asked))
    assert fake.calls["RegisterTaskDefinition"] == 2
    (family,) = fake.definitions
    assert len(fake.definitions[family]) == 2


def test_a_definition_that_somebody_deregistered_is_registered_again(fake, launcher):
    launcher.deploy(run_with())
    (family,) = fake.definitions
    fake.answer("DeregisterTaskDefinition", {"taskDefinition": f"{family}:1"})

    launcher.deploy(run_with())

    assert len(fake.definitions[family]) == 2


def test_a_definition_of_ones_own_is_used_as_it_is(fake, launcher_of):
    answer = fake.answer(
        "RegisterTaskDefinition",
        {
            "family": "own",
            "containerDefinitions": [{"name": "flow", "image": "own:1"}],
            "taskRoleArn": "own-role",
        },
    )
    arn = answer["taskDefinition"]["taskDefinitionArn"]
    launcher = launcher_of(task_role_arn="agents-role", execution_role_arn="agents-execution")

    deployment = launcher.deploy(
        run_with({"type": "ECSRun", "task_definition_arn": "own:1", "cpu": "2 vcpu"})
    )

    task = fake.tasks[deployment.handle]
    assert task["taskDefinitionArn"] == arn
    assert task["overrides"]["cpu"] == "2048"
    assert task["overrides"]["executionRoleArn"] == "agents-execution"
    assert "taskRoleArn" not in task["overrides"]
    assert list(fake.definitions) == ["own"]


def test_a_definition_without_the_flows_container_is_refused(fake, launcher):
    fake.answer(
        "RegisterTaskDefinition",
        {"family": "own", "containerDefinitions": [{"name": "web", "image": "own:1"}]},
    )

    with pytest.raises(DeploymentError, match="no container named 'flow', only web") as caught:
        launcher.deploy(run_with({"type": "ECSRun", "task_definition_arn": "own:1"}))
    with pytest.raises(DeploymentError, match="missing:1") as missing:
        launcher.deploy(run_with({"type": "ECSRun", "task_definition_arn": "missing:1"}))

    assert caught.value.is_final
    assert missing.value.is_final


# -- how a task goes ------------------------------------------------------------------------------


def test_what_it_waits_for_is_told_when_it_changes(fake, launcher):
    deployment = launcher.deploy(run_with())

    (first,) = news_of(launcher)
    fake.change(deployment.handle, lastStatus="PENDING", pullStartedAt=time.time())
    (second,) = news_of(launcher)
    fake.change(deployment.handle, {"lastStatus": "RUNNING"}, lastStatus="RUNNING")
    fake.stop(deployment.handle, "EssentialContainerExited", "Exited", {"exitCode": 0})
    ended = end_of(launcher)

    assert isinstance(first, Waits)
    assert first.why.startswith("PROVISIONING: ")
    assert second.why == "PENDING: ECS pulls the image headrace:1"
    assert not ended.to_report
    assert launcher.watch(0.3) == []


@pytest.mark.parametrize(
    ("code", "reason", "flow", "words", "is_final"),
    [
        (
            "EssentialContainerExited",
            "Essential container in task exited",
            {"exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage"},
            "OutOfMemoryError: Container killed due to memory usage (exit code 137)",
            False,
        ),
        (
            "EssentialContainerExited",
            "Essential container in task exited",
            {"exitCode": 137},
            "killed by SIGKILL (exit code 137)",
            False,
        ),
        (
            "TaskFailedToStart",
            (
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to "
                "resolve ref docker.io/library/nobody:latest: docker.io/library/nobody:latest: not found"
            ),
            {},
            "nobody:latest: not found",
            True,
        ),
        (
            "TaskFailedToStart",
            (
                "CannotPullContainerError: pull image manifest has been retried 5 time(s): dial tcp "
                "10.0.0.1:443: i/o timeout"
            ),
            {},
            "i/o timeout",
            False,
        ),
        (
            "TaskFailedToStart",
            (
                "ResourceInitializationError: unable to pull secrets or registry auth: execution "
                "resource retrieval failed: AccessDeniedException: not authorized"
            ),
            {},
            "TaskFailedToStart: ResourceInitializationError",
            True,
        ),
        (
            "TaskFailedToStart",
            "Unexpected EC2 error while attempting to Create Network Interface",
            {},
            "Create Network Interface",
            False,
        ),
        (
            "SpotInterruption",
            "Your Spot Task was interrupted.",
            {"exitCode": 15},
            "SpotInterruption: Your Spot Task was interrupted. (exit code 15)",
            False,
        ),
        ("SpotInterruption", "Your Spot Task was interrupted.", {}, "SpotInterruption", False),
        (
            "ServiceSchedulerInitiated",
            "Scaling activity initiated by deployment x",
            {"exitCode": 143},
            "ServiceSchedulerInitiated: Scaling activity",
            False,
        ),
        ("UserInitiated", "Task stopped by user", {"exitCode": 143}, "Task stopped by user", False),
        ("InfrastructureHealth", "The host is unhealthy", {}, "The host is unhealthy", False),
    ],
)
def test_how_a_task_ended_is_told(fake, launcher, code, reason, flow, words, is_final):
    deployment = launcher.deploy(run_with())
    fake.stop(deployment.handle, code, reason, flow)

    ended = end_of(launcher)

    assert words in ended.how
    assert ended.deployment == deployment
    assert ended.to_report
    assert ended.is_final == is_final


def test_a_task_that_ecs_does_not_know_yet_is_not_lost(fake, launcher, monkeypatch):
    monkeypatch.setattr("headrace.agents.ecs.watched._UNKNOWN", 4.0)
    deployment = launcher.deploy(run_with())
    task = fake.tasks.pop(deployment.handle)
    until = time.monotonic() + 0.4
    while time.monotonic() < until:
        assert launcher.watch(0.1) == []
    fake.tasks[deployment.handle] = task
    (waits,) = news_of(launcher)
    assert isinstance(waits, Waits)

    fake.forget(deployment.handle)

    assert "does not know its task any more" in end_of(launcher).how


def test_watching_goes_on_while_ecs_is_asked_too_often(fake, launcher, monkeypatch):
    monkeypatch.setattr("headrace.agents.ecs.launcher._LATEST", 0.2)
    deployment = launcher.deploy(run_with())
    fake.stop(deployment.handle, "UserInitiated", "Task stopped by user", {"exitCode": 143})
    fake.refuse("DescribeTasks", "ThrottlingException", "Rate exceeded", 9)

    assert "Task stopped by user" in end_of(launcher).how


def test_a_hundred_tasks_are_asked_for_at_once(fake, launcher):
    with ThreadPoolExecutor(20) as pool:
        deployed = list(pool.map(lambda _: launcher.deploy(run_with()), range(250)))
    for each in deployed:
        fake.change(each.handle, {"lastStatus": "RUNNING"}, lastStatus="RUNNING")
    while launcher.watch(0.3):
        pass
    before = fake.calls["DescribeTasks"]
    fake.stop(deployed[0].handle, "UserInitiated", "Task stopped by user")

    end_of(launcher)

    assert fake.calls["DescribeTasks"] - before <= 6


# -- an agent that is started again -----------------------------------------------------------------


@pytest.mark.parametrize("strict", [False, True])
def test_all_its_tasks_are_found_again(fake, launcher, launcher_of, tmp_path, strict):
    fake.strict = strict
    deployed = [launcher.deploy(run_with()) for _ in range(105)]
    other = launcher_of("agent-2").deploy(run_with())
    launcher.close()
    fake.stop(deployed[0].handle, "SpotInterruption", "Interrupted")
    fake.stop(other.handle, "UserInitiated", "Task stopped by user")
    empty = tmp_path / "on-another-machine"
    empty.mkdir()

    again = launcher_of(folder=empty)

    assert set(again.found) == set(deployed[1:])
    ended = end_of(again)
    assert ended.deployment == deployed[0]
    again.release(deployed[0])
    again.close()
    once_more = launcher_of(folder=empty)
    assert set(once_more.found) == set(deployed[1:])
    assert [each for each in once_more.watch(0.3) if isinstance(each, Ended)] == []


def test_finding_them_is_tried_again(fake, launcher, launcher_of):
    deployed = [launcher.deploy(run_with()) for _ in range(3)]
    launcher.close()
    fake.stop(deployed[0].handle, "SpotInterruption", "Interrupted")
    fake.refuse("ListTasks", "AccessDeniedException", "User x is not authorized", 1)

    with pytest.raises(DeploymentError, match="not authorized"):
        launcher_of()
    again = launcher_of("nobody")
    assert again.found == []
    for _ in range(2):
        assert set(again.recover(AGENT)) == set(deployed[1:])

    assert end_of(again).deployment == deployed[0]
    assert [each for each in again.watch(0.3) if isinstance(each, Ended)] == []


def test_the_cluster_may_stand_among_the_arguments(fake, launcher_of):
    first = launcher_of(cluster=None, run_task={"cluster": CLUSTER})
    deployed = first.deploy(run_with())
    with pytest.raises(DeploymentError, match="Cluster not found") as caught:
        first.deploy(run_with({"type": "ECSRun", "run_task_kwargs": {"cluster": "missing"}}))

    assert caught.value.is_final
    # What is noted of the other cluster, which is not there, keeps nothing from being found.
    assert launcher_of(cluster=None, run_task={"cluster": CLUSTER}).found == [deployed]

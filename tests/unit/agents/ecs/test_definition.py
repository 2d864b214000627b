"""Whatever an agent and a run config give, ECS takes what becomes of it."""

from __future__ import annotations

import copy
import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.agents.ecs.definition import (
    DEFINITION_TAG,
    Defaults,
    definition_of,
    family_of,
    flow_container,
    hash_of,
)
from headrace.agents.ecs.run_task import arguments_of, client_token, merged, started_by
from headrace.agents.environment import run_environment
from headrace.core.errors import DeploymentError
from headrace.testing import LauncherContract
from tests.support.aws_shapes import objections_to_request

names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
texts = st.text(max_size=20)
arns = st.just("arn:aws:iam::000000000000:role/somebody")
variables = st.lists(st.fixed_dictionaries({"name": names, "value": texts}), max_size=3)
containers = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["flow", "sidecar", "other"])},
        optional={
            "image": names,
            "memory": st.integers(4, 4096),
            "environment": variables,
            "command": st.lists(texts, max_size=2),
            "essential": st.booleans(),
            "secrets": st.lists(
                st.fixed_dictionaries({"name": names, "valueFrom": texts}), max_size=2
            ),
        },
    ),
    max_size=3,
    unique_by=lambda each: each["name"],
)
cpus = st.sampled_from(["512", "1 vcpu", "0.25vCPU", "2048.0", 1024, 256.0])
memories = st.sampled_from(["512", "2 GB", "0.5gb", "2048 MiB", 1024, 3072.0])
definitions = st.fixed_dictionaries(
    {},
    optional={
        "containerDefinitions": containers,
        "family": st.just("mine"),
        "cpu": cpus,
        "memory": memories,
        "networkMode": st.sampled_from(["awsvpc", "host", "bridge"]),
        "taskRoleArn": arns,
        "tags": st.lists(st.fixed_dictionaries({"key": names, "value": texts}), max_size=2),
        # What `describe_task_definition` answers, and nobody may register.
        "revision": st.integers(1, 9),
        "status": st.just("ACTIVE"),
        "registeredAt": st.just(1700000000.5),
    },
)
overrides = st.fixed_dictionaries(
    {},
    optional={
        "containerOverrides": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from(["flow", "sidecar"])},
                optional={"environment": variables, "memory": st.integers(4, 99)},
            ),
            max_size=2,
        ),
        "cpu": cpus,
        "memory": memories,
        "taskRoleArn": arns,
    },
)
run_tasks = st.fixed_dictionaries(
    {},
    optional={
        "cluster": names,
        "group": names,
        "overrides": overrides,
        "launchType": st.sampled_from(["EC2", "FARGATE", "EXTERNAL"]),
        "capacityProviderStrategy": st.just([{"capacityProvider": "FARGATE_SPOT", "weight": 1}]),
        "tags": st.lists(st.fixed_dictionaries({"key": names, "value": texts}), max_size=2),
        "networkConfiguration": st.just({"awsvpcConfiguration": {"subnets": ["subnet-1"]}}),
    },
)
run_configs = st.fixed_dictionaries(
    {"type": st.just("ECSRun")},
    optional={
        "image": names,
        "cpu": cpus,
        "memory": memories,
        "task_role_arn": arns,
        "execution_role_arn": arns,
        "env": st.dictionaries(names, texts, max_size=3),
        "run_task_kwargs": run_tasks,
    },
)
defaults = st.builds(
    Defaults,
    image=names,
    launch_type=st.sampled_from(["FARGATE", "EC2", "EXTERNAL"]),
    cluster=st.none() | names,
    definition=definitions,
    run_task=run_tasks,
    task_role_arn=st.none() | arns,
    execution_role_arn=st.none() | arns,
    env=st.dictionaries(names, texts, max_size=2),
)


def run_with(**run_config):
    return LauncherContract.run_that("succeed", run_config)


@given(defaults, run_configs, st.none() | definitions, st.sampled_from(["FARGATE", "EC2", None]))
def test_ecs_takes_every_definition(given_by_agent, run_config, own, launch_type):
    before = copy.deepcopy((given_by_agent, own))
    run = run_with(**run_config)

    made = definition_of(run, own, given_by_agent, launch_type)

    assert objections_to_request("ecs", "RegisterTaskDefinition", made) == ""
    assert (given_by_agent, own) == before
    assert [each["name"] for each in made["containerDefinitions"]].count("flow") == 1
    assert flow_container(made)["essential"] is True
    assert made["family"] == ("mine" if own and own.get("family") else family_of(run))
    # Made again, in another process too, it is the same: nothing is registered twice.
    again = definition_of(run, own, given_by_agent, launch_type)
    assert hash_of(again) == hash_of(made)
    assert {"key": DEFINITION_TAG, "value": hash_of(made)} in made["tags"]


@given(defaults, run_configs, st.none() | definitions)
def test_ecs_takes_all_arguments_of_run_task(given_by_agent, run_config, registered):
    run = run_with(**run_config)
    environment = run_environment(run, "https://server", agent=given_by_agent.env)
    under = copy.deepcopy(given_by_agent.run_task)
    arguments = merged(given_by_agent.run_task, run_config.get("run_task_kwargs") or {})

    made = arguments_of(run, given_by_agent, arguments, environment, "agent", registered=registered)

    assert given_by_agent.run_task == under
    made["taskDefinition"] = "family:1"
    assert objections_to_request("ecs", "RunTask", made) == ""
    (flow,) = [each for each in made["overrides"]["containerOverrides"] if each["name"] == "flow"]
    found = {each["name"]: each["value"] for each in flow["environment"]}
    assert len(found) == len(flow["environment"])
    assert environment.items() <= found.items()
    asked = run_config.get("run_task_kwargs") or {}
    if "cluster" in asked:
        assert made["cluster"] == asked["cluster"]
    if "launchType" in asked and "capacityProviderStrategy" not in asked:
        assert "capacityProviderStrategy" not in made


@given(st.text(min_size=1, max_size=400), st.text(min_size=1, max_size=40))
def test_every_name_makes_a_family(flow, project):
    run = run_with()
    run = type(run)(**{name: getattr(run, name) for name in run.__struct_fields__})
    run.flow_name, run.project_name = flow, project

    family = family_of(run)

    assert re.fullmatch(r"[A-Za-z0-9_-]{1,255}", family)
    run.project_name += "'"
    assert family_of(run) != family


def test_what_goes_before_what():
    agents = {
        "cpu": "256",
        "memory": "512",
        "taskRoleArn": "of-the-agents-definition",
        "containerDefinitions": [{"name": "flow", "image": "of-the-agents-definition"}],
    }
    given_by_agent = Defaults(image="of-the-agent", definition=agents, task_role_arn="of-the-agent")

    bare = definition_of(run_with(), None, given_by_agent, "FARGATE")
    asking = run_with(cpu="1 vcpu", memory="2 GB", image="asked", task_role_arn="asked")
    asked = definition_of(asking, None, given_by_agent, "FARGATE")
    brought = definition_of(
        run_with(), {"taskRoleArn": "brought", "memory": "4 GB"}, given_by_agent, "FARGATE"
    )

    def told(made):
        return made["cpu"], made["memory"], made["taskRoleArn"], flow_container(made)["image"]

    assert told(bare) == ("256", "512", "of-the-agent", "of-the-agents-definition")
    assert told(asked) == ("1024", "2048", "asked", "asked")
    assert told(brought) == ("1024", "4096", "brought", "of-the-agent")


def test_docker_storage_says_the_image():
    run = LauncherContract.run_that(
        "succeed", None, {"type": "Docker", "image": "registry/flows:1@sha256:0"}
    )
    given_by_agent = Defaults(image="of-the-agent")

    assert flow_container(definition_of(run, None, given_by_agent, "EC2"))["image"] == (
        "registry/flows:1@sha256:0"
    )


@pytest.mark.parametrize(
    ("field", "amount"),
    [("cpu", "lots"), ("cpu", "0.5"), ("cpu", "1 GB"), ("memory", "2 cores"), ("memory", "0")],
)
def test_what_is_no_amount_is_named(field, amount):
    with pytest.raises(DeploymentError) as caught:
        definition_of(run_with(**{field: amount}), None, Defaults(image="i"), "FARGATE")

    assert amount in str(caught.value)
    assert field in str(caught.value)
    assert caught.value.is_final


@pytest.mark.parametrize("wrong", [{"containerDefinitions": {"env": "s3cr3t"}}, {"tags": 5}])
def test_a_definition_that_is_none_is_refused_and_not_repeated(wrong):
    with pytest.raises(DeploymentError, match="have to be a list") as caught:
        definition_of(run_with(), wrong, Defaults(image="i"), "FARGATE")

    assert caught.value.is_final
    assert "s3cr3t" not in str(caught.value)


def test_variables_that_are_none_are_refused_and_not_repeated():
    wrong = {"containerOverrides": [{"name": "flow", "environment": {"PASSWORD": "s3cr3t"}}]}
    with pytest.raises(DeploymentError, match="environment of the container 'flow'") as caught:
        arguments_of(run_with(), Defaults(image="i"), {"overrides": wrong}, {}, "agent")

    assert caught.value.is_final
    assert "s3cr3t" not in str(caught.value)


def test_tags_that_are_none_are_refused():
    with pytest.raises(DeploymentError, match="tags of its run_task_kwargs") as caught:
        arguments_of(run_with(), Defaults(image="i"), {"tags": 5}, {}, "agent")

    assert caught.value.is_final


def test_more_variables_than_ecs_takes_are_refused_before_it_is_asked():
    run = run_with(env={"LONG": "x" * 8000})

    with pytest.raises(DeploymentError, match="8192") as caught:
        arguments_of(run, Defaults(image="i"), {}, run_environment(run, "https://server"), "agent")

    assert caught.value.is_final
    assert run.token not in str(caught.value)


@given(st.text(min_size=1, max_size=300), st.integers(1, 10**30))
def test_tokens_and_owners_are_as_ecs_takes_them(text, attempt):
    assert re.fullmatch(r"[A-Za-z0-9/_-]{1,128}", started_by(text))
    assert re.fullmatch(r"[!-~]{1,64}", client_token(str(uuid.uuid4()), attempt))


def test_arguments_are_merged_by_name():
    under = {
        "launchType": "EC2",
        "overrides": {
            "cpu": "256",
            "containerOverrides": [
                {"name": "flow", "memory": 1, "environment": [{"name": "A", "value": "1"}]}
            ],
        },
    }
    over = {
        "capacityProviderStrategy": [{"capacityProvider": "mine"}],
        "overrides": {
            "containerOverrides": [
                {"name": "flow", "environment": [{"name": "B", "value": "2"}]},
                {"name": "sidecar", "memory": 3},
            ]
        },
    }

    assert merged(under, over) == {
        "capacityProviderStrategy": [{"capacityProvider": "mine"}],
        "overrides": {
            "cpu": "256",
            "containerOverrides": [
                {
                    "name": "flow",
                    "memory": 1,
                    "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                },
                {"name": "sidecar", "memory": 3},
            ],
        },
    }

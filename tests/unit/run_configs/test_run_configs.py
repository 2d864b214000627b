"""Run configs: what they take, what they refuse, and how they are stored."""

import copy
import dataclasses
import json
import os
import pickle

import pytest

from headrace import Flow
from headrace.core.errors import MissingExtraError, RunConfigError
from headrace.run_configs import (
    DockerRun,
    ECSRun,
    KubernetesRun,
    LocalRun,
    RunConfig,
    UniversalRun,
    VertexRun,
)

ALL = [RunConfig, UniversalRun, LocalRun, DockerRun, KubernetesRun, ECSRun, VertexRun]


@pytest.mark.parametrize("kind", ALL)
def test_all_have_variables_and_labels(kind):
    config = kind(env={"A": "1", "B": 2, "C": 0.5}, labels=["x", "y", "x"])
    assert config.env == {"A": "1", "B": "2", "C": "0.5"}
    assert config.labels == {"x", "y"}
    assert kind().env is None
    assert kind().labels == set()


@pytest.mark.parametrize("kind", ALL)
def test_a_run_config_does_not_change(kind):
    config = kind(labels=["x"])
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.labels = {"y"}
    with pytest.raises(AttributeError):
        config.labels.add("y")


@pytest.mark.parametrize("kind", ALL)
def test_it_compares_travels_and_is_stored(kind):
    config = kind(env={"A": "1"}, labels=["b", "a"])
    assert config == kind(env={"A": "1"}, labels=["a", "b"])
    assert config != kind(env={"A": "1"})
    assert pickle.loads(pickle.dumps(config)) == config
    assert copy.copy(config) == config
    blob = config.serialize()
    assert blob["type"] == kind.__name__
    assert blob["env"] == {"A": "1"}
    assert blob["labels"] == ["a", "b"]
    assert set(blob) == {"type"} | {field.name for field in dataclasses.fields(config)}
    assert json.loads(json.dumps(blob)) == blob


def test_what_was_given_can_be_changed_without_changing_the_run_config():
    env, labels, ports = {"A": "1"}, ["x"], [80]
    config = DockerRun(env=env, labels=labels, ports=ports)
    env["B"], labels[0], ports[0] = "2", "y", 81
    assert config == DockerRun(env={"A": "1"}, labels=["x"], ports=[80])


@pytest.mark.parametrize(
    ("kind", "arguments", "says"),
    [
        (UniversalRun, {"env": ["A=1"]}, "env must be a dict"),
        (UniversalRun, {"env": {"A": None}}, "'A' to a NoneType"),
        (UniversalRun, {"env": {1: "x"}}, "1 to a str"),
        (UniversalRun, {"labels": "gpu"}, "labels must be a list of strings, not 'gpu'"),
        (UniversalRun, {"labels": ["gpu", 1]}, "labels must be strings, and 1 is not"),
        (LocalRun, {"working_dir": 5}, "working_dir must be a string, not 5"),
        (DockerRun, {"image": 1}, "image must be a string, not 1"),
        (DockerRun, {"ports": "80"}, "ports must be a list"),
        (DockerRun, {"ports": [80, 70000]}, "70000"),
        (DockerRun, {"host_config": []}, "host_config must be a dict"),
        (
            KubernetesRun,
            {"image_pull_policy": "Sometimes"},
            "it can be Always, IfNotPresent, Never",
        ),
        (KubernetesRun, {"image_pull_secrets": "one"}, "image_pull_secrets must be a list"),
        (KubernetesRun, {"cpu_limit": True}, "cpu_limit must be a string"),
        (
            KubernetesRun,
            {"job_template": {}, "job_template_path": "s3://b/t.yaml"},
            "job_template_path and job_template, of which only one can be given",
        ),
        (KubernetesRun, {"job_template": "just a word"}, "no YAML mapping"),
        (KubernetesRun, {"cpu_limit": "two"}, "cpu_limit is 'two', which is no quantity"),
        (KubernetesRun, {"cpu_request": -1}, "cpu_request is '-1', which is no quantity"),
        (KubernetesRun, {"cpu_limit": float("nan")}, "no quantity"),
        (KubernetesRun, {"memory_limit": "2GB"}, "memory_limit is '2GB', which is no quantity"),
        (KubernetesRun, {"memory_request": "lots"}, "no quantity"),
        (KubernetesRun, {"job_template": {"kind": "Pod"}}, "job_template describes a Pod, and not"),
        (KubernetesRun, {"job_template": {"apiVersion": "v1"}}, "'batch/v1'"),
        (KubernetesRun, {"job_template": {"spec": {"template": 1}}}, "spec.template must be a map"),
        (KubernetesRun, {"job_template": {"metadata": {"labels": [1]}}}, "metadata.labels must be"),
        (KubernetesRun, {"job_template": "a: [1"}, "no YAML"),
        (KubernetesRun, {"job_template_path": "/no/such/file.yaml"}, "agent:///no/such/file.yaml"),
        (ECSRun, {"task_definition": {}, "task_definition_arn": "a:1"}, "only one can be given"),
        (ECSRun, {"task_definition_arn": "a:1", "image": "i"}, "task_definition_arn and image"),
        (ECSRun, {"cpu": []}, "cpu must be a string"),
        (ECSRun, {"run_task_kwargs": "x"}, "run_task_kwargs must be a dict"),
        (VertexRun, {"worker_pool_specs": {"a": 1}}, "worker_pool_specs must be a list"),
        (VertexRun, {"worker_pool_specs": ["a"]}, "one is a str"),
        (VertexRun, {"scheduling": 5}, "scheduling must be a dict"),
    ],
)
def test_bad_arguments_are_refused_by_name(kind, arguments, says):
    with pytest.raises(ValueError) as info:
        kind(**arguments)
    assert isinstance(info.value, RunConfigError)
    assert says in str(info.value)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (UniversalRun, {"env": ["PASSWORD=s3cr3t"]}),
        (UniversalRun, {"env": {"PASSWORD": ["s3cr3t"]}}),
        (DockerRun, {"host_config": ["s3cr3t"]}),
        (KubernetesRun, {"job_template": "- s3cr3t"}),
        (KubernetesRun, {"job_template": {"spec": ["s3cr3t"]}}),
        (KubernetesRun, {"job_template": {"metadata": {"labels": "s3cr3t"}}}),
        (
            KubernetesRun,
            {"job_template": {"spec": {"template": {"spec": {"containers": {"env": "s3cr3t"}}}}}},
        ),
        (ECSRun, {"run_task_kwargs": ["s3cr3t"]}),
        (VertexRun, {"worker_pool_specs": {"env": "s3cr3t"}}),
        (VertexRun, {"worker_pool_specs": ["s3cr3t"]}),
    ],
)
def test_what_may_be_a_secret_is_not_repeated(kind, arguments):
    with pytest.raises(RunConfigError) as info:
        kind(**arguments)
    assert "s3cr3t" not in str(info.value)


def test_what_is_no_json_is_refused_when_it_is_stored():
    with pytest.raises(RunConfigError, match="host_config cannot be stored as JSON"):
        DockerRun(host_config={"x": object()}).serialize()


def test_a_working_dir_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert LocalRun(working_dir="flows").working_dir == os.path.join(tmp_path, "flows")
    assert LocalRun(working_dir=tmp_path).working_dir == str(tmp_path)


def test_amounts_become_text():
    config = KubernetesRun(cpu_limit=2, cpu_request="500m", memory_limit="2Gi")
    assert (config.cpu_limit, config.cpu_request) == ("2", "500m")
    assert ECSRun(cpu=1024, memory="2 GB").cpu == "1024"


def test_local_templates_are_read_at_once_and_others_later(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("kind: Job\nspec:\n  backoffLimit: 3\n")
    for address in (str(path), f"file://{path}", f"local://{path}"):
        config = KubernetesRun(job_template_path=address)
        assert config.job_template == {"kind": "Job", "spec": {"backoffLimit": 3}}
        assert config.job_template_path is None
    for address in ("s3://bucket/job.yaml", "agent:///jobs/job.yaml", "https://host/job.yaml"):
        later = KubernetesRun(job_template_path=address)
        assert (later.job_template, later.job_template_path) == (None, address)
    assert KubernetesRun(job_template="kind: Job").job_template == {"kind": "Job"}
    assert ECSRun(task_definition_path=str(path)).task_definition["kind"] == "Job"


def test_yaml_without_the_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    with pytest.raises(MissingExtraError, match=r"headrace\[yaml\]"):
        KubernetesRun(job_template="kind: Job")


def test_a_flow_stores_its_run_config_and_runs_without_looking_at_it():
    flow = Flow("configured", run_config=DockerRun(image="no/such:image", labels=["x"]))
    assert flow.serialize()["run_config"]["image"] == "no/such:image"
    assert flow.run().is_successful()

from __future__ import annotations

import copy
import datetime
import re
from typing import Any

import kubernetes_validate
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.agents.kubernetes.jobs import JobDefaults, job_of, label_value, with_volumes
from headrace.core.errors import DeploymentError
from headrace.run_configs import KubernetesRun
from headrace.wire.claims import ClaimedRun

RUN = "0f8c2b9e-3f0a-4f57-9d0a-1b2c3d4e5f60"
PLAIN = JobDefaults(default_image="headrace:test")
IDENTITY = {
    "HEADRACE_API_URL": "http://server:4200",
    "HEADRACE_RUN_ID": RUN,
    "HEADRACE_RUN_ATTEMPT": "2",
    "HEADRACE_RUN_TOKEN": "token",
}


def a_run(config: KubernetesRun | None = None, storage: dict[str, Any] | None = None) -> ClaimedRun:
    return ClaimedRun(
        id=RUN,
        name="blue-whale",
        attempt=2,
        token="token",
        start_time=datetime.datetime.now(datetime.UTC),
        lease=60.0,
        flow_name="etl: näh",
        project_name="a project",
        storage=storage,
        run_config=None if config is None else config.serialize(),
    )


def made(
    config: KubernetesRun | None = None,
    defaults: JobDefaults = PLAIN,
    storage: dict[str, Any] | None = None,
) -> dict[str, Any]:
    run = a_run(config, storage)
    template = None if config is None else config.job_template
    return job_of(
        run,
        agent="an agent",
        namespace="flows",
        api_url="http://server:4200",
        defaults=defaults,
        template=template,
    )


def flow_of(job: dict[str, Any]) -> dict[str, Any]:
    containers = job["spec"]["template"]["spec"]["containers"]
    name = job["metadata"]["labels"]["headrace.io/container"]
    (found,) = [each for each in containers if each["name"] == name]
    return found


def values(job: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry.get("value") for entry in flow_of(job)["env"]}


def check(job: dict[str, Any]) -> None:
    kubernetes_validate.validate(job, "1.32", strict=True)


# -- any template -------------------------------------------------------------------------------

words = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
labels = st.dictionaries(words, words, max_size=2)
amounts = st.sampled_from(["500m", "1", "2Gi", "64Mi", "0.5"])


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


entries = st.one_of(
    st.fixed_dictionaries({"name": words, "value": words}),
    st.fixed_dictionaries(
        {
            "name": words | st.sampled_from(["HEADRACE_RUN_ID", "HEADRACE__RUNS__FLUSH_TIMEOUT"]),
            "valueFrom": st.fixed_dictionaries(
                {"secretKeyRef": st.fixed_dictionaries({"name": words, "key": words})}
            ),
        }
    ),
)


def containers(names: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda name, rest: {"name": name, **rest},
        names,
        some(
            image=words,
            imagePullPolicy=st.sampled_from(["Always", "Never"]),
            env=st.lists(entries, max_size=3),
            command=st.lists(words, max_size=2),
            args=st.lists(words, max_size=2),
            resources=some(
                limits=st.dictionaries(st.sampled_from(["cpu", "memory"]), amounts),
                requests=st.dictionaries(st.sampled_from(["cpu", "memory", "tpu"]), amounts),
            ),
            ports=st.lists(st.fixed_dictionaries({"containerPort": st.integers(1, 9)}), max_size=1),
        ),
    )


pods = some(
    containers=st.lists(
        containers(words | st.just("flow")), max_size=3, unique_by=lambda each: each["name"]
    ),
    initContainers=st.lists(containers(words.map("init".__add__)), max_size=2),
    nodeSelector=labels,
    tolerations=st.lists(some(key=words, operator=st.just("Exists")), max_size=1),
    serviceAccountName=words,
    imagePullSecrets=st.lists(st.fixed_dictionaries({"name": words}), max_size=2),
    restartPolicy=st.sampled_from(["OnFailure", "Never"]),
    terminationGracePeriodSeconds=st.integers(0, 90),
)
templates = some(
    apiVersion=st.just("batch/v1"),
    kind=st.just("Job"),
    metadata=some(name=words, labels=labels, annotations=labels, uid=words, generateName=words),
    status=st.just({"active": 1}),
    spec=some(
        backoffLimit=st.integers(0, 6),
        backoffLimitPerIndex=st.integers(0, 6),
        completions=st.integers(1, 9),
        parallelism=st.integers(1, 9),
        activeDeadlineSeconds=st.integers(1, 900),
        ttlSecondsAfterFinished=st.integers(0, 900),
        suspend=st.booleans(),
        template=some(metadata=some(labels=labels, annotations=labels), spec=pods),
    ),
)
run_configs = st.builds(
    KubernetesRun,
    job_template=st.none() | templates,
    image=st.none() | words,
    env=st.none() | st.dictionaries(words, st.text(st.characters(exclude_categories=["Cs"]))),
    cpu_limit=st.none() | st.floats(0.001, 64) | amounts,
    cpu_request=st.none() | amounts,
    memory_limit=st.none() | amounts,
    memory_request=st.none() | amounts,
    service_account_name=st.none() | words,
    image_pull_secrets=st.none() | st.lists(words, max_size=2),
    image_pull_policy=st.none() | st.sampled_from(["Always", "IfNotPresent", "Never"]),
)
agents = st.builds(
    JobDefaults,
    image=st.none() | words,
    default_image=words,
    template=st.none() | templates,
    env=st.dictionaries(words, words),
    service_account_name=st.none() | words,
    image_pull_secrets=st.none() | st.lists(words, min_size=1, max_size=2),
    image_pull_policy=st.none() | st.sampled_from(["Always", "Never"]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(run_configs, agents)
def test_any_template_makes_a_job_that_kubernetes_takes(
    config: KubernetesRun, agent: JobDefaults
) -> None:
    before = copy.deepcopy((config, agent))
    job = made(config, agent)
    check(job)
    assert (config, agent) == before
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert job["metadata"]["name"] == f"headrace-{RUN}-2"
    assert spec["backoffLimit"] == 0
    assert "backoffLimitPerIndex" not in spec
    assert spec.get("completions", 1) == spec.get("parallelism", 1) == 1
    assert pod["restartPolicy"] == "Never"
    assert spec["ttlSecondsAfterFinished"] is not None
    for labels in (job["metadata"]["labels"], spec["template"]["metadata"]["labels"]):
        assert labels["headrace.io/flow-run-id"] == RUN
        assert labels["headrace.io/attempt"] == "2"
    names = [entry["name"] for entry in flow_of(job)["env"]]
    assert {name: values(job)[name] for name in IDENTITY} == IDENTITY
    assert len(set(names) & IDENTITY.keys()) == sum(name in IDENTITY for name in names)

    given = config.job_template
    template = given if given is not None else agent.template or {}
    own = ((template.get("spec") or {}).get("template") or {}).get("spec") or {}
    assert pod.get("initContainers") == own.get("initContainers")
    assert [each for each in pod["containers"] if each is not flow_of(job)] == [
        each for each in own.get("containers", []) if each["name"] != flow_of(job)["name"]
    ]
    if config.image:
        assert flow_of(job)["image"] == config.image
    if config.service_account_name:
        assert pod["serviceAccountName"] == config.service_account_name
    elif given is not None and own.get("serviceAccountName"):
        assert pod["serviceAccountName"] == own["serviceAccountName"]
    elif agent.service_account_name:
        assert pod["serviceAccountName"] == agent.service_account_name
    for name, value in (config.env or {}).items():
        assert expanded(values(job)[name]) == value


def expanded(text: str) -> str:
    """What Kubernetes makes of a value: $$ is $, and $(NAME) another variable's."""
    assert not re.search(r"(?<!\$)(?:\$\$)*\$\(", text)
    return text.replace("$$", "$")


# -- what goes over what ------------------------------------------------------------------------


def with_container(**fields: Any) -> dict[str, Any]:
    return {"kind": "Job", "spec": {"template": {"spec": {"containers": [fields]}}}}


def test_images() -> None:
    agent = JobDefaults(default_image="default")
    named = JobDefaults(
        default_image="default", image="option", template=with_container(image="own")
    )
    stored = {"type": "Docker", "image": "stored"}
    template = with_container(image="run's")
    assert flow_of(made(None, agent))["image"] == "default"
    assert flow_of(
        made(None, JobDefaults(default_image="d", template=with_container(image="own")))
    )["image"] == ("own")
    assert flow_of(made(None, named))["image"] == "option"
    assert flow_of(made(KubernetesRun(job_template=template), named))["image"] == "run's"
    assert flow_of(made(KubernetesRun(), named, stored))["image"] == "stored"
    assert flow_of(made(KubernetesRun(job_template=template), named, stored))["image"] == "stored"
    assert flow_of(made(KubernetesRun(image="asked"), named, stored))["image"] == "asked"


def test_variables() -> None:
    entries = [{"name": name, "value": "template"} for name in ("A", "B", "C")]
    agent = JobDefaults(
        default_image="i", env={"B": "agent", "C": "agent"}, template=with_container(env=entries)
    )
    config = KubernetesRun(env={"C": "run"})
    assert [values(made(config, agent))[name] for name in "ABC"] == ["template", "agent", "run"]
    config = KubernetesRun(env={"C": "run"}, job_template=with_container(env=entries))
    assert [values(made(config, agent))[name] for name in "ABC"] == ["template", "template", "run"]


def test_the_containers_named_flow_is_the_flows() -> None:
    template = {
        "spec": {
            "template": {
                "spec": {
                    "containers": [{"name": "proxy", "image": "p"}, {"name": "flow"}],
                    "initContainers": [{"name": "first", "image": "f"}],
                }
            }
        }
    }
    job = made(KubernetesRun(job_template=template))
    proxy, flow = job["spec"]["template"]["spec"]["containers"]
    assert proxy == {"name": "proxy", "image": "p"}
    assert flow["args"] == ["headrace", "execute"]
    assert "command" not in flow


def test_a_template_may_start_headrace_itself() -> None:
    args = ["pip install tool && exec headrace execute"]
    template = with_container(name="main", command=["sh", "-c"], args=args)
    assert flow_of(made(KubernetesRun(job_template=template)))["args"] == args
    template = with_container(name="main", args=["other", "thing"])
    assert flow_of(made(KubernetesRun(job_template=template)))["args"] == ["headrace", "execute"]


def test_limits_and_requests_go_over_those_of_the_template() -> None:
    template = with_container(resources={"limits": {"cpu": "1", "gpu": "1"}})
    config = KubernetesRun(
        job_template=template, cpu_limit=2, cpu_request="500m", memory_limit="2Gi"
    )
    assert flow_of(made(config))["resources"] == {
        "limits": {"cpu": "2", "gpu": "1", "memory": "2Gi"},
        "requests": {"cpu": "500m"},
    }


def test_a_shell_is_given_one_line() -> None:
    for command in (["sh", "-c"], ["/bin/bash", "-lc"]):
        template = with_container(name="main", command=command, args=["sleep 5"])
        flow = flow_of(made(KubernetesRun(job_template=template)))
        assert (flow["command"], flow["args"]) == (command, ["headrace execute"])
    line = ["sh", "-c", "exec headrace execute"]
    flow = flow_of(made(KubernetesRun(job_template=with_container(name="main", command=line))))
    assert flow["command"] == line


def test_what_belongs_to_one_job_alone_is_left_out() -> None:
    labels = {"app": "etl", "controller-uid": "u", "batch.kubernetes.io/job-name": "old"}
    labels["headrace.io/released"] = "true"
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "data"}
    policy = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}
    copied = {
        "metadata": {
            "labels": labels,
            "annotations": annotations,
            "finalizers": ["orphan"],
            "ownerReferences": [{"kind": "CronJob"}],
        },
        "spec": {
            "completionMode": "Indexed",
            "completions": 3,
            "managedBy": "example.com/controller",
            "manualSelector": True,
            "podFailurePolicy": policy,
            "podReplacementPolicy": "Failed",
            "selector": {"matchLabels": {"controller-uid": "u"}},
            "successPolicy": {"rules": [{"succeededCount": 1}]},
            "suspend": False,
            "template": {"metadata": {"creationTimestamp": None, "labels": dict(labels)}},
        },
        "status": {"failed": 1},
    }
    job = made(KubernetesRun(job_template=copied))
    check(job)
    assert job.keys() == {"apiVersion", "kind", "metadata", "spec"}
    assert job["metadata"].keys() == {"name", "namespace", "labels", "annotations"}
    assert job["metadata"]["annotations"]["team"] == "data"
    for found in (job["metadata"], job["spec"]["template"]["metadata"]):
        assert found["labels"]["app"] == "etl"
        assert not labels.keys() - {"app"} & found["labels"].keys()
        assert not [each for each in found["annotations"] if "last-applied" in each]
    assert job["spec"].keys() == {
        "backoffLimit",
        "completions",
        "suspend",
        "template",
        "ttlSecondsAfterFinished",
    }


def test_jobs_are_kept_as_long_as_their_template_says_once_their_end_is_known() -> None:
    day, year = 24 * 3600, 365 * 24 * 3600
    for seconds, at_first in ((0, day), (60, day), (year, year)):
        job = made(KubernetesRun(job_template={"spec": {"ttlSecondsAfterFinished": seconds}}))
        assert job["spec"]["ttlSecondsAfterFinished"] == at_first
        assert job["metadata"]["labels"]["headrace.io/kept"] == str(seconds)
    assert made()["spec"]["ttlSecondsAfterFinished"] == day
    assert "headrace.io/kept" not in made()["metadata"]["labels"]
    job = made(KubernetesRun(job_template={"spec": {"ttlSecondsAfterFinished": "soon"}}))
    assert job["spec"]["ttlSecondsAfterFinished"] == "soon"  # which the cluster has words for


def test_jobs_that_the_agent_keeps() -> None:
    job = made(None, JobDefaults(default_image="i", kept_seconds=900))
    assert job["metadata"]["labels"]["headrace.io/kept"] == "900"


def test_volumes_of_an_agent_without_a_template() -> None:
    volumes = [{"name": "data", "emptyDir": {}}]
    mounts = [{"name": "data", "mountPath": "/data"}]
    assert with_volumes(None, [], []) is None
    template = with_volumes(with_container(name="flow", image="i"), volumes, mounts)
    job = made(None, JobDefaults(default_image="i", template=template))
    check(job)
    assert job["spec"]["template"]["spec"]["volumes"] == volumes
    assert flow_of(job)["volumeMounts"] == mounts


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ({"kind": "Pod"}, "describes a Pod, and not a Job"),
        ({"metadata": {"namespace": "other"}}, "'other'"),
        ({"spec": [1]}, "its spec must be a mapping"),
        ({"spec": {"template": {"spec": {"containers": {}}}}}, "must be a list of mappings"),
    ],
)
def test_templates_of_no_job(template: dict[str, Any], words: str) -> None:
    # As one that is read only now, from an address.
    with pytest.raises(DeploymentError, match=re.escape(words)) as caught:
        job_of(
            a_run(),
            agent="a",
            namespace="flows",
            api_url="http://server",
            defaults=PLAIN,
            template=template,
        )
    assert caught.value.is_final


def test_labels() -> None:
    assert label_value("f69be763-fa2c-53d1-a409-2740a298be29") == (
        "f69be763-fa2c-53d1-a409-2740a298be29"
    )
    for odd in ("", "a name", "-a", "x" * 64, "ä"):
        assert re.fullmatch("x[0-9a-f]{40}", label_value(odd))
    assert label_value("a name") != label_value("a-name!")

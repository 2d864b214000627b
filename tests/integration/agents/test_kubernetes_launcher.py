"""What goes wrong in a cluster, what the launcher makes of it, and how it holds on to the API."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from headrace.agents.kubernetes.api import KubernetesApi as Cluster
from headrace.agents.kubernetes.jobs import JobDefaults
from headrace.agents.kubernetes.launcher import KubernetesLauncher
from headrace.agents.kubernetes.records import SETTLE, Bounds
from headrace.agents.launcher import Deployment, Ended, Waits
from headrace.cli.commands.agent_kubernetes_install import command as install
from headrace.core.errors import DeploymentError
from headrace.run_configs import KubernetesRun
from headrace.testing import LauncherContract

AGENT = "agent-1"
IMAGE = "headrace:stand-in"
BOUNDS = Bounds(grace=0.6, pending=60.0)
#: Within how many seconds something has to be heard of.
PATIENCE = 60.0


class Agent:
    """Listens to a launcher, as an agent does."""

    def __init__(self, config: Path, bounds: Bounds = BOUNDS, **defaults: Any) -> None:
        given = {"default_image": IMAGE, **defaults}
        self.launcher = KubernetesLauncher(
            Cluster(kubeconfig=str(config)),
            api_url="http://127.0.0.1:4200",
            defaults=JobDefaults(**given),
            bounds=bounds,
        )
        self.news: list[Ended | Waits] = []
        self._closing = False
        self.found = list(self.launcher.recover(AGENT))
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def deploy(self, **config: Any) -> Deployment:
        return self.launcher.deploy(
            LauncherContract.run_that("wait", KubernetesRun(**config).serialize())
        )

    def refusal(self, **config: Any) -> DeploymentError:
        with pytest.raises(DeploymentError) as caught:
            self.deploy(**config)
        return caught.value

    def hears(self, deployment: Deployment, kind: type, *words: str) -> Any:
        """Wait for news of a deployment that hold these words."""
        until = time.monotonic() + PATIENCE
        while True:
            of_it = [each for each in self.news if each.deployment == deployment]
            for each in of_it:
                text = each.how if isinstance(each, Ended) else each.why
                if isinstance(each, kind) and all(word in text for word in words):
                    return each
            assert time.monotonic() < until, f"{kind.__name__} {words} is not told, but {of_it}"
            time.sleep(0.02)

    def waits(self, deployment: Deployment, *words: str) -> Waits:
        return self.hears(deployment, Waits, *words)

    def ends(self, deployment: Deployment, *words: str, is_final: bool = False) -> Ended:
        ended = self.hears(deployment, Ended)
        assert [word for word in words if word not in ended.how] == [], ended.how
        assert ended.is_final is is_final, ended
        return ended

    def close(self) -> None:
        self._closing = True
        self._thread.join()
        self.launcher.close()

    def _listen(self) -> None:
        while not self._closing:
            self.news += self.launcher.watch(0.2)


@pytest.fixture
def api(kubernetes_api):
    kubernetes_api.add_image(IMAGE, stands_in=True)
    return kubernetes_api


@pytest.fixture
def agent(api) -> Iterator[Agent]:
    agent = Agent(api.kubeconfig)
    yield agent
    agent.close()


def running(api, deployment: Deployment) -> str:
    """Wait until a deployment runs, and return its pod's name."""
    pod = api.wait_for_pod(deployment.handle, lambda pod: pod["status"].get("phase") == "Running")
    return pod["metadata"]["name"]


# -- before it begins ---------------------------------------------------------------------------


def test_no_node_has_room(api, agent: Agent) -> None:
    api.unschedulable("Insufficient cpu")
    deployment = agent.deploy()
    agent.waits(deployment, "0/1 nodes are available", "Insufficient cpu")
    api.unschedulable(None)
    running(api, deployment)
    assert not any(isinstance(each, Ended) for each in agent.news)


def test_no_node_has_room_for_too_long(api) -> None:
    agent = Agent(api.kubeconfig, Bounds(pending=4.0))
    try:
        api.unschedulable("Insufficient memory")
        deployment = agent.deploy()
        agent.ends(deployment, "not begun within 4 s", "Insufficient memory", is_final=True)
        agent.launcher.release(deployment)
        api.wait(lambda: api.get("jobs", deployment.handle) is None)
    finally:
        agent.close()


def test_images_that_are_not_there(api, agent: Agent) -> None:
    missing = agent.deploy(image="missing:1")
    invalid = agent.deploy(image="Not An Image")
    never = agent.deploy(image="absent:1", image_pull_policy="Never")
    agent.waits(missing, "ErrImagePull", "not found")
    agent.waits(invalid, "InvalidImageName")
    ended = agent.ends(missing, "missing:1", "not found", is_final=True)
    assert ended.to_report
    agent.ends(invalid, "InvalidImageName", is_final=True)
    agent.ends(never, "ErrImageNeverPull", is_final=True)
    assert agent.launcher.early_logs(missing) == ""


def test_a_registry_that_is_away(api, agent: Agent) -> None:
    api.refuse_image("slow:1", "failed to pull image: dial tcp 10.0.0.1:443: i/o timeout")
    deployment = agent.deploy(image="slow:1")
    agent.waits(deployment, "i/o timeout")
    time.sleep(3 * BOUNDS.grace)
    assert not any(isinstance(each, Ended) for each in agent.news)
    agent.launcher.cancel(deployment)
    agent.ends(deployment, "it was cancelled")


def test_a_secret_that_is_missing(api, agent: Agent) -> None:
    entry = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}}
    container = {"name": "flow", "env": [entry]}
    template = {"spec": {"template": {"spec": {"containers": [container]}}}}
    deployment = agent.deploy(job_template=template)
    agent.waits(deployment, "CreateContainerConfigError", 'secret "keys" not found')
    agent.ends(deployment, 'secret "keys" not found', is_final=True)


def test_a_secret_that_is_missing_in_a_volume(api, agent: Agent) -> None:
    volume = {"name": "keys", "secret": {"secretName": "nowhere"}}
    template = {"spec": {"template": {"spec": {"volumes": [volume]}}}}
    deployment = agent.deploy(job_template=template)
    agent.waits(deployment, "FailedMount", 'secret "nowhere" not found')
    agent.ends(deployment, 'secret "nowhere" not found', is_final=True)


def test_a_service_account_that_is_missing(api, agent: Agent) -> None:
    deployment = agent.deploy(service_account_name="nobody")
    agent.waits(deployment, "FailedCreate", '"nobody" not found')
    agent.ends(deployment, '"nobody" not found', is_final=True)


def test_a_quota_of_pods(api, agent: Agent) -> None:
    api.apply(
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: small}, spec: {hard: {pods: '0'}}}"
    )
    deployment = agent.deploy()
    agent.waits(deployment, "exceeded quota: small")
    time.sleep(2 * BOUNDS.grace)
    assert not any(isinstance(each, Ended) for each in agent.news)
    api.delete("resourcequotas", "small")
    running(api, deployment)


def test_a_quota_of_jobs(api, agent: Agent) -> None:
    api.apply(
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: few},"
        " spec: {hard: {count/jobs.batch: '0'}}}"
    )
    with ThreadPoolExecutor(1) as pool:
        deploying = pool.submit(agent.deploy)
        api.wait(lambda: agent.news)
        assert "exceeded quota: few" in agent.news[0].why
        api.delete("resourcequotas", "few")
        deployment = deploying.result(PATIENCE)
    running(api, deployment)


# -- how it ends --------------------------------------------------------------------------------


def test_exit_codes(api, agent: Agent) -> None:
    bad, good = agent.deploy(), agent.deploy()
    api.finish(running(api, bad), 3)
    api.finish(running(api, good), 0)
    assert agent.ends(bad, "exit code 3").to_report
    assert not agent.ends(good, "exit code 0").to_report


def test_out_of_memory(api, agent: Agent) -> None:
    deployment = agent.deploy(memory_limit="64Mi")
    api.out_of_memory(running(api, deployment))
    assert agent.ends(deployment, "out of memory", "OOMKilled", "137").to_report


def test_evictions(api, agent: Agent) -> None:
    by_node, by_api, preempted = agent.deploy(), agent.deploy(), agent.deploy()
    api.evict(running(api, by_node))
    api.evict_by_api(running(api, by_api))
    api.preempt(running(api, preempted))
    agent.ends(by_node, "Evicted", "The node was low on resource: memory")
    agent.ends(by_api, "evicted", "Eviction API")
    agent.ends(preempted, "preempted")


def test_a_node_that_is_lost(api, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.agents.kubernetes.records.LOST", 0.5)
    template = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}
    deployment = agent.deploy(job_template=template)
    running(api, deployment)
    try:
        api.lose_node()
        agent.ends(deployment, "node-1 does not answer", "lost or drained")
    finally:
        api.recover_node()


def test_a_deadline(api, agent: Agent) -> None:
    deployment = agent.deploy(job_template={"spec": {"activeDeadlineSeconds": 1}})
    agent.ends(deployment, "DeadlineExceeded", "Job was active longer than specified deadline")


def test_a_pod_that_is_deleted(api, agent: Agent) -> None:
    deployment = agent.deploy()
    api.delete("pods", running(api, deployment))
    agent.ends(deployment, "its pod was deleted from outside")


@pytest.mark.parametrize("propagation", ["Foreground", "Background"])
def test_a_job_that_is_deleted(api, agent: Agent, propagation: str) -> None:
    deployment = agent.deploy()
    running(api, deployment)
    api.delete("jobs", deployment.handle, propagationPolicy=propagation)
    agent.ends(deployment, "its job was deleted from outside")


def test_an_init_container_that_fails_tells_why(api, agent: Agent) -> None:
    api.add_image("shell:1")
    first = {"name": "prepare", "image": "shell:1", "command": ["sh", "-c", "echo no data; exit 7"]}
    template = {"spec": {"template": {"spec": {"initContainers": [first]}}}}
    deployment = agent.deploy(job_template=template)
    agent.ends(deployment, "init container 'prepare' failed", "exit code 7")
    assert "no data" in agent.launcher.early_logs(deployment)


def test_a_program_that_is_not_in_the_image(api, agent: Agent) -> None:
    api.add_image("bare:1", env={"PATH": "/nowhere"})
    deployment = agent.deploy(image="bare:1")
    agent.ends(deployment, "could not be started", "headrace", is_final=True)


def test_a_sidecar_ends_with_the_flow(api, agent: Agent) -> None:
    containers = [{"name": "proxy", "image": IMAGE}, {"name": "flow", "image": IMAGE}]
    template = {"spec": {"template": {"spec": {"containers": containers}}}}
    deployment = agent.deploy(job_template=template)
    api.finish(running(api, deployment), 0, "flow")
    agent.ends(deployment, "exit code 0")
    agent.launcher.release(deployment)
    api.wait(lambda: not api.pods_of(deployment.handle))


def test_logs_of_a_program_that_got_no_further(api, agent: Agent) -> None:
    api.add_image("talks:1", entrypoint=("sh", "-c", "seq 30000; echo last words >&2; exit 3"))
    deployment = agent.deploy(image="talks:1")
    agent.ends(deployment, "exit code 3")
    logs = agent.launcher.early_logs(deployment)
    assert logs.endswith("30000\nlast words\n")
    assert len(logs) <= 64 << 10


def test_what_is_copied_from_a_cluster_is_a_template(api, agent: Agent) -> None:
    first = agent.deploy(cpu_request="100m")
    copied = api.get("jobs", first.handle)
    assert copied["spec"]["selector"]
    copied["metadata"]["finalizers"] = ["foregroundDeletion"]
    copied["spec"] |= {"ttlSecondsAfterFinished": None}  # or it would stay for a day
    copied["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    second = agent.deploy(job_template=copied)
    pods = [running(api, first), running(api, second)]
    labels = api.get("jobs", second.handle)["spec"]["selector"]["matchLabels"]
    assert labels != copied["spec"]["selector"]["matchLabels"]
    api.finish(pods[1], 3)
    agent.ends(second, "exit code 3")
    agent.launcher.release(second)
    api.wait(lambda: api.get("jobs", second.handle) is None)
    assert not any(isinstance(each, Ended) and each.deployment == first for each in agent.news)


def test_a_job_that_is_to_go_at_once_stays_until_its_end_is_known(api, agent: Agent) -> None:
    api.add_image("talks:1", entrypoint=("sh", "-c", "echo hello; exit 3"))
    at_once = {"spec": {"ttlSecondsAfterFinished": 0}}
    deployment = agent.deploy(job_template=at_once, image="talks:1")
    agent.ends(deployment, "exit code 3")
    time.sleep(1.0)
    assert agent.launcher.early_logs(deployment) == "hello\n"
    agent.launcher.release(deployment)
    api.wait(lambda: api.get("jobs", deployment.handle) is None)


# -- what is refused ----------------------------------------------------------------------------


def test_what_the_cluster_refuses_is_said_in_its_words(api, agent: Agent) -> None:
    unknown = agent.refusal(job_template={"spec": {"tmplate": 1}})
    assert 'unknown field "spec.tmplate"' in str(unknown)
    wrong = agent.refusal(job_template={"spec": {"activeDeadlineSeconds": -1}})
    assert "activeDeadlineSeconds" in str(wrong)
    typed = agent.refusal(job_template={"spec": {"activeDeadlineSeconds": "soon"}})
    assert "cannot unmarshal" in str(typed)
    assert (unknown.is_final, wrong.is_final, typed.is_final) == (True, True, True)


def test_rights_namespaces_and_credentials(api) -> None:
    for config, namespace, words in (
        (api.kubeconfig_of("weak"), None, 'cannot list resource "jobs"'),
        (api.kubeconfig_for("wrong", "wrong"), None, "Unauthorized (401)"),
    ):
        launcher = KubernetesLauncher(
            Cluster(kubeconfig=str(config), namespace=namespace),
            api_url="http://127.0.0.1:4200",
            defaults=JobDefaults(default_image=IMAGE),
        )
        with pytest.raises(DeploymentError) as caught:
            list(launcher.recover(AGENT))
        assert words in str(caught.value)
        run = LauncherContract.run_that("wait")
        with pytest.raises(DeploymentError) as caught:
            launcher.deploy(run)
        assert run.token not in str(caught.value)
        launcher.close()


def test_a_namespace_that_is_not_there(api) -> None:
    launcher = KubernetesLauncher(
        Cluster(kubeconfig=str(api.kubeconfig), namespace="nowhere"),
        api_url="http://127.0.0.1:4200",
        defaults=JobDefaults(default_image=IMAGE),
    )
    assert list(launcher.recover(AGENT)) == []
    with pytest.raises(DeploymentError, match='namespaces "nowhere" not found') as caught:
        launcher.deploy(LauncherContract.run_that("wait"))
    assert caught.value.is_final
    launcher.close()


def test_the_rights_that_install_grants_are_enough(api) -> None:
    done = CliRunner().invoke(install, ["--api-url", "http://127.0.0.1:4200"])
    documents = [each for each in yaml.safe_load_all(done.stdout) if each["kind"] != "Deployment"]
    api.apply(yaml.safe_dump_all(documents))
    agent = Agent(api.kubeconfig_of("headrace-agent-kubernetes"))
    try:
        kept = {"spec": {"ttlSecondsAfterFinished": 600}}
        api.add_image("talks:1", entrypoint=("sh", "-c", "echo hello; exit 3"))
        deployment, again = agent.deploy(), agent.deploy()
        agent.launcher.deploy(_same_run(again))  # which asks for the one that is there
        other = agent.deploy(job_template=kept, image="talks:1")
        agent.ends(other, "exit code 3")
        assert agent.launcher.early_logs(other) == "hello\n"
        agent.launcher.release(other)
        unknown = agent.deploy(service_account_name="nobody")
        agent.waits(unknown, "FailedCreate")  # which only an event says
        agent.launcher.cancel(unknown)
        agent.ends(unknown, "it was cancelled")
        agent.launcher.release(unknown)
        agent.launcher.cancel(deployment)
        agent.ends(deployment, "it was cancelled")
        agent.launcher.release(deployment)
        assert api.get("jobs", other.handle)["metadata"]["labels"]["headrace.io/released"] == "true"
    finally:
        agent.close()
    after = Agent(api.kubeconfig)
    after.close()
    assert [each.handle for each in after.found] == [again.handle]


def _same_run(deployment: Deployment) -> Any:
    run = LauncherContract.run_that("wait")
    run.id = deployment.flow_run_id
    return run


# -- holding on to the API ----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["expire", "refuse", "cut", "end"])
def test_watches_go_on(api, agent: Agent, how: str) -> None:
    first, second = agent.deploy(), agent.deploy()
    pods = [running(api, first), running(api, second)]
    for pod, deployment in zip(pods, (first, second), strict=True):
        if how == "expire":
            api.expire_watches()
        elif how == "refuse":
            api.refuse("watch", "pods", 410, times=1)
            api.cut_watches()
        elif how == "cut":
            api.cut_watches()
        else:
            api.end_watches()
        api.finish(pod, 3)
        agent.ends(deployment, "exit code 3")


def test_watches_wait_as_long_as_they_are_told_to(api, agent: Agent) -> None:
    deployment = agent.deploy()
    pod = running(api, deployment)
    api.refuse("watch", "*", 429, times=3, retry_after=1)
    began = time.monotonic()
    api.cut_watches()
    api.finish(pod, 3)
    agent.ends(deployment, "exit code 3")
    assert time.monotonic() - began >= 1.0


def test_a_version_that_the_cluster_does_not_know_is_not_asked_for_again(api) -> None:
    agent = Agent(api.kubeconfig)
    try:
        deployment = agent.deploy()
        pod = running(api, deployment)
        api.refuse("watch", "pods", 504, times=1)  # its etcd was restored: ours is in the future
        api.cut_watches()
        api.finish(pod, 3)
        agent.ends(deployment, "exit code 3")
        assert len(lists_of_pods(api)) == 2
    finally:
        agent.close()


def test_a_watch_that_is_silent_is_begun_again(
    api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("headrace.agents.kubernetes.watching._SILENT", 0.4)
    monkeypatch.setattr("headrace.agents.kubernetes.watching._WELL", 0.2)
    agent = Agent(api.kubeconfig)
    try:
        api.wait(lambda: len([call for call in api.calls if call.verb == "watch"]) > 3)
        deployment = agent.deploy()
        api.finish(running(api, deployment), 3)
        agent.ends(deployment, "exit code 3")
        assert len(lists_of_pods(api)) == 1
        assert not [each for each in caplog.records if each.levelname == "WARNING"]
    finally:
        agent.close()


def lists_of_pods(api) -> list[Any]:
    calls = [call for call in api.calls if call.resource and call.resource.plural == "pods"]
    return [call for call in calls if call.verb == "list"]


def test_what_happens_while_nothing_is_seen_is_seen_afterwards(api, agent: Agent) -> None:
    ended, gone = agent.deploy(), agent.deploy()
    pods = [running(api, ended), running(api, gone)]
    again = api.refuse("*", "*", 503)
    api.cut_watches()
    api.finish(pods[0], 3)
    api.delete("jobs", gone.handle, propagationPolicy="Background")
    api.wait(lambda: not api.pods_of(gone.handle))
    again()
    api.expire_watches()
    agent.ends(ended, "exit code 3")
    agent.ends(gone, "deleted from outside")


def test_bookmarks_spare_a_list(api) -> None:
    api.bookmark_every(0.1)
    agent = Agent(api.kubeconfig)
    try:
        for number in range(3):
            api.create(
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{number}"}}
            )
        time.sleep(0.5)
        api.cut_watches()
        deployment = agent.deploy()
        running(api, deployment)
        assert len(lists_of_pods(api)) == 1
    finally:
        agent.close()


def test_requests_are_tried_again(api, agent: Agent) -> None:
    api.refuse("create", "jobs", 429, times=1, retry_after=1)
    began = time.monotonic()
    agent.deploy()
    assert time.monotonic() - began >= 1.0
    api.refuse("create", "jobs", 503, times=2)
    agent.deploy()
    api.cut("create", "jobs", times=1)
    agent.deploy()
    api.cut("create", "jobs", times=1, after=True)
    api.refuse("create", "jobs", 409, times=1)  # as a quota does that two are counted in at once
    deployment = agent.deploy()
    api.finish(running(api, deployment), 3)
    agent.ends(deployment, "exit code 3")
    assert len(api.objects("jobs")) == 4


def test_a_token_that_was_replaced_is_read_again(api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.agents.kubernetes.cluster._READ_AGAIN", 0.2)
    good = Path(api.kubeconfig).read_text()
    file = api.kubeconfig_for("wrong", "replaced")
    launcher = KubernetesLauncher(
        Cluster(kubeconfig=str(file)),
        api_url="http://127.0.0.1:4200",
        defaults=JobDefaults(default_image=IMAGE),
    )
    time.sleep(0.3)
    with pytest.raises(DeploymentError, match="Unauthorized"):
        list(launcher.recover(AGENT))
    time.sleep(0.3)
    file.write_text(good)
    with ThreadPoolExecutor(4) as pool:
        runs = [LauncherContract.run_that("wait") for _ in range(4)]
        assert len(list(pool.map(launcher.deploy, runs))) == 4
    launcher.close()


def test_inside_a_cluster(api, monkeypatch: pytest.MonkeyPatch) -> None:
    account = api.account("default", "default")
    host, port = api.https_url.removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    cluster = Cluster(service_account=str(account))
    assert cluster.namespace == "default"
    launcher = KubernetesLauncher(
        cluster, api_url="http://127.0.0.1:4200", defaults=JobDefaults(default_image=IMAGE)
    )
    # It is known who asks, and that it may not.
    with pytest.raises(DeploymentError, match="system:serviceaccount:default:default"):
        list(launcher.recover(AGENT))
    launcher.close()


def test_settling_takes_no_longer_than_it_says(api, agent: Agent) -> None:
    deployment = agent.deploy()
    pod = running(api, deployment)
    began = time.monotonic()
    api.delete("pods", pod, gracePeriodSeconds=0)
    agent.ends(deployment, "deleted from outside")
    # A loaded machine takes longer; where nothing is told before the grace is over, it is a minute.
    assert time.monotonic() - began < SETTLE + 10.0

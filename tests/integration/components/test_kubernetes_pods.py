"""The fake cluster's pods: real processes, reported as the kubelet of 1.32 does."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from tests.integration.components.kubernetes.kubernetes_api import KubernetesApi
from tests.support.kubernetes import IMAGE, pod, refused


@pytest.fixture
def api(kubernetes_api: KubernetesApi) -> KubernetesApi:
    kubernetes_api.add_image(IMAGE)
    return kubernetes_api


@pytest.fixture
def core(api: KubernetesApi) -> Iterator[client.CoreV1Api]:
    with api.client() as opened:
        yield client.CoreV1Api(opened)


def _until(api: KubernetesApi, phase: str, name: str = "one") -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        seen = api.get("pods", name)
        return seen if seen is not None and seen["status"]["phase"] == phase else None

    seen: dict[str, Any] = api.wait(found)
    return seen


def _waiting(api: KubernetesApi, reason: str, name: str = "one") -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        seen = api.get("pods", name)
        states = seen["status"].get("containerStatuses", []) if seen else []
        state = states[0]["state"].get("waiting", {}) if states else {}
        return state if state.get("reason") == reason else None

    state: dict[str, Any] = api.wait(found)
    return state


def _ended(found: dict[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = found["status"]["containerStatuses"][0]["state"]["terminated"]
    return state


def _conditions(found: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {
        one["type"]: (one["status"], one.get("reason", "")) for one in found["status"]["conditions"]
    }


def _said(api: KubernetesApi, reason: str, name: str = "one") -> list[str]:
    return [one["message"] for one in api.events(name) if one["reason"] == reason]


def test_a_pod_succeeds(api: KubernetesApi, core: client.CoreV1Api) -> None:
    new = pod("one", 'echo "$GREETING, $HOSTNAME"; echo oops >&2; echo $HOME')
    new["spec"]["containers"][0]["env"] = [
        {"name": "NAME", "value": "you"},
        {"name": "GREETING", "value": "hello $(NAME), $$5, $(NOBODY)"},
    ]
    api.create(new)

    found = _until(api, "Succeeded")
    ended = _ended(found)
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    assert _conditions(found) == {
        "PodReadyToStartContainers": ("False", ""),
        "Initialized": ("True", "PodCompleted"),
        "Ready": ("False", "PodCompleted"),
        "ContainersReady": ("False", "PodCompleted"),
        "PodScheduled": ("True", ""),
    }
    text = core.read_namespaced_pod_log("one", "default")
    assert {"hello you, $5, $(NOBODY), one", "oops"} <= set(text.splitlines())
    home = Path(text.split()[-1]) if text.rstrip().endswith("main") else None
    api.delete("pods", "one")
    api.wait(lambda: api.get("pods", "one") is None)
    if home is not None:
        api.wait(lambda: not home.exists())


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [("exit 3", 3, "Error"), ("kill -KILL $$$$", 137, "Error"), ("kill -TERM $$$$", 143, "Error")],
)
def test_a_pod_fails(api: KubernetesApi, command: str, code: int, reason: str) -> None:
    api.create(pod("one", command))
    found = _until(api, "Failed")
    assert (_ended(found)["exitCode"], _ended(found)["reason"]) == (code, reason)
    assert _conditions(found)["Ready"] == ("False", "PodFailed")


def test_a_program_that_is_not_there(api: KubernetesApi) -> None:
    new = pod("one")
    new["spec"]["containers"][0]["args"] = ["no-such-program"]
    api.create(new)
    found = _until(api, "Failed")
    ended = _ended(found)
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert ended["startedAt"] == "1970-01-01T00:00:00Z"
    assert 'exec: "no-such-program": executable file not found in $PATH' in ended["message"]
    assert _said(api, "Failed") == [f"Error: {ended['message']}"]


def test_an_image_that_is_not_there(api: KubernetesApi, core: client.CoreV1Api) -> None:
    api.create(pod("one", image="missing:1"))

    why = (
        'rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/library/'
        'missing:1": failed to resolve reference "docker.io/library/missing:1": '
        "docker.io/library/missing:1: not found"
    )
    assert _waiting(api, "ErrImagePull")["message"] == why
    assert _waiting(api, "ImagePullBackOff")["message"] == (
        f'Back-off pulling image "missing:1": ErrImagePull: {why}'
    )
    assert _said(api, "Failed") == [
        f'Failed to pull image "missing:1": {why}',
        "Error: ErrImagePull",
        "Error: ImagePullBackOff",
    ]
    assert _said(api, "BackOff") == ['Back-off pulling image "missing:1"']
    with refused(400, "BadRequest") as told:
        core.read_namespaced_pod_log("one", "default")
    assert told["message"] == (
        'container "main" in pod "one" is waiting to start: trying and failing to pull image'
    )
    api.add_image("missing:1", stands_in=True)
    _until(api, "Running")


@pytest.mark.parametrize(
    ("image", "policy", "reason", "message"),
    [
        ("Bad Image", "Always", "InvalidImageName", "invalid reference format"),
        ("never:1", "Never", "ErrImageNeverPull", "is not present with pull policy of Never"),
    ],
)
def test_images_that_cannot_be_had(
    api: KubernetesApi, image: str, policy: str, reason: str, message: str
) -> None:
    new = pod("one", image=image)
    new["spec"]["containers"][0]["imagePullPolicy"] = policy
    api.create(new)
    assert message in _waiting(api, reason)["message"]
    assert f"Error: {reason}" in _said(api, "Failed")


def test_a_secret_that_comes_late(api: KubernetesApi, core: client.CoreV1Api) -> None:
    new = pod("one", "echo $TOKEN")
    source = {"secretKeyRef": {"name": "tokens", "key": "token"}}
    new["spec"]["containers"][0]["env"] = [{"name": "TOKEN", "valueFrom": source}]
    api.create(new)
    waiting = _waiting(api, "CreateContainerConfigError")
    assert waiting["message"] == 'secret "tokens" not found'
    assert 'Error: secret "tokens" not found' in _said(api, "Failed")

    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tokens"}}
    api.create(secret | {"stringData": {"token": "abc"}})
    _until(api, "Succeeded")
    assert core.read_namespaced_pod_log("one", "default") == "abc\n"


def test_a_pod_that_fits_on_no_node(api: KubernetesApi, core: client.CoreV1Api) -> None:
    new = pod("one", "exit 0")
    new["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1000"}}
    api.create(new)
    message = (
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
        "1 No preemption victims found for incoming pod."
    )
    api.wait(lambda: _said(api, "FailedScheduling") == [message])
    found = api.get("pods", "one")
    assert found is not None and found["status"]["phase"] == "Pending"
    (condition,) = found["status"]["conditions"]
    assert (condition["type"], condition["reason"]) == ("PodScheduled", "Unschedulable")
    assert condition["message"] == message
    assert core.read_namespaced_pod_log("one", "default") == ""

    api.unschedulable("node(s) had untolerated taint {dedicated: gpu}")
    api.create(pod("two", "exit 0"))
    api.wait(lambda: _said(api, "FailedScheduling", "two"))
    api.unschedulable(None)
    _until(api, "Succeeded", "two")


def test_a_pod_that_is_deleted_has_time_to_end(api: KubernetesApi, core: client.CoreV1Api) -> None:
    api.create(pod("one", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.02; done"))
    api.create(pod("deaf", "echo ready; exec sleep 300"))
    for name in ("one", "deaf"):
        _until(api, "Running", name)
        api.wait(lambda name=name: "ready" in core.read_namespaced_pod_log(name, "default"))
    pids = [api.pid(name) for name in ("one", "deaf")]
    begun = time.monotonic()
    api.delete("pods", "one")
    api.wait(lambda: api.get("pods", "one") is None)
    assert time.monotonic() - begun < 20  # it would be given 30 s

    # The first process of a container gets no signal that it does not catch.
    begun = time.monotonic()
    api.delete("pods", "deaf", gracePeriodSeconds=1)
    deleted = api.get("pods", "deaf")
    assert deleted is not None and deleted["metadata"]["deletionGracePeriodSeconds"] == 1
    api.wait(lambda: api.get("pods", "deaf") is None)
    assert time.monotonic() - begun >= 0.9
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid or 0, 0)


def test_a_pod_is_out_of_memory(api: KubernetesApi) -> None:
    eat = 'x=$(head -c 400000000 /dev/zero | tr "\\0" x); sleep 60'
    new = pod("one", eat)
    new["spec"]["containers"][0]["resources"] = {"limits": {"memory": "64Mi"}}
    api.create(new)
    ended = _ended(_until(api, "Failed"))
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")


def test_a_pod_is_evicted(api: KubernetesApi) -> None:
    api.create(pod("one", "sleep 60"))
    _until(api, "Running")
    api.evict("one")
    found = _until(api, "Failed")
    assert found["status"]["reason"] == "Evicted"
    assert found["status"]["message"].startswith("The node was low on resource: memory. ")
    assert _conditions(found)["DisruptionTarget"] == ("True", "TerminationByKubelet")
    assert _ended(found)["exitCode"] == 137 and _said(api, "Evicted")


def test_a_node_is_lost(api: KubernetesApi) -> None:
    api.create(pod("one", "sleep 60"))
    _until(api, "Running")
    pid = api.pid("one") or 0
    api.lose_node(processes_go_on=True)
    try:
        found = api.get("pods", "one")
        assert found is not None and found["status"]["phase"] == "Running"
        assert "deletionTimestamp" in found["metadata"]
        assert _conditions(found)["DisruptionTarget"] == ("True", "DeletionByTaintManager")
        os.kill(pid, 0)
        node = api.get("nodes", "node-1")
        assert node is not None
        assert {one["key"] for one in node["spec"]["taints"]} == {"node.kubernetes.io/unreachable"}
        os.kill(pid, signal.SIGKILL)
    finally:
        api.recover_node()
    api.wait(lambda: api.get("pods", "one") is None)


def test_a_node_that_never_comes_back(api: KubernetesApi) -> None:
    api.add_node("node-2")
    api.create(pod("one", "sleep 60", nodeSelector={"kubernetes.io/hostname": "node-2"}))
    _until(api, "Running")
    api.lose_node("node-2", evict=False)
    api.remove_node("node-2")
    # Nothing holds it: the collector of pods without a node has deleted it.
    api.wait(lambda: api.get("pods", "one") is None)
    assert api.get("nodes", "node-2") is None


def test_what_a_test_leaves_behind_is_put_right(api: KubernetesApi) -> None:
    api.add_node("node-2")
    api.create(pod("one", "sleep 60"))
    _until(api, "Running")
    api.lose_node()
    api.unschedulable()
    api.refuse("*", "*", 503)

    api.reset()

    assert [one["metadata"]["name"] for one in api.objects("nodes")] == ["node-1"]
    assert api.objects("pods") == []
    api.add_image(IMAGE)
    api.create(pod("one", "exit 0"))
    _until(api, "Succeeded")


def test_init_containers_and_sidecars(api: KubernetesApi, core: client.CoreV1Api) -> None:
    new = pod("one", "echo main")
    shell = {"image": IMAGE, "command": ["sh", "-c"]}
    new["spec"]["initContainers"] = [
        {"name": "first", **shell, "args": ["echo first"]},
        {"name": "beside", **shell, "args": ["trap 'exit 0' TERM; sleep 60 & wait"], "restartPolicy": "Always"},
    ]  # fmt: skip
    new["spec"]["terminationGracePeriodSeconds"] = 1
    api.create(new)
    found = _until(api, "Succeeded")
    states = {one["name"]: one["state"] for one in found["status"]["initContainerStatuses"]}
    assert (
        states["first"]["terminated"]["reason"] == "Completed" and "terminated" in states["beside"]
    )
    assert core.read_namespaced_pod_log("one", "default", container="first") == "first\n"
    with refused(400, "BadRequest") as told:
        core.read_namespaced_pod_log("one", "default", container="second")
    assert told["message"] == "container second is not valid for pod one"

    failing = pod("two", "echo main")
    failing["spec"]["initContainers"] = [{"name": "first", **shell, "args": ["exit 4"]}]
    api.create(failing)
    found = _until(api, "Failed", "two")
    assert found["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 4
    waiting = found["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "PodInitializing"
    assert _conditions(found)["Initialized"] == ("False", "ContainersNotInitialized")


def test_containers_are_started_again(api: KubernetesApi, core: client.CoreV1Api) -> None:
    api.pace.crash = 0.2
    api.create(pod("one", "echo once; exit 1", restartPolicy="OnFailure"))
    waiting = _waiting(api, "CrashLoopBackOff")
    assert "restarting failed container=main pod=one_default(" in waiting["message"]
    found = api.wait(
        lambda: (api.get("pods", "one") or {})["status"]["containerStatuses"][0]["restartCount"]
    )
    assert found >= 1
    assert core.read_namespaced_pod_log("one", "default", previous=True) == "once\n"


def test_logs_are_followed_and_cut_to_size(api: KubernetesApi, core: client.CoreV1Api) -> None:
    api.create(pod("one", "for i in 1 2 3; do echo line $i; sleep 0.2; done; printf end"))
    _until(api, "Running")
    followed = core.read_namespaced_pod_log("one", "default", follow=True, _preload_content=False)
    assert followed.read() == b"line 1\nline 2\nline 3\nend"
    followed.release_conn()
    read = core.read_namespaced_pod_log
    assert read("one", "default", tail_lines=2) == "line 3\nend"
    assert read("one", "default", limit_bytes=6) == "line 1"
    stamped = read("one", "default", tail_lines=1, timestamps=True)
    assert stamped.split()[0].endswith("Z") and stamped.split()[1] == "end"
    with refused(422, "Invalid") as told:
        read("one", "default", tail_lines=-1)
    assert told["message"].endswith(
        "tailLines: Invalid value: -1: must be greater than or equal to 0"
    )
    with refused(400, "BadRequest") as told:
        read("one", "default", previous=True)
    assert told["message"] == 'previous terminated container "main" in pod "one" not found'

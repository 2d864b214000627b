"""The fake cluster's jobs: controlled, collected and counted as in Kubernetes 1.32."""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from tests.integration.components.kubernetes.kubernetes_api import KubernetesApi
from tests.support.kubernetes import IMAGE, job, refused, send

JOBS = "/apis/batch/v1/namespaces/default/jobs"
STANDS_IN = "sleeper:1"


@pytest.fixture
def api(kubernetes_api: KubernetesApi) -> KubernetesApi:
    kubernetes_api.add_image(IMAGE)
    kubernetes_api.add_image(STANDS_IN, stands_in=True)
    return kubernetes_api


@pytest.fixture
def batch(api: KubernetesApi) -> Iterator[client.BatchV1Api]:
    with api.client() as opened:
        yield client.BatchV1Api(opened)


def _until(api: KubernetesApi, type_: str, name: str = "sums") -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        seen = api.get("jobs", name)
        return seen if seen is not None and type_ in _conditions(seen) else None

    seen: dict[str, Any] = api.wait(found)
    return seen


def _conditions(found: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {
        one["type"]: (one["reason"], one["message"])
        for one in found["status"].get("conditions", [])
    }


def _said(api: KubernetesApi, reason: str, name: str = "sums") -> list[str]:
    return [one["message"] for one in api.events(name) if one["reason"] == reason]


def test_a_job_completes(api: KubernetesApi, batch: client.BatchV1Api) -> None:
    batch.create_namespaced_job("default", job("sums", "exit 0"))

    found = _until(api, "Complete")
    reached = ("CompletionsReached", "Reached expected number of succeeded pods")
    assert _conditions(found) == {"SuccessCriteriaMet": reached, "Complete": reached}
    status = found["status"]
    assert status["succeeded"] == 1 and "failed" not in status and "active" not in status
    assert status["completionTime"] and status["startTime"]
    (pod,) = api.pods_of("sums")
    assert pod["metadata"]["name"].startswith("sums-") and len(pod["metadata"]["name"]) == 10
    (owner,) = pod["metadata"]["ownerReferences"]
    assert owner == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": "sums",
        "uid": found["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    # The controller has counted it.
    api.wait(lambda: "finalizers" not in api.pods_of("sums")[0]["metadata"])
    assert _said(api, "SuccessfulCreate") == [f"Created pod: {pod['metadata']['name']}"]
    assert _said(api, "Completed") == ["Job completed"]


def test_a_job_fails_at_its_limit(api: KubernetesApi) -> None:
    api.create(job("sums", "exit 7"))
    found = _until(api, "Failed")
    limit = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    assert _conditions(found) == {"FailureTarget": limit, "Failed": limit}
    assert found["status"]["failed"] == 1 and len(api.pods_of("sums")) == 1
    assert _said(api, "BackoffLimitExceeded") == [limit[1]]


def test_a_job_takes_too_long(api: KubernetesApi) -> None:
    api.create(job("sums", image=STANDS_IN, activeDeadlineSeconds=1))
    found = _until(api, "Failed")
    assert _conditions(found)["Failed"] == (
        "DeadlineExceeded",
        "Job was active longer than specified deadline",
    )
    # Its pod was deleted, and is gone with its log.
    api.wait(lambda: not api.pods_of("sums"))
    assert _said(api, "SuccessfulDelete")


def test_a_finished_job_is_deleted_in_time(api: KubernetesApi) -> None:
    api.create(job("sums", "exit 0", ttlSecondsAfterFinished=1))
    _until(api, "Complete")
    api.wait(lambda: api.get("jobs", "sums") is None)
    assert api.pods_of("sums") == []


def test_a_job_whose_pod_is_deleted_has_failed_once_it_is_gone(api: KubernetesApi) -> None:
    api.create(job("sums", image=STANDS_IN))
    pod = api.wait_for_pod("sums", lambda one: one["status"]["phase"] == "Running")
    api.delete("pods", pod["metadata"]["name"])
    found = _until(api, "Failed")
    assert found["status"]["failed"] == 1 and not found["status"]["terminating"]


def test_pods_that_cannot_be_made_are_events_of_the_job(api: KubernetesApi) -> None:
    robot = job("sums", image=STANDS_IN)
    robot["spec"]["template"]["spec"]["serviceAccountName"] = "robot"
    api.create(robot)
    message = (
        'Error creating: pods "sums-" is forbidden: error looking up service account default/robot: '
        'serviceaccount "robot" not found'
    )
    api.wait(lambda: message in _said(api, "FailedCreate"))

    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}}
    api.create(quota | {"spec": {"hard": {"pods": "0", "count/jobs.batch": "2"}}})
    api.create(job("more", image=STANDS_IN))
    (said,) = api.wait(lambda: _said(api, "FailedCreate", "more"))[:1]
    assert said.startswith('Error creating: pods "more-')
    assert said.endswith(
        "is forbidden: exceeded quota: few, requested: pods=1, used: pods=0, limited: pods=0"
    )

    with refused(403, "Forbidden") as told:
        send(api.url, "POST", JOBS, job("third"))
    assert told["message"] == (
        'jobs.batch "third" is forbidden: exceeded quota: few, requested: count/jobs.batch=1, '
        "used: count/jobs.batch=2, limited: count/jobs.batch=2"
    )
    api.account("robot")
    api.delete("resourcequotas", "few")
    for name in ("sums", "more"):
        api.wait_for_pod(name, lambda one: one["status"]["phase"] == "Running")


def test_deleted_in_the_foreground_a_job_goes_after_its_pods(
    api: KubernetesApi, batch: client.BatchV1Api
) -> None:
    new = job("sums", "trap 'sleep 0.3; exit 0' TERM; while :; do sleep 0.02; done")
    batch.create_namespaced_job("default", new)
    api.wait_for_pod("sums", lambda one: one["status"]["phase"] == "Running")
    api.wait(lambda: (api.get("jobs", "sums") or {})["status"].get("ready"))

    batch.delete_namespaced_job("sums", "default", propagation_policy="Foreground")

    left = api.get("jobs", "sums")
    assert left is not None
    assert left["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert left["metadata"]["deletionTimestamp"]
    (pod,) = api.pods_of("sums")
    assert pod["metadata"]["deletionGracePeriodSeconds"] == 30
    api.wait(lambda: api.get("jobs", "sums") is None)
    assert api.pods_of("sums") == []


def test_deleted_in_the_background_a_job_is_gone_at_once(api: KubernetesApi) -> None:
    api.create(job("sums", image=STANDS_IN))
    api.wait_for_pod("sums", lambda one: one["status"]["phase"] == "Running")
    told, headers = send(api.url, "DELETE", f"{JOBS}/sums", {"propagationPolicy": "Background"})
    assert told["status"] == "Success" and told["details"]["kind"] == "jobs"
    assert "warning" not in headers and api.get("jobs", "sums") is None
    api.wait(lambda: not api.pods_of("sums"))


def test_by_default_a_job_leaves_its_pods_behind(api: KubernetesApi) -> None:
    api.create(job("sums", image=STANDS_IN))
    api.wait_for_pod("sums", lambda one: one["status"]["phase"] == "Running")
    _, headers = send(api.url, "DELETE", f"{JOBS}/sums")
    assert "child pods are preserved by default when jobs are deleted" in headers["warning"]
    api.wait(lambda: api.get("jobs", "sums") is None)
    (pod,) = api.pods_of("sums")
    api.wait(lambda: "ownerReferences" not in api.pods_of("sums")[0]["metadata"])
    assert pod["status"]["phase"] == "Running"


def test_deleting_what_is_another_by_now_is_a_conflict(api: KubernetesApi) -> None:
    api.create(job("sums", image=STANDS_IN))
    with refused(409, "Conflict") as told:
        send(api.url, "DELETE", f"{JOBS}/sums", {"preconditions": {"uid": "old"}})
    assert "Precondition failed: UID in precondition: old" in told["message"]
    with refused(422, "Invalid"):
        send(api.url, "DELETE", f"{JOBS}/sums?propagationPolicy=Slowly")


def test_many_are_deleted_by_their_label(api: KubernetesApi) -> None:
    for name in ("a", "b"):
        new = job(name, image=STANDS_IN)
        new["metadata"]["labels"] = {"set": name}
        api.create(new)
    send(api.url, "DELETE", f"{JOBS}?labelSelector=set=a&propagationPolicy=Background")
    assert [one["metadata"]["name"] for one in api.objects("jobs")] == ["b"]


def test_what_a_job_owns_goes_with_it(api: KubernetesApi) -> None:
    made = api.create(job("sums", image=STANDS_IN))
    owner = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": "sums",
        "uid": made["metadata"]["uid"],
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "ownerReferences": [owner]},
    }
    api.create(secret)
    api.delete("jobs", "sums", propagationPolicy="Background")
    api.wait(lambda: api.get("secrets", "s") is None)
    # An owner that never was is as one that is gone.
    stray = {**owner, "uid": "11111111-1111-1111-1111-111111111111"}
    api.create({**secret, "metadata": {"name": "t", "ownerReferences": [stray]}})
    api.wait(lambda: api.get("secrets", "t") is None)


def test_a_pod_that_is_preempted_or_lost_fails_its_job(api: KubernetesApi) -> None:
    for name in ("first", "second"):
        api.create(job(name, image=STANDS_IN))
        api.wait_for_pod(name, lambda one: one["status"]["phase"] == "Running")
    api.preempt(api.pods_of("first")[0]["metadata"]["name"])
    _until(api, "Failed", "first")
    api.lose_node()
    try:
        # The pod stays, as nobody can tell whether it has ended; so the job is not over.
        found = _until(api, "FailureTarget", "second")
        assert "Failed" not in _conditions(found) and found["status"]["terminating"] == 1
    finally:
        api.recover_node()
    _until(api, "Failed", "second")


def test_disruptions_may_be_ignored(api: KubernetesApi) -> None:
    rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    api.create(job("sums", image=STANDS_IN, podFailurePolicy={"rules": [rule]}))
    first = api.wait_for_pod("sums", lambda one: one["status"]["phase"] == "Running")
    api.evict(first["metadata"]["name"])
    api.wait_for_pod("sums", lambda one: one["status"]["phase"] == "Running")
    found = api.get("jobs", "sums")
    assert found is not None and "failed" not in found["status"]

    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}
    api.create(job("fatal", "exit 42", backoffLimit=5, podFailurePolicy={"rules": [rule]}))
    reason, message = _conditions(_until(api, "Failed", "fatal"))["Failed"]
    assert reason == "PodFailurePolicy"
    assert message.endswith("failed with exit code 42 matching FailJob rule at index 0")


def test_a_suspended_job_waits(api: KubernetesApi) -> None:
    api.create(job("sums", "exit 0", suspend=True))
    patch = {"spec": {"suspend": False}}
    assert api.pods_of("sums") == []
    send(api.url, "PATCH", f"{JOBS}/sums", patch, kind="application/merge-patch+json")
    _until(api, "Complete")

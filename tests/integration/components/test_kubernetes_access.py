"""Who may do what in the fake cluster, and what can go wrong on the way to it."""

import http.client
import time
import urllib.error
from collections.abc import Iterator

import pytest
from kubernetes import client, config

from tests.integration.components.kubernetes.kubernetes_api import KubernetesApi
from tests.support.kubernetes import job, refused, send

JOBS = "/apis/batch/v1/namespaces/default/jobs"
RULES = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: agent}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: agent}
rules:
  - {apiGroups: [batch], resources: [jobs], verbs: [create, list]}
  - {apiGroups: [""], resources: [pods/log], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: agent}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: agent}
subjects: [{kind: ServiceAccount, name: agent, namespace: default}]
"""


@pytest.fixture
def api(kubernetes_api: KubernetesApi) -> KubernetesApi:
    kubernetes_api.apply(RULES)
    return kubernetes_api


@pytest.fixture
def agent(api: KubernetesApi) -> Iterator[client.ApiClient]:
    configuration = client.Configuration()
    config.load_kube_config(str(api.kubeconfig_of("agent")), client_configuration=configuration)
    with client.ApiClient(configuration) as opened:
        yield opened


def test_an_account_may_do_what_its_roles_say(api: KubernetesApi, agent: client.ApiClient) -> None:
    batch, core = client.BatchV1Api(agent), client.CoreV1Api(agent)
    batch.create_namespaced_job("default", job())
    assert len(batch.list_namespaced_job("default").items) == 1

    account = 'User "system:serviceaccount:default:agent" cannot'
    with refused(403, "Forbidden") as told:
        batch.delete_namespaced_job("sums", "default")
    assert told["message"] == (
        f'jobs.batch "sums" is forbidden: {account} delete resource "jobs" in API group "batch" '
        'in the namespace "default"'
    )
    assert told["details"] == {"name": "sums", "group": "batch", "kind": "jobs"}
    with refused(403, "Forbidden") as told:
        batch.list_job_for_all_namespaces()
    assert told["message"] == (
        f'jobs.batch is forbidden: {account} list resource "jobs" in API group "batch" '
        "at the cluster scope"
    )
    with refused(403, "Forbidden"):
        core.list_namespaced_pod("default")
    with refused(404, "NotFound"):
        core.read_namespaced_pod_log("none", "default")


def test_an_account_may_ask_what_it_may(api: KubernetesApi, agent: client.ApiClient) -> None:
    asked = client.AuthorizationV1Api(agent)

    def may(verb: str, resource: str, group: str = "") -> bool:
        attributes = client.V1ResourceAttributes(
            namespace="default", verb=verb, resource=resource, group=group
        )
        spec = client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
        review = client.V1SelfSubjectAccessReview(spec=spec)
        allowed: bool = asked.create_self_subject_access_review(review).status.allowed
        return allowed

    assert may("create", "jobs", "batch") and not may("create", "jobs") and not may("get", "pods")


def test_nobody_comes_in_with_a_wrong_token(api: KubernetesApi) -> None:
    with refused(401, "Unauthorized") as told:
        send(api.url, "GET", JOBS, token="wrong")
    assert told["message"] == "Unauthorized"
    with refused(403, "Forbidden") as told:
        send(api.url, "GET", JOBS, token=None)
    assert 'User "system:anonymous" cannot list resource "jobs"' in told["message"]
    assert send(api.url, "GET", "/version", token=None)[0]["minor"] == "32"


def test_a_program_in_a_pod_finds_its_cluster(
    api: KubernetesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = api.account("agent")
    assert (folder / "namespace").read_text() == "default"
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", api.https_url.rpartition(":")[2])
    configuration = client.Configuration()
    loader = config.incluster_config.InClusterConfigLoader(
        token_filename=str(folder / "token"), cert_filename=str(folder / "ca.crt")
    )
    loader.load_and_set(configuration)
    with client.ApiClient(configuration) as opened:
        assert client.BatchV1Api(opened).list_namespaced_job("default").items == []


def test_addresses_that_are_of_nothing(api: KubernetesApi) -> None:
    with refused(404, "NotFound") as told:
        send(api.url, "GET", "/apis/batch/v1/namespaces/default/jobbs")
    assert told["message"] == "the server could not find the requested resource"
    with pytest.raises(urllib.error.HTTPError) as raised:
        send(api.url, "GET", "/apis/none.example/v1/jobs")
    with raised.value as error:
        assert (error.status, error.read()) == (404, b"404 page not found\n")


def test_requests_are_throttled_and_fail(api: KubernetesApi) -> None:
    api.refuse("list", "jobs", 429, times=1, retry_after=7)
    with pytest.raises(urllib.error.HTTPError) as raised:
        send(api.url, "GET", JOBS)
    with raised.value as error:
        assert (error.status, error.headers["Retry-After"]) == (429, "7")
        # Turned away before it was looked at: no object is told.
        assert error.read() == b"Too many requests, please try again later.\n"
    api.refuse("*", "*", 500, times=1)
    with refused(500, "InternalError"):
        send(api.url, "GET", JOBS)
    api.refuse("create", "jobs", 403, message="no more", times=1)
    with refused(403, "Forbidden") as told:
        send(api.url, "POST", JOBS, job())
    assert told["message"] == "no more"
    begun = time.monotonic()
    api.slow("list", "jobs", 0.3, times=1)
    send(api.url, "GET", JOBS)
    assert time.monotonic() - begun >= 0.3


def test_connections_are_cut_before_and_after_a_request_is_carried_out(
    api: KubernetesApi,
) -> None:
    api.cut("create", "jobs", times=1)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        send(api.url, "POST", JOBS, job())
    assert api.objects("jobs") == []
    api.cut("create", "jobs", times=1, after=True)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        send(api.url, "POST", JOBS, job())
    assert len(api.objects("jobs")) == 1

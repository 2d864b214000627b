"""`kubectl` works with the fake cluster."""

import json
import os
import subprocess

import pytest

from tests.integration.components.kubernetes.kubernetes_api import KubernetesApi
from tests.support.kubernetes import IMAGE, job


class Kubectl:
    """The program, as an administrator runs it."""

    def __init__(self, api: KubernetesApi, home: str) -> None:
        self._env = os.environ | {"KUBECONFIG": str(api.kubeconfig), "HOME": home}

    def __call__(self, *arguments: str, text: str = "", code: int = 0) -> str:
        done = subprocess.run(
            ["kubectl", *arguments],
            input=text,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def kubectl(kubernetes_api: KubernetesApi, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    kubernetes_api.add_image(IMAGE)
    return Kubectl(kubernetes_api, str(tmp_path_factory.mktemp("kubectl")))


def test_a_job_from_its_making_to_its_end(kubectl: Kubectl) -> None:
    made = kubectl(
        "create", "--validate=strict", "-f", "-", text=json.dumps(job("sums", "echo 42"))
    )
    assert made == "job.batch/sums created\n"
    kubectl("wait", "--for=condition=complete", "--timeout=60s", "job/sums")
    assert kubectl("logs", "job/sums") == "42\n"
    assert "sums" in kubectl("get", "jobs")
    assert "Successfully assigned default/sums-" in kubectl("describe", "pods")
    assert "BackoffLimitExceeded" not in kubectl("events")
    again = kubectl("create", "-f", "-", text=json.dumps(job("sums")), code=1)
    assert '"sums" already exists' in again
    gone = kubectl("delete", "job", "sums", "--cascade=foreground", "--wait")
    assert 'job.batch "sums" deleted' in gone
    assert "No resources found in default namespace." in kubectl("get", "jobs,pods")


def test_wrong_jobs_are_refused(kubectl: Kubectl) -> None:
    wrong = job("Sums")
    said = kubectl("create", "--validate=false", "-f", "-", text=json.dumps(wrong), code=1)
    assert 'The Job "Sums" is invalid: metadata.name: Invalid value: "Sums": a lowercase' in said
    wrong = job("sums", retries=3)
    said = kubectl("create", "--validate=strict", "-f", "-", text=json.dumps(wrong), code=1)
    assert 'strict decoding error: unknown field "spec.retries"' in said


def test_manifests_are_applied_once(kubectl: Kubectl) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "agent"},
        "rules": [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]}],
    }
    for outcome in ("created", "unchanged"):
        said = kubectl("apply", "-f", "-", text=json.dumps(role))
        assert said == f"role.rbac.authorization.k8s.io/agent {outcome}\n"


def test_what_the_server_tells_of_itself(kubectl: Kubectl) -> None:
    assert "Server Version: v1.32.0" in kubectl("version")
    assert "batch/v1" in kubectl("api-resources")

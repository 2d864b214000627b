"""Finding a cluster, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from headrace.agents.kubernetes.api import ApiRefusal, KubernetesApi
from headrace.core.errors import ConfigError


@pytest.fixture(autouse=True)
def _outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))


def kubeconfig(folder: Path) -> Path:
    file = folder / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}
    contexts = [
        {"name": "one", "context": {"cluster": "c", "user": "u"}},
        {"name": "two", "context": {"cluster": "c", "user": "u", "namespace": "flows"}},
    ]
    users = [{"name": "u", "user": {"token": "secret-token"}}]
    file.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [cluster],
                "contexts": contexts,
                "users": users,
                "current-context": "one",
            }
        )
    )
    return file


def test_the_context_says_the_namespace(tmp_path: Path) -> None:
    kubeconfig(tmp_path)
    found = {}
    for context, namespace in ((None, None), ("two", None), ("two", "own")):
        api = KubernetesApi(context=context, namespace=namespace)
        found[context, namespace] = api.namespace
        api.close()
    assert found == {(None, None): "default", ("two", None): "flows", ("two", "own"): "own"}


def test_no_cluster_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no kubeconfig .*kubeconfig"):
        KubernetesApi()


def test_a_context_that_is_not_there(tmp_path: Path) -> None:
    kubeconfig(tmp_path)
    with pytest.raises(ConfigError, match="no context 'three' .*: one, two"):
        KubernetesApi(context="three")


def test_a_kubeconfig_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("apiVersion: v1\nkind: Config\n")
    with pytest.raises(ConfigError, match="cannot be used"):
        KubernetesApi()
    (tmp_path / "kubeconfig").write_text("a: [1")
    with pytest.raises(ConfigError, match="cannot be used"):
        KubernetesApi()


def test_a_service_account_without_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "token").write_text("t")
    with pytest.raises(ConfigError, match="service account in .* cannot be used"):
        KubernetesApi(service_account=str(tmp_path))


def test_what_is_refused_for_good() -> None:
    forbidden = 'jobs.batch is forbidden: User "{}" cannot create resource "jobs"'
    account = ApiRefusal(forbidden.format("system:serviceaccount:a:b"), 403, "Forbidden")
    assert (account.is_final, account.is_unknown) == (True, False)
    # A plug-in had no token to give.
    nobody = ApiRefusal(forbidden.format("system:anonymous"), 403, "Forbidden")
    assert (nobody.is_final, nobody.is_unknown) == (False, True)
    assert ApiRefusal("Unauthorized", 401, "Unauthorized").is_unknown
    assert not ApiRefusal("pods is forbidden: exceeded quota: small", 403, "Forbidden").is_final

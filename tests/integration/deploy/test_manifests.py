"""The manifests that are handed out: of Kubernetes, by its published schemas; of compose, by its names."""

from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.integration.deploy.compose import services

DEPLOY = Path(__file__).parents[3] / "deploy"
FILES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))


def objects(file):
    return list(yaml.safe_load_all(file.read_text()))


def pods(file):
    for each in objects(file):
        if each["kind"] == "Pod":
            yield each["spec"]
        elif each["kind"] == "Deployment":
            yield each["spec"]["template"]["spec"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_kubernetes_takes_it(file):
    for each in objects(file):
        kubernetes_validate.validate(each, "1.32", strict=True)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_pods_are_as_restricted_as_kubernetes_asks_for(file):
    for pod in pods(file):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] == 65532
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        volumes = {each["name"] for each in pod["volumes"]}
        for container in pod.get("initContainers", []) + pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"]
            assert not context["allowPrivilegeEscalation"]
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            assert {each["name"] for each in container["volumeMounts"]} == volumes


@pytest.mark.parametrize("name", ["server.yaml", "server-postgres.yaml"])
def test_a_service_finds_its_server_and_probes_ask_it(name):
    by_kind = {each["kind"]: each for each in objects(DEPLOY / "kubernetes" / name)}
    deployment = by_kind["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert by_kind["Service"]["spec"]["selector"] == labels
    assert deployment["selector"]["matchLabels"] == labels
    (server,) = deployment["template"]["spec"]["containers"]
    assert server["livenessProbe"]["httpGet"] == {"path": "/health", "port": "http"}
    assert server["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "http"}
    assert [port["name"] for port in server["ports"]] == ["http"]


def test_compose_names_what_there_is():
    whole = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    found = services(DEPLOY / "compose.yaml", {})
    for name, service in found.items():
        assert set(service.get("depends_on", {})) <= set(found), name
        named = {each.split(":")[0] for each in service.get("volumes", [])}
        assert {each for each in named if not each.startswith("/")} <= set(whole["volumes"]), name
        if name != "database":
            assert service["read_only"]
            assert service["cap_drop"] == ["ALL"]
            assert service["image"] == "headrace:latest"
    # Nobody else reaches it unless somebody wants that.
    assert found["server"]["ports"] == ["127.0.0.1:4200:4200"]
    assert "$(cat /keys/agent)" in found["agent"]["command"][2]

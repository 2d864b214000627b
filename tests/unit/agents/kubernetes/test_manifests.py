from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from click.testing import CliRunner

from headrace.agents.kubernetes.launcher import ALIVE
from headrace.agents.kubernetes.manifests import object_name
from headrace.cli.commands.agent_kubernetes_install import command


def printed(*options: str) -> dict[str, dict[str, Any]]:
    done = CliRunner().invoke(command, ["--api-url", "https://headrace.example.com", *options])
    assert done.exit_code == 0, done.output
    found = list(yaml.safe_load_all(done.output))
    for each in found:
        kubernetes_validate.validate(each, "1.32", strict=True)
    return {each["kind"]: each for each in found}


def variables(deployment: dict[str, Any]) -> dict[str, Any]:
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


def test_all_objects_are_what_kubernetes_takes() -> None:
    found = printed(
        *("--namespace", "flows", "--name", "GPU agent", "--label", "gpu", "--label", "a$b"),
        *("--api-key-secret", "headrace", "--image-pull-secrets", "one,two", "--limit", "7"),
        *("--image", "registry/flows:1", "--env", "STAGE=test", "--cpu", "0.5"),
        *("--service-account-name", "runner", "--image-pull-policy", "Always"),
    )
    assert list(found) == ["ServiceAccount", "Role", "RoleBinding", "Deployment"]
    assert {each["metadata"]["namespace"] for each in found.values()} == {"flows"}
    (name,) = {each["metadata"]["name"] for each in found.values()}
    assert re.fullmatch("headrace-agent-gpu-agent-[0-9a-f]{6}", name)
    spec = found["Deployment"]["spec"]
    assert spec["strategy"] == {"type": "Recreate"}
    pod = spec["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
    (container,) = pod["containers"]
    assert container["resources"]["requests"] == {"cpu": "0.5", "memory": "128Mi"}
    assert container["args"][:4] == ["headrace", "agent", "kubernetes", "start"]
    options = container["args"][4:]
    for pair in (
        ["--namespace", "flows"],
        ["--label", "a$$b"],
        ["--limit", "7"],
        ["--image", "registry/flows:1"],
        ["--env", "STAGE=test"],
        ["--image-pull-secrets", "one,two"],
        ["--service-account-name", "runner"],
    ):
        at = [place for place, word in enumerate(options) if word == pair[0]]
        assert pair in [options[place : place + 2] for place in at]


def test_the_key_is_a_reference_and_the_id_stays() -> None:
    found = variables(printed("--api-key-secret", "headrace", "--api-key-key", "k")["Deployment"])
    assert found["HEADRACE_API_KEY"] == {"secretKeyRef": {"name": "headrace", "key": "k"}}
    again = variables(printed("--image", "other:2")["Deployment"])
    assert again["HEADRACE_AGENT_ID"] == found["HEADRACE_AGENT_ID"]
    assert "HEADRACE_API_KEY" not in again
    other = variables(printed("--name", "other")["Deployment"])
    assert other["HEADRACE_AGENT_ID"] != found["HEADRACE_AGENT_ID"]
    own = variables(printed("--agent-id", "mine")["Deployment"])
    assert own["HEADRACE_AGENT_ID"] == "mine"


def test_an_option_that_means_nothing_in_a_pod_is_refused() -> None:
    done = CliRunner().invoke(command, ["--hostname-label"])
    assert done.exit_code == 2
    assert "No such option" in done.output


def test_just_the_rights_that_are_needed() -> None:
    rules = printed()["Role"]["rules"]
    granted = {
        (resource, verb)
        for rule in rules
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    jobs = {("jobs", verb) for verb in ("create", "delete", "get", "list", "patch", "watch")}
    pods = {("pods", "list"), ("pods", "watch"), ("pods/log", "get")}
    assert granted == jobs | pods | {("events", "list"), ("events", "watch")}
    assert list(printed("--no-rbac")) == ["ServiceAccount", "Deployment"]


def test_an_agent_that_does_not_look_at_its_jobs_is_started_again(tmp_path: Path) -> None:
    (container,) = printed()["Deployment"]["spec"]["template"]["spec"]["containers"]
    _, *options = container["livenessProbe"]["exec"]["command"]
    options[-1] = options[-1].replace("/var/lib/headrace", str(tmp_path))

    def is_alive() -> bool:
        return subprocess.run([sys.executable, *options], check=False).returncode == 0

    assert not is_alive()
    file = tmp_path / "agents" / "kubernetes" / ALIVE
    file.parent.mkdir(parents=True)
    file.touch()
    assert is_alive()
    os.utime(file, (0, 0))
    assert not is_alive()


def test_amounts_that_are_none() -> None:
    done = CliRunner().invoke(command, ["--memory", "much"])
    assert done.exit_code == 2
    assert "no quantity" in done.output


def test_names_of_objects() -> None:
    assert object_name("kubernetes") == "headrace-agent-kubernetes"
    for name in ("Ärger & Co", "日本", "x" * 100, "x_y", "-", "A" * 43, ""):
        assert re.fullmatch("headrace-agent-([a-z0-9-]+-)?[0-9a-f]{6}", object_name(name))
        assert len(object_name(name)) <= 58
    names = ["a-b", "a_b", "A-b", "日本", "中国", "x" * 60, "x" * 61]
    assert len({object_name(name) for name in names}) == len(names)

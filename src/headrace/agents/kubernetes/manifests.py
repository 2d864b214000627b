"""What it takes to have an agent run in a cluster, as manifests: pure data."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.agents.kubernetes.launcher import ALIVE

#: What the agent does in its namespace, and nothing else.
_RULES: list[dict[str, list[str]]] = [
    {
        "apiGroups": ["batch"],
        "resources": ["jobs"],
        "verbs": ["create", "delete", "get", "list", "patch", "watch"],
    },
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list", "watch"]},
]
_HOME = "/var/lib/headrace"
#: Whether the agent has looked at its jobs within the last two minutes: see `KubernetesLauncher`.
_ALIVE = (
    "import glob, os, sys, time; "
    f"ages = [time.time() - os.path.getmtime(f) for f in glob.glob('{_HOME}/agents/*/{ALIVE}')]; "
    "sys.exit(not ages or min(ages) > 120)"
)
_NOBODY = 65532
#: Of an agent's name in what its objects are called: what they are labelled with has 63 at most.
_LONGEST = 43


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """An agent in a cluster.

    Attributes:
        agent_id: The agent's id, which it keeps whichever node it is on.
        name: Its name, for people; what its objects are called follows from it.
        namespace: The namespace of the agent and of its jobs.
        image: The agent's image.
        api_url: The server's address, as pods see it.
        labels: The agent's labels.
        env: Variables for all its runs.
        limit: How many runs it has at once; None for as many as come.
        run_image: The image of runs that name none.
        service_account_name: The service account of flow runs' pods; None for the namespace's own.
        image_pull_secrets: Secrets by which images are pulled, its own and its runs'.
        image_pull_policy: When the images of runs are pulled.
        api_key_secret: The secret that holds the agent's API key; None if the server asks for none.
        api_key_key: Under which key the secret holds it.
        cpu: The processor time that the agent is promised.
        memory_request: The memory that it is promised.
        memory_limit: The most that it may take.
        rbac: Whether the agent's rights are granted here.
    """

    agent_id: str
    name: str = "kubernetes"
    namespace: str = "default"
    image: str
    api_url: str
    labels: list[str] = field(default_factory=list)
    env: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    run_image: str | None = None
    service_account_name: str | None = None
    image_pull_secrets: list[str] = field(default_factory=list)
    image_pull_policy: str | None = None
    api_key_secret: str | None = None
    api_key_key: str = "api-key"
    cpu: str = "100m"
    memory_request: str = "128Mi"
    memory_limit: str = "256Mi"
    rbac: bool = True


def manifests(given: Installation) -> list[dict[str, Any]]:
    """Return the objects of an agent: its service account, its rights, and its deployment."""
    called = object_name(given.name)
    metadata = {
        "name": called,
        "namespace": given.namespace,
        "labels": {
            "app.kubernetes.io/name": "headrace-agent",
            "app.kubernetes.io/instance": called,
        },
    }
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata,
    }
    if not given.rbac:
        return [account, _deployment(given, metadata)]
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata,
        "rules": _RULES,
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": called},
        "subjects": [{"kind": "ServiceAccount", "name": called, "namespace": given.namespace}],
    }
    return [account, role, binding, _deployment(given, metadata)]


def object_name(name: str) -> str:
    """Return what the objects of an agent of this name are called."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if plain == name and 0 < len(plain) <= _LONGEST:
        return f"headrace-agent-{plain}"
    # Other names that are written likewise are those of other agents.
    mark = hashlib.sha256(name.encode()).hexdigest()[:6]
    return "-".join(filter(None, ["headrace-agent", plain[: _LONGEST - 7].rstrip("-"), mark]))


def _deployment(given: Installation, metadata: dict[str, Any]) -> dict[str, Any]:
    env: list[dict[str, Any]] = [
        {"name": "HEADRACE_API_URL", "value": given.api_url},
        {"name": "HEADRACE_AGENT_ID", "value": given.agent_id},
        {"name": "HEADRACE_HOME", "value": _HOME},
    ]
    if given.api_key_secret is not None:
        secret = {"name": given.api_key_secret, "key": given.api_key_key}
        env.append({"name": "HEADRACE_API_KEY", "valueFrom": {"secretKeyRef": secret}})
    container = {
        "name": "agent",
        "image": given.image,
        "args": ["headrace", "agent", "kubernetes", "start", *_options(given)],
        "env": env,
        "resources": {
            "requests": {"cpu": given.cpu, "memory": given.memory_request},
            "limits": {"memory": given.memory_limit},
        },
        "livenessProbe": {
            "exec": {"command": ["python3", "-c", _ALIVE]},
            "initialDelaySeconds": 60,
            "periodSeconds": 60,
            "timeoutSeconds": 10,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "home", "mountPath": _HOME},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod's own
        ],
    }
    pod: dict[str, Any] = {
        "serviceAccountName": metadata["name"],
        "containers": [container],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _NOBODY,
            "runAsGroup": _NOBODY,
            "fsGroup": _NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [{"name": "home", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
    }
    if given.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": each} for each in given.image_pull_secrets]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": 1,
            # Two with one id would hear of each other's jobs: the old one ends first.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": metadata["labels"]},
            "template": {"metadata": {"labels": metadata["labels"]}, "spec": pod},
        },
    }


def _options(given: Installation) -> list[str]:
    options = ["--namespace", given.namespace, "--name", given.name, "--no-hostname-label"]
    for option, values in (
        ("--label", given.labels),
        ("--env", [f"{name}={value}" for name, value in given.env.items()]),
        ("--image-pull-secrets", [",".join(given.image_pull_secrets)]),
        ("--service-account-name", [given.service_account_name]),
        ("--image-pull-policy", [given.image_pull_policy]),
        ("--image", [given.run_image]),
        ("--limit", [given.limit and str(given.limit)]),
    ):
        for value in values:
            if value:
                # The cluster reads $(NAME) as another variable's value, in arguments too.
                options += [option, value.replace("$", "$$")]
    return options

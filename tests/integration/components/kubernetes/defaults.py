"""What the API server fills in where an object says nothing."""

import base64
import copy
from typing import Any

from tests.integration.components.kubernetes.answers import Object
from tests.integration.components.kubernetes.resources import DEPLOYMENTS, JOBS, PODS, Resource


def fill(resource: Resource, found: Object) -> Object:
    """Return an object with its defaults."""
    filled = copy.deepcopy(found)
    spec = filled.get("spec", {})
    if resource in (PODS, JOBS, DEPLOYMENTS):
        # To Go, what is not said is empty, and has defaults inside.
        spec = filled.setdefault("spec", {})
    if resource in (JOBS, DEPLOYMENTS):
        spec.setdefault("template", {}).setdefault("spec", {})
    if resource is PODS:
        _fill_pod_spec(spec)
        _fill_pod(spec)
    elif resource is JOBS:
        _fill_job(filled, spec)
    elif resource is DEPLOYMENTS:
        for key, value in (
            ("replicas", 1), ("revisionHistoryLimit", 10), ("progressDeadlineSeconds", 600),
            ("strategy", {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}),
        ):  # fmt: skip
            spec.setdefault(key, value)
        _fill_pod_spec(spec.get("template", {}).get("spec", {}))
    elif resource.kind == "Secret":
        filled.setdefault("type", "Opaque")
        for key, value in filled.pop("stringData", {}).items():
            filled.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()
    elif resource.kind == "Namespace":
        filled["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = filled[
            "metadata"
        ].get("name", "")
        filled["spec"] = {"finalizers": ["kubernetes"]} | spec
        filled.setdefault("status", {"phase": "Active"})
    return filled


def _fill_job(job: Object, spec: dict[str, Any]) -> None:
    if "completions" not in spec and "parallelism" not in spec:
        spec |= {"completions": 1, "parallelism": 1}
    spec.setdefault("parallelism", 1)
    per_index = "backoffLimitPerIndex" in spec
    spec.setdefault("backoffLimit", 2**31 - 1 if per_index else 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    only_failed = "podFailurePolicy" in spec
    spec.setdefault("podReplacementPolicy", "Failed" if only_failed else "TerminatingOrFailed")
    for rule in spec.get("podFailurePolicy", {}).get("rules", []):
        for pattern in rule.get("onPodConditions", []):
            pattern.setdefault("status", "True")
    template = spec.get("template", {})
    labels = template.get("metadata", {}).get("labels")
    if labels and not job["metadata"].get("labels"):
        job["metadata"]["labels"] = dict(labels)
    _fill_pod_spec(template.get("spec", {}))


def _fill_pod_spec(spec: dict[str, Any]) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    # The deprecated name and the new one are kept equal.
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec |= {"serviceAccountName": account, "serviceAccount": account}
    for container in [*spec.get("initContainers", []), *spec.get("containers", [])]:
        _fill_container(container)
    for volume in spec.get("volumes", []):
        _fill_volume(volume)


def _fill_container(container: dict[str, Any]) -> None:
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    image = container.get("image", "")
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    latest = not digest and tag in ("", "latest")
    container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    for variable in container.get("env", []):
        reference = variable.get("valueFrom", {}).get("fieldRef")
        if reference is not None:
            reference.setdefault("apiVersion", "v1")
    for port in container.get("ports", []):
        port.setdefault("protocol", "TCP")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe in container:
            for key, value in (
                ("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3),
            ):  # fmt: skip
                container[probe].setdefault(key, value)
            if "httpGet" in container[probe]:
                container[probe]["httpGet"].setdefault("scheme", "HTTP")
                container[probe]["httpGet"].setdefault("path", "/")


def _fill_volume(volume: dict[str, Any]) -> None:
    for source in ("secret", "configMap", "projected", "downwardAPI"):
        if source in volume:
            volume[source].setdefault("defaultMode", 420)
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}


def _fill_pod(spec: dict[str, Any]) -> None:
    spec.setdefault("enableServiceLinks", True)
    for container in [*spec.get("initContainers", []), *spec.get("containers", [])]:
        limits = container["resources"].get("limits", {})
        for name, value in limits.items():
            container["resources"].setdefault("requests", {}).setdefault(name, value)


def quality_of(spec: dict[str, Any]) -> str:
    """Return a pod's quality of service."""
    resources = [
        one.get("resources", {}) for one in spec["containers"] + spec.get("initContainers", [])
    ]
    if all(not one.get("limits") and not one.get("requests") for one in resources):
        return "BestEffort"
    for one in resources:
        for name in ("cpu", "memory"):
            limit = one.get("limits", {}).get(name)
            if limit is None or one.get("requests", {}).get(name) != limit:
                return "Burstable"
    return "Guaranteed"

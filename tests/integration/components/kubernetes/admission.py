"""What the admission plugins add to new objects, and refuse."""

import copy
import random
from decimal import Decimal
from typing import Any

from tests.integration.components.kubernetes.answers import Object, forbidden, not_found
from tests.integration.components.kubernetes.names import quantity
from tests.integration.components.kubernetes.resources import (
    NAMESPACES,
    PODS,
    PRIORITY_CLASSES,
    QUOTAS,
    SERVICE_ACCOUNTS,
    Resource,
)
from tests.integration.components.kubernetes.store import Store

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_NO_EXECUTE = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


def suffix(length: int = 5) -> str:
    """Return letters that make a name of its own, as Kubernetes does."""
    return "".join(random.choices(_LETTERS, k=length))


def admit(store: Store, resource: Resource, new: Object) -> Object:
    """Return a new object as the admission plugins leave it, or refuse it with 403 or 404."""
    namespace = new["metadata"].get("namespace", "")
    if namespace:
        _require_namespace(store, resource, new, namespace)
    if resource is PODS:
        new = _with_priority(store, _with_account(store, new))
    return new


def require_quota(store: Store, resource: Resource, new: Object) -> None:
    """Refuse an object that is more than a quota of its namespace grants; asked last of all."""
    namespace, name = new["metadata"].get("namespace", ""), new["metadata"]["name"]
    for quota in store.objects(QUOTAS, namespace) if namespace else ():
        hard = quota["spec"].get("hard", {})
        wanted = usage(resource, new)
        if resource is PODS:
            missing = sorted(
                key for key in hard if key in _COMPUTE and not _all_say(new["spec"], key)
            )
            if missing:
                containers = ",".join(one["name"] for one in new["spec"]["containers"])
                said = "; ".join(f"{key} for: {containers}" for key in missing)
                raise forbidden(
                    resource,
                    name,
                    f"failed quota: {quota['metadata']['name']}: must specify {said}",
                )
        used = used_of(store, namespace, hard)
        over = [
            key
            for key, amount in sorted(wanted.items())
            if key in hard and amount and used[key] + amount > (quantity(hard[key]) or 0)
        ]
        if over:
            said = ", ".join(
                f"{what}: " + ",".join(f"{key}={_written(values[key])}" for key in over)
                for what, values in (
                    ("requested", wanted),
                    ("used", used),
                    ("limited", {key: quantity(hard[key]) or Decimal(0) for key in over}),
                )
            )
            raise forbidden(resource, name, f"exceeded quota: {quota['metadata']['name']}, {said}")


def used_of(store: Store, namespace: str, hard: dict[str, str]) -> dict[str, Decimal]:
    """Return what a namespace uses of what a quota counts."""
    used = dict.fromkeys(hard, Decimal(0))
    for resource, one in store.all():
        if one["metadata"].get("namespace") == namespace:
            if resource is PODS and one["status"].get("phase") in ("Succeeded", "Failed"):
                continue
            for key, amount in usage(resource, one).items():
                if key in used:
                    used[key] += amount
    return used


_COMPUTE = {
    "cpu": ("requests", "cpu"),
    "memory": ("requests", "memory"),
    "requests.cpu": ("requests", "cpu"),
    "requests.memory": ("requests", "memory"),
    "limits.cpu": ("limits", "cpu"),
    "limits.memory": ("limits", "memory"),
}


def usage(resource: Resource, one: Object) -> dict[str, Decimal]:
    """Return what an object counts for in quotas."""
    counted = {f"count/{resource.qualified}": Decimal(1)}
    if resource is PODS:
        counted["pods"] = Decimal(1)
        for key, (group, name) in _COMPUTE.items():
            counted[key] = total(one["spec"], group, name)
    elif resource.plural in ("secrets", "configmaps", "services"):
        counted[resource.plural] = Decimal(1)
    return counted


def total(spec: dict[str, Any], group: str, name: str) -> Decimal:
    """Return how much of something a pod asks for, or is limited to."""

    def of(container: dict[str, Any]) -> Decimal:
        return quantity(container["resources"].get(group, {}).get(name, "0")) or Decimal(0)

    inits = [of(one) for one in spec.get("initContainers", [])]
    return max([sum((of(one) for one in spec["containers"]), Decimal(0)), *inits])


def _all_say(spec: dict[str, Any], key: str) -> bool:
    group, name = _COMPUTE[key]
    return all(name in one["resources"].get(group, {}) for one in spec["containers"])


def _written(amount: Decimal) -> str:
    if amount == amount.to_integral():
        for unit, size in (("Gi", 1024**3), ("Mi", 1024**2), ("Ki", 1024)):
            if amount and amount % size == 0:
                return f"{int(amount) // size}{unit}"
        return str(int(amount))
    return f"{int(amount * 1000)}m"


def _require_namespace(store: Store, resource: Resource, new: Object, namespace: str) -> None:
    found = store.find(NAMESPACES, "", namespace)
    if found is None:
        raise not_found(NAMESPACES, namespace)
    if "deletionTimestamp" in found["metadata"]:
        raise forbidden(
            resource,
            new["metadata"]["name"],
            f"unable to create new content in namespace {namespace} because it is being terminated",
        )


def _with_account(store: Store, pod: Object) -> Object:
    spec = copy.deepcopy(pod["spec"])
    account = spec.get("serviceAccountName") or "default"
    namespace = pod["metadata"]["namespace"]
    found = store.find(SERVICE_ACCOUNTS, namespace, account)
    if found is None:
        raise forbidden(
            PODS,
            pod["metadata"]["name"],
            f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found',
        )
    spec |= {"serviceAccountName": account, "serviceAccount": account}
    if not spec.get("imagePullSecrets") and found.get("imagePullSecrets"):
        spec["imagePullSecrets"] = found["imagePullSecrets"]
    if spec.get("automountServiceAccountToken", found.get("automountServiceAccountToken", True)):
        volume = f"kube-api-access-{suffix()}"
        spec.setdefault("volumes", []).append({"name": volume, "projected": _token_volume()})
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            mounts = container.setdefault("volumeMounts", [])
            if all(one["mountPath"] != _TOKEN_PATH for one in mounts):
                mounts.append({"name": volume, "readOnly": True, "mountPath": _TOKEN_PATH})
    tolerations = spec.setdefault("tolerations", [])
    for key in _NO_EXECUTE:
        if not any(one.get("key") in (key, None) for one in tolerations):
            tolerations.append(
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            )
    return pod | {"spec": spec}


def _token_volume() -> Object:
    field = {
        "path": "namespace",
        "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
    }
    return {
        "defaultMode": 420,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {
                "configMap": {
                    "name": "kube-root-ca.crt",
                    "items": [{"key": "ca.crt", "path": "ca.crt"}],
                }
            },
            {"downwardAPI": {"items": [field]}},
        ],
    }


def _with_priority(store: Store, pod: Object) -> Object:
    name = pod["spec"].get("priorityClassName")
    priority, policy = 0, "PreemptLowerPriority"
    if name in ("system-cluster-critical", "system-node-critical"):
        priority = 2_000_000_000
    elif name:
        found = store.find(PRIORITY_CLASSES, "", name)
        if found is None:
            raise forbidden(
                PODS, pod["metadata"]["name"], f"no PriorityClass with name {name} was found"
            )
        priority, policy = found["value"], found.get("preemptionPolicy", policy)
    return pod | {"spec": pod["spec"] | {"priority": priority, "preemptionPolicy": policy}}

"""A container's environment variables and arguments, as the kubelet makes them."""

import base64
import re
from typing import Any

from tests.integration.components.kubernetes.answers import Object
from tests.integration.components.kubernetes.resources import CONFIG_MAPS, SECRETS
from tests.integration.components.kubernetes.store import Store

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")


class ConfigError(Exception):
    """What a container refers to is not there: it waits with `CreateContainerConfigError`."""


def variables(store: Store, pod: Object, container: Object, base: dict[str, str]) -> dict[str, str]:
    """Return all variables of a container, over those of its image."""
    namespace = pod["metadata"]["namespace"]
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        prefix = source.get("prefix", "")
        for kind, reference in source.items():
            if kind != "prefix":
                data = _data(store, namespace, kind, reference)
                found |= {f"{prefix}{key}": value for key, value in data.items()}
    for one in container.get("env", []):
        if "valueFrom" in one:
            value = _value(store, pod, one["valueFrom"])
            if value is not None:
                found[one["name"]] = value
        else:
            found[one["name"]] = expanded(one.get("value", ""), base | found)
    return base | found


def expanded(text: str, known: dict[str, str]) -> str:
    """Put values in for `$(NAME)`; `$$` is a dollar sign, unknown names stay as they are."""

    def replace(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return known.get(found[1], found[0])

    return _REFERENCE.sub(replace, text)


def _value(store: Store, pod: Object, source: dict[str, Any]) -> str | None:
    namespace = pod["metadata"]["namespace"]
    for kind in ("secretKeyRef", "configMapKeyRef"):
        if kind in source:
            reference = source[kind]
            data = _data(store, namespace, kind, reference)
            key = reference["key"]
            if key in data:
                return data[key]
            if reference.get("optional"):
                return None
            what = "Secret" if kind == "secretKeyRef" else "ConfigMap"
            raise ConfigError(f"couldn't find key {key} in {what} {namespace}/{reference['name']}")
    if "fieldRef" in source:
        return _field(pod, source["fieldRef"]["fieldPath"])
    return ""


def _data(store: Store, namespace: str, kind: str, reference: dict[str, Any]) -> dict[str, str]:
    secret = kind.startswith("secret")
    found = store.find(SECRETS if secret else CONFIG_MAPS, namespace, reference["name"])
    if found is None:
        if reference.get("optional"):
            return {}
        raise ConfigError(f'{"secret" if secret else "configmap"} "{reference["name"]}" not found')
    data: dict[str, str] = found.get("data", {})
    if not secret:
        return data
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def _field(pod: Object, path: str) -> str:
    found = re.fullmatch(r"metadata\.(labels|annotations)\['(.*)'\]", path)
    if found:
        return str(pod["metadata"].get(found[1], {}).get(found[2], ""))
    value: Any = pod
    for part in path.split("."):
        value = value.get(part, "")
    return str(value)

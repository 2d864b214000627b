"""What the API server refuses in a pod's spec, in its words."""

from typing import Any

from tests.integration.components.kubernetes.answers import Cause, Object
from tests.integration.components.kubernetes.names import (
    dns_label_errors,
    env_name_errors,
    label_errors,
    quantity,
    subdomain_errors,
)
from tests.integration.components.kubernetes.object_rules import annotation_causes, label_causes

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_STANDARD = ("cpu", "memory", "ephemeral-storage")
_NEGATIVE = "must be greater than or equal to 0"
_POD_UPDATE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def template_causes(template: Object, path: str) -> list[Cause]:
    """Return what is wrong with a pod template."""
    meta = template.get("metadata", {})
    return [
        *label_causes(meta.get("labels"), f"{path}.labels"),
        *annotation_causes(meta.get("annotations"), f"{path}.annotations"),
        *pod_spec_causes(template.get("spec", {}), f"{path}.spec"),
    ]


def pod_spec_causes(spec: dict[str, Any], path: str) -> list[Cause]:
    causes, volumes = _volume_causes(spec.get("volumes", []), f"{path}.volumes")
    if not spec.get("containers"):
        causes.append(Cause.required(f"{path}.containers"))
    names: set[str] = set()
    for group in ("containers", "initContainers"):
        for i, container in enumerate(spec.get(group, [])):
            here = f"{path}.{group}[{i}]"
            causes += _container_causes(container, here, volumes)
            causes += _restart_causes(container, here, group)
            if container.get("name") in names:
                causes.append(Cause.duplicate(f"{here}.name", container["name"]))
            names.add(container.get("name", ""))
    causes += _choice(spec, "restartPolicy", path, ("Always", "OnFailure", "Never"))
    causes += _choice(
        spec, "dnsPolicy", path, ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
    )
    causes += label_causes(spec.get("nodeSelector"), f"{path}.nodeSelector")
    for name in ("serviceAccountName", "nodeName", "priorityClassName"):
        if spec.get(name):
            causes += [
                Cause.invalid(f"{path}.{name}", spec[name], why)
                for why in subdomain_errors(spec[name])
            ]
    if spec.get("hostname"):
        causes += [
            Cause.invalid(f"{path}.hostname", spec["hostname"], why)
            for why in dns_label_errors(spec["hostname"])
        ]
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= 2**31 - 1:
        causes.append(
            Cause.invalid(
                f"{path}.activeDeadlineSeconds",
                deadline,
                "must be between 1 and 2147483647, inclusive",
            )
        )
    return causes


def pod_update_causes(new: dict[str, Any], before: dict[str, Any]) -> list[Cause]:
    """Return what an update of a pod may not change."""

    def fixed(spec: dict[str, Any]) -> dict[str, Any]:
        kept = {
            key: value
            for key, value in spec.items()
            if key not in ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")
        }
        for group in ("containers", "initContainers"):
            kept[group] = [one | {"image": ""} for one in spec.get(group, [])]
        return kept

    return [] if fixed(new) == fixed(before) else [Cause.forbidden("spec", _POD_UPDATE)]


def _container_causes(container: dict[str, Any], path: str, volumes: set[str]) -> list[Cause]:
    causes = _name_causes(container.get("name", ""), f"{path}.name")
    image = container.get("image", "")
    if not image:
        causes.append(Cause.required(f"{path}.image"))
    elif image.strip() != image:
        causes.append(
            Cause.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
        )
    causes += _choice(container, "imagePullPolicy", path, _PULL_POLICIES)
    causes += _choice(
        container, "terminationMessagePolicy", path, ("FallbackToLogsOnError", "File")
    )
    for i, variable in enumerate(container.get("env", [])):
        causes += _env_causes(variable, f"{path}.env[{i}]")
    for i, source in enumerate(container.get("envFrom", [])):
        if len([key for key in ("configMapRef", "secretRef") if key in source]) != 1:
            causes.append(
                Cause.invalid(
                    f"{path}.envFrom[{i}]", "", "must specify one of: `configMapRef` or `secretRef`"
                )
            )
    mounted: set[str] = set()
    for i, mount in enumerate(container.get("volumeMounts", [])):
        here = f"{path}.volumeMounts[{i}]"
        if not mount.get("name"):
            causes.append(Cause.required(f"{here}.name"))
        elif mount["name"] not in volumes:
            causes.append(Cause.not_found(f"{here}.name", mount["name"]))
        if not mount.get("mountPath"):
            causes.append(Cause.required(f"{here}.mountPath"))
        elif mount["mountPath"] in mounted:
            causes.append(Cause.invalid(f"{here}.mountPath", mount["mountPath"], "must be unique"))
        mounted.add(mount.get("mountPath", ""))
    for i, port in enumerate(container.get("ports", [])):
        if not 0 < port.get("containerPort", 0) < 65536:
            where = f"{path}.ports[{i}].containerPort"
            causes.append(
                Cause.invalid(
                    where, port["containerPort"], "must be between 1 and 65535, inclusive"
                )
                if port.get("containerPort")
                else Cause.required(where)
            )
    return causes + _resource_causes(container.get("resources", {}), f"{path}.resources")


def _env_causes(variable: dict[str, Any], path: str) -> list[Cause]:
    name = variable.get("name", "")
    causes = [Cause.required(f"{path}.name")] if not name else []
    if name:
        causes += [Cause.invalid(f"{path}.name", name, why) for why in env_name_errors(name)]
    source = variable.get("valueFrom")
    if source is not None:
        where = f"{path}.valueFrom"
        if variable.get("value"):
            causes.append(
                Cause.invalid(where, "", "may not be specified when `value` is not empty")
            )
        if not source:
            causes.append(
                Cause.invalid(
                    where,
                    "",
                    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
                )
            )
        elif len(source) > 1:
            causes.append(
                Cause.invalid(where, "", "may not have more than one field specified at a time")
            )
        for kind in ("secretKeyRef", "configMapKeyRef"):
            if kind in source and not source[kind].get("key"):
                causes.append(Cause.required(f"{where}.{kind}.key"))
    return causes


def _resource_causes(resources: dict[str, Any], path: str) -> list[Cause]:
    causes = []
    limits = resources.get("limits", {})
    for group in ("limits", "requests"):
        for name, text in resources.get(group, {}).items():
            here = f"{path}.{group}[{name}]"
            if label_errors(name):
                causes += [Cause.invalid(here, name, why) for why in label_errors(name)]
            elif "/" not in name and name not in _STANDARD and not name.startswith("hugepages-"):
                causes.append(
                    Cause.invalid(here, name, "must be a standard resource type or fully qualified")
                )
                causes.append(
                    Cause.invalid(here, name, "must be a standard resource for containers")
                )
            amount = quantity(text)
            if amount is not None and amount < 0:
                causes.append(Cause.invalid(here, text, _NEGATIVE))
            limit = quantity(limits.get(name, "")) if group == "requests" else None
            if limit is not None and amount is not None and amount > limit:
                causes.append(
                    Cause.invalid(
                        f"{path}.requests",
                        text,
                        f"must be less than or equal to {name} limit of {limits[name]}",
                    )
                )
    return causes


def _restart_causes(container: dict[str, Any], path: str, group: str) -> list[Cause]:
    policy = container.get("restartPolicy")
    if policy is None:
        return []
    if group == "containers":
        return [Cause.forbidden(f"{path}.restartPolicy", "may not be set for non-init containers")]
    return _choice(container, "restartPolicy", path, ("Always",))


def _volume_causes(volumes: list[Any], path: str) -> tuple[list[Cause], set[str]]:
    causes: list[Cause] = []
    names: set[str] = set()
    for i, volume in enumerate(volumes):
        name = volume.get("name", "")
        wrong = _name_causes(name, f"{path}[{i}].name")
        if not wrong and name in names:
            wrong = [Cause.duplicate(f"{path}[{i}].name", name)]
        if len(volume) > 2:
            kind = sorted(set(volume) - {"name"})[1]
            wrong.append(
                Cause.forbidden(f"{path}[{i}].{kind}", "may not specify more than 1 volume type")
            )
        causes += wrong
        names.add(name)
    return causes, names


def _name_causes(name: str, path: str) -> list[Cause]:
    if not name:
        return [Cause.required(path)]
    return [Cause.invalid(path, name, why) for why in dns_label_errors(name)]


def _choice(
    holder: dict[str, Any], name: str, path: str, supported: tuple[str, ...]
) -> list[Cause]:
    value = holder.get(name, "")
    if not value:
        return [Cause.required(f"{path}.{name}")]
    if value not in supported:
        return [Cause.unsupported(f"{path}.{name}", value, supported)]
    return []

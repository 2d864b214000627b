"""What a compose file says of a service, as docker-py starts containers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::-([^}]*))?\}")


def services(file: Path, environ: dict[str, str]) -> dict[str, Any]:
    """Return the services of a compose file, with variables filled in as compose does."""

    def fill(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return environ.get(match[1]) or match[2] or ""

    def filled(value: Any) -> Any:
        if isinstance(value, str):
            return _VARIABLE.sub(fill, value)
        if isinstance(value, dict):
            return {name: filled(each) for name, each in value.items()}
        return [filled(each) for each in value] if isinstance(value, list) else value

    found: dict[str, Any] = filled(yaml.safe_load(file.read_text()))["services"]
    return found


def run_arguments(service: dict[str, Any], volumes: dict[str, str]) -> dict[str, Any]:
    """Return what docker-py's `containers.run` takes for a service.

    Args:
        service: The service.
        volumes: What stands for each of its named volumes and folders.
    """
    mounts = {}
    for each in service.get("volumes", []):
        source, inside, *mode = each.split(":")
        mounts[volumes[source]] = {"bind": inside, "mode": (mode or ["rw"])[0]}
    return {
        "image": service["image"],
        "command": service["command"],
        "environment": service.get("environment", {}),
        "read_only": service["read_only"],
        "tmpfs": dict.fromkeys(service["tmpfs"], ""),
        "cap_drop": service["cap_drop"],
        "security_opt": service["security_opt"],
        "group_add": service.get("group_add", []),
        "volumes": mounts,
    }

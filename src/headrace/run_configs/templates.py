"""Descriptions of jobs that users keep as YAML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from headrace.core.errors import MissingExtraError, RunConfigError

#: An address on another machine, and not a local path.
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<rest>.*)", re.DOTALL)


def local_template(path: str) -> dict[str, Any] | None:
    """Read the YAML file at a local path, or at a `file://` or `local://` address.

    Returns:
        What stands in it; None if the path is an address of any other kind.

    Raises:
        RunConfigError: If the file cannot be read, or holds no YAML mapping.
        MissingExtraError: If the package that reads YAML is not installed.
    """
    address = _ADDRESS.fullmatch(path)
    if address is not None:
        if address["scheme"] not in ("file", "local"):
            return None
        path = address["rest"]
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise RunConfigError(
            f"The file {path} cannot be read: {error.strerror}. For a path on the agent's machine, "
            f"write agent://{path}."
        ) from error
    return parse(text, f"the file {path}")


def as_yaml(documents: Iterable[Mapping[str, Any]]) -> str:
    """Return YAML text that describes these, one after the other.

    Raises:
        MissingExtraError: If the package that writes YAML is not installed.
    """
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError("Writing YAML", "yaml", "pyyaml") from error
    dumper: Any = type("Plain", (yaml.SafeDumper,), {"ignore_aliases": lambda *_: True})
    text: str = yaml.dump_all(documents, Dumper=dumper, sort_keys=False, explicit_start=True)
    return text


def parse(text: str, where: str) -> dict[str, Any]:
    """Return what YAML text describes.

    Raises:
        RunConfigError: If it is no YAML mapping.
        MissingExtraError: If the package that reads YAML is not installed.
    """
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError("A template in YAML", "yaml", "pyyaml") from error
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RunConfigError(f"What stands in {where} is no YAML: {error}.") from error
    if not isinstance(found, Mapping):
        raise RunConfigError(
            f"What stands in {where} is no YAML mapping, but a {type(found).__name__}."
        )
    return dict(found)

"""Descriptions of jobs that users keep as YAML."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from headrace.core.errors import MissingExtraError, RunConfigError

#: An address on another machine, and not a local path.
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<rest>.*)", re.DOTALL)
#: The most bytes that a template has: what platforms take is smaller.
LARGEST = 1 << 20
#: The most values that it describes, with those counted again that are repeated by an alias.
_MOST_VALUES = 100_000


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
        # Devices and pipes never end; whoever names them may be somebody else, far away.
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise RunConfigError(f"What is at {path} is no file.")
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:  # no path has a NUL in it
        why = error.strerror if isinstance(error, OSError) else error
        raise RunConfigError(
            f"The file {path} cannot be read: {why}. For a path on the agent's machine, "
            f"write agent://{path}."
        ) from error
    return parse(data, f"the file {path}")


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


def parse(text: str | bytes, where: str) -> dict[str, Any]:
    """Return what YAML text describes.

    Args:
        text: The text.
        where: What it is, for messages. They never repeat any of the text: it may be a secret, or
            another file than was meant.

    Raises:
        RunConfigError: If it is no YAML mapping, or has more than 1 MiB or 100,000 values.
        MissingExtraError: If the package that reads YAML is not installed.
    """
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError("A template in YAML", "yaml", "pyyaml") from error
    if len(text) > LARGEST:
        raise RunConfigError(f"What stands in {where} is no template: it is larger than 1 MiB.")
    try:
        found = yaml.safe_load(text if isinstance(text, str) else text.decode("utf-8"))
        values = _values_in(found, {})
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        # ValueError: a date that there is not.
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise RunConfigError(f"What stands in {where} is no YAML{place}.") from None
    if values > _MOST_VALUES:
        raise RunConfigError(
            f"What stands in {where} is no template: it has more than {_MOST_VALUES:,} values."
        )
    if not isinstance(found, Mapping):
        raise RunConfigError(
            f"What stands in {where} is no YAML mapping, but a {type(found).__name__}."
        )
    return dict(found)


def _values_in(found: object, seen: dict[int, int]) -> int:
    """Count values as they are when all aliases are written out; without writing them out."""
    if not isinstance(found, Mapping | list):
        return 1
    if id(found) not in seen:
        seen[id(found)] = _MOST_VALUES + 1  # for those that hold themselves, which have no end
        parts = found.values() if isinstance(found, Mapping) else found
        seen[id(found)] = 1 + sum(_values_in(part, seen) for part in parts)
    return seen[id(found)]

"""Where settings come from: a TOML file and environment variables."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from headrace.core.errors import ConfigError

#: Environment variables with this prefix are settings: HEADRACE__FLOWS__CHECKPOINTING.
PREFIX = "HEADRACE"

#: Environment variables with a name of their own; the long name beats the short one.
SHORT_NAMES = {
    "HEADRACE_HOME": "home_dir",
    "HEADRACE_API_URL": "api_url",
    "HEADRACE_API_KEY": "api_key",
}

_REFERENCE = r"\$(?:\{([^${}]+)\}|(\w+))"
#: A reference may lead to another one; a circle of them ends here.
_MAX_REFERENCES = 10

Path = tuple[str, ...]


def config_file(environ: Mapping[str, str]) -> str:
    """Return the path of the user's configuration file, whether or not it exists."""
    home = environ.get(f"{PREFIX}__HOME_DIR") or environ.get("HEADRACE_HOME") or "~/.headrace"
    return os.path.join(os.path.expanduser(home), "config.toml")


def read_toml(path: str) -> dict[str, Any] | None:
    """Read a TOML file.

    Returns:
        What stands in it, or None if there is no such file.

    Raises:
        ConfigError: If the file cannot be read or is not TOML.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(
            f"The configuration file {path} cannot be read: {error.strerror}."
        ) from error
    import tomllib

    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration file {path} is not valid TOML: {error}.") from error


def from_environment(environ: Mapping[str, str], prefix: str) -> Iterator[tuple[str, Path, str]]:
    """Find the settings among environment variables.

    Names are lowered, but a secret keeps its name as it is written.

    Yields:
        The variable's name, the setting's path, and the text.

    Raises:
        ConfigError: If a variable starts with the prefix but names no setting.
    """
    start = f"{prefix}__"
    for name in sorted(environ):
        if not name.startswith(start):
            continue
        rest = name[len(start) :]
        sections = rest.split("__", 2)
        if len(sections) == 3 and [part.lower() for part in sections[:2]] == ["context", "secrets"]:
            path: Path = ("context", "secrets", sections[2])
        else:
            path = tuple(rest.lower().split("__"))
        if not all(path):
            raise ConfigError(
                f"The environment variable {name} names no setting; "
                f"write {start}SECTION__KEY, such as {start}FLOWS__CHECKPOINTING."
            )
        yield name, path, environ[name]


def flat(tree: Mapping[str, Any], parent: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the path and value of each leaf; a mapping that is empty is a leaf too."""
    for key, value in tree.items():
        path = (*parent, key)
        if isinstance(value, Mapping) and value:
            yield from flat(value, path)
        else:
            yield path, value


def guess(text: str) -> Any:
    """Turn text whose type is not known into true, false, a Python literal, or itself."""
    lowered = text.strip().lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    # Only text that starts like a literal is worth importing a parser for.
    if not lowered or (lowered[0] not in "0123456789+-.([{'\"" and lowered != "none"):
        return text
    import ast

    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def interpolate(value: Any, lookup: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    """Fill in `$NAME`, `${NAME}` from the environment and `${section.key}` from `lookup`.

    A value that is nothing but one reference takes the type of what it refers to. A reference
    to nothing stays as it is written. A leading `~` becomes the user's home directory.
    """
    if not isinstance(value, str):
        return value
    for _ in range(_MAX_REFERENCES if "$" in value else 0):
        before = value
        whole = re.fullmatch(_REFERENCE, value)
        if whole and whole[1] in lookup and whole[1] not in environ:
            value = lookup[whole[1]]
            if not isinstance(value, str):
                return value
        else:
            value = re.sub(_REFERENCE, lambda match: _replacement(match, lookup, environ), value)
        if value == before:
            break
    return os.path.expanduser(value)


def _replacement(
    match: re.Match[str], lookup: Mapping[str, Any], environ: Mapping[str, str]
) -> str:
    name = match[1] or match[2]
    if name in environ:
        return environ[name]
    # Only the form with braces refers to settings: `$name` is what shells write.
    return str(lookup[name]) if match[1] and name in lookup else match[0]

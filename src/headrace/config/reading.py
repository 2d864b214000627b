"""Reads all settings: defaults, the file, the environment, each over the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from headrace.config.keys import KEYS, Unfit
from headrace.config.sources import (
    PREFIX,
    SHORT_NAMES,
    Path,
    config_file,
    flat,
    from_environment,
    guess,
    interpolate,
    read_toml,
)
from headrace.core.errors import ConfigError

#: A further place that settings are read from: it takes the environment, and returns of each
#: setting its path, its value, where that is written, and whether it is text of unknown type.
Source = Callable[[Mapping[str, str]], Iterable[tuple[Path, Any, str, bool]]]


def read_sources(
    environ: Mapping[str, str], further: Iterable[Source]
) -> tuple[dict[Path, tuple[Any, str]], dict[str, str]]:
    """Read all sources.

    Args:
        environ: The environment variables.
        further: Other sources, over which those of Headrace are laid.

    Returns:
        Each setting's value and where it comes from; and the names that are not Headrace's own,
        with where they are written.

    Raises:
        ConfigError: If the file is not TOML, or a value is of a wrong type.
    """
    found: dict[Path, tuple[Any, str]] = {}
    for name, key in KEYS.items():
        path = tuple(name.split("."))
        found[path] = checked(path, key.default, "", text=False), "default"
    for source in further:
        for path, value, where in checked_all(source(environ)):
            found[path] = value, where
    variables = [
        (name, tuple(setting.split(".")), environ[name])
        for name, setting in SHORT_NAMES.items()
        if environ.get(name)
    ]
    variables += from_environment(environ, PREFIX)

    file = config_file(environ)
    written = dict(flat(read_toml(file) or {}))
    lookup = {".".join(path): value for path, (value, _) in found.items()}
    lookup |= {".".join(path): value for path, value in written.items()}
    lookup |= {".".join(path): text for _, path, text in variables}
    where = f"file {file}"
    for path, value in written.items():
        # A secret is taken as it is written: it may well hold a `$`.
        if path[:2] != ("context", "secrets"):
            value = interpolate(value, lookup, environ)
        found[path] = checked(path, value, where, text=False), where
    for name, path, text in variables:
        where = f"environment variable {name}"
        found[path] = checked(path, text, where, text=True), where
    own = {*written, *(path for _, path, _ in variables)}
    unknown = {
        ".".join(path): found[path][1]
        for path in own
        if ".".join(path) not in KEYS and path[:2] != ("context", "secrets")
    }
    return found, unknown


def checked_all(
    values: Iterable[tuple[Path, Any, str, bool]],
) -> Iterable[tuple[Path, Any, str]]:
    """Yield each path and value as `checked` gives it, and where it was found."""
    for path, value, where, text in values:
        yield path, checked(path, value, where, text), where


def checked(path: Path, value: Any, where: str, text: bool) -> Any:
    """Return a value as the program sees it.

    Args:
        path: The setting's path.
        value: The value as it was found.
        where: Where it was found, for the message; "" if code sets it.
        text: Whether it is text, whose type has still to be found out.

    Raises:
        ConfigError: If the setting is Headrace's own and cannot be this.
    """
    name = ".".join(path)
    known = KEYS.get(name)
    if known is None:
        return guess(value) if text and path[:2] != ("context", "secrets") else value
    try:
        return known.kind.convert(value, text)
    except Unfit:
        shown = "a value that is not shown" if known.private else repr(value)
        raise ConfigError(
            f"{in_the(where)}{name} must be {known.kind.expects}, "
            f"not {shown} ({type(value).__name__})."
        ) from None


def in_the(where: str) -> str:
    """Return how a message begins that says where something is written."""
    return f"In the {where}: " if where else ""

"""Settings as Prefect 1 had them: `~/.prefect/config.toml` and PREFECT__SECTION__KEY.

They keep their names, and all of Headrace's own sources (its file, its environment variables, what
is set in code) go before them. The files are found as Prefect 1 found them, by the variables
PREFECT__USER_CONFIG_PATH and PREFECT__BACKEND_CONFIG_PATH.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from headrace.config import config
from headrace.config.sources import Path, flat, from_environment, interpolate, read_toml

_PREFIX = "PREFECT"
#: Where the files are, and the variable that says otherwise; the later one is laid over the first.
_FILES = {
    "PREFECT__USER_CONFIG_PATH": "~/.prefect/config.toml",
    "PREFECT__BACKEND_CONFIG_PATH": "~/.prefect/backend.toml",
}


def read_settings_of_prefect() -> None:
    """Let settings of Prefect 1 count wherever Headrace's own do not say otherwise.

    Raises:
        ConfigError: If a file is not TOML, or a value of a setting that Headrace has is of a wrong
            type.
    """
    config.add_source(_settings)


def _settings(environ: Mapping[str, str]) -> Iterator[tuple[Path, Any, str, bool]]:
    found: dict[Path, tuple[Any, str]] = {}
    for variable, place in _FILES.items():
        file = os.path.expandvars(os.path.expanduser(environ.get(variable) or place))
        for path, value in flat(read_toml(file) or {}):
            found[path] = value, f"file {file}"
    for name, path, text in from_environment(environ, _PREFIX):
        if name not in _FILES:
            found[path] = text, f"environment variable {name}"
    lookup = {".".join(path): value for path, (value, _) in found.items()}
    for path, (value, where) in found.items():
        if path[:2] != ("context", "secrets"):
            value = interpolate(value, lookup, environ)
        # In Prefect 1, text that reads as a number or a boolean was one, in files too.
        yield path, value, where, isinstance(value, str)

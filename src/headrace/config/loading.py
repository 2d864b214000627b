"""Users' own configuration files, read the way Headrace's is."""

from __future__ import annotations

import os
from typing import Any

from headrace.config.container import Config
from headrace.config.sources import Path, flat, from_environment, guess, interpolate, read_toml
from headrace.core.errors import ConfigError


def load_configuration(
    path: str | os.PathLike[str],
    user_config_path: str | os.PathLike[str] | None = None,
    backend_config_path: str | os.PathLike[str] | None = None,
    env_var_prefix: str | None = None,
) -> Config:
    """Read TOML files, and the environment over them, into one `Config`.

    Each source is laid over the one before. In every string, `$NAME` and `${NAME}` are filled in
    from the environment and `${section.key}` from the configuration itself, a leading `~` is the
    home directory, and text that reads as a number, a boolean or another Python literal becomes
    that.

    Args:
        path: The file to begin with; it must exist.
        user_config_path: A second file; it need not exist.
        backend_config_path: A third file; it need not exist.
        env_var_prefix: The start of the environment variables that are settings:
            with "MYAPP", MYAPP__SECTION__KEY sets `section.key`.

    Returns:
        The configuration, apart from `headrace.config`.

    Raises:
        ConfigError: If the first file does not exist, a file is not TOML, or one name is both a
            section and a value.
    """
    first = _expand(path)
    tree = read_toml(first)
    if tree is None:
        raise ConfigError(f"There is no configuration file {first}.")
    values: dict[Path, tuple[Any, str]] = {}
    _lay_over(values, dict(flat(tree)), first)
    for extra in (user_config_path, backend_config_path):
        if extra:
            _lay_over(values, dict(flat(read_toml(_expand(extra)) or {})), _expand(extra))
    if env_var_prefix:
        for name, key, text in from_environment(os.environ, env_var_prefix):
            _lay_over(values, {key: text}, f"the environment variable {name}")
    lookup = {".".join(key): value for key, (value, _) in values.items()}

    result = Config()
    for key, (value, _) in values.items():
        node: Any = result
        for part in key[:-1]:
            node = node.setdefault(part, {}) if part in node else _new_section(node, part)
        filled = interpolate(value, lookup, os.environ)
        node[key[-1]] = guess(filled) if isinstance(filled, str) else filled
    return result


def _expand(path: str | os.PathLike[str]) -> str:
    return os.path.expanduser(os.path.expandvars(os.fspath(path)))


def _new_section(node: Config, name: str) -> Config:
    node[name] = {}
    section: Config = node[name]
    return section


def _lay_over(values: dict[Path, tuple[Any, str]], layer: dict[Path, Any], where: str) -> None:
    for key, value in layer.items():
        for other, (_, elsewhere) in values.items():
            shorter, longer = sorted((key, other), key=len)
            if len(shorter) < len(longer) and longer[: len(shorter)] == shorter:
                raise ConfigError(
                    f"{'.'.join(shorter)} is a section in one place and a value in another: "
                    f"{where} and {elsewhere}."
                )
        values[key] = value, where

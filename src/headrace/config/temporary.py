"""Settings for the length of a `with` block."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from headrace.config.settings import Before, Settings, config
from headrace.config.sources import Path, flat


def set_temporary_config(temp_config: Mapping[str, Any]) -> TemporaryConfig:
    """Change settings for the length of a `with` block.

    Every thread of the process sees the change at once, because `headrace.config` is one object.
    At the end each of these settings is put back to what it was, in whatever way the block ends.

    Args:
        temp_config: The values, by dotted names (`{"flows.checkpointing": True}`) or nested.

    Returns:
        A context manager that gives `headrace.config`.

    Raises:
        ConfigError: On entering, if a value is of a wrong type; then nothing is changed.
    """
    return TemporaryConfig(temp_config)


class TemporaryConfig:
    """What `set_temporary_config` returns: enter it to set, leave it to put back."""

    def __init__(self, temp_config: Mapping[str, Any]) -> None:
        self._changes: list[tuple[Path, Any]] = [
            (tuple(part for key in path for part in _split(path, key)), value)
            for path, value in flat(temp_config)
        ]
        self._before: list[Before] = []

    def __enter__(self) -> Settings:
        try:
            for path, value in self._changes:
                self._before.append(config._assign(path, value, "set temporarily"))
        except BaseException:
            self._put_back()
            raise
        return config

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._put_back()

    def _put_back(self) -> None:
        while self._before:
            config._restore(self._before.pop())


def _split(path: Path, key: str) -> list[str]:
    # Only the first key of a nested value may be dotted: the name of a secret may hold a dot.
    return key.split(".") if key is path[0] else [key]

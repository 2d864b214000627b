"""Connections to object stores: one of each kind and account in a process."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from headrace.core.errors import MissingExtraError

_connections: dict[tuple[int, str, str], Any] = {}
_lock = Lock()


def connected(
    connect: Callable[[Mapping[str, Any]], Any],
    options: Mapping[str, Any],
    *,
    feature: str,
    extra: str,
    package: str,
) -> Any:
    """Return this process's file system for these options.

    Args:
        connect: Makes a file system; raises `ImportError` if the package is missing.
        options: What it is made with, secrets included. They stay in this process.
        feature: What it is for, as the user wrote it, such as `S3Result`.
        extra: The extra of `headrace` that brings the package.
        package: The package's name.

    Raises:
        MissingExtraError: If the package is not installed.
    """
    # A process that was forked off must not use its parent's connection.
    key = (os.getpid(), package, repr(sorted(options.items(), key=_by_name)))
    with _lock:
        found = _connections.get(key)
        if found is None:
            try:
                found = connect(options)
            except ImportError as error:
                raise MissingExtraError(feature, extra, package) from error
            _connections[key] = found
        return found


def _by_name(option: tuple[str, Any]) -> str:
    return option[0]

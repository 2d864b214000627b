"""Executors: where the tasks of a flow run execute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.executors.base import Executor
from headrace.executors.local import LocalExecutor

if TYPE_CHECKING:
    from headrace.executors.dask import DaskExecutor
    from headrace.executors.local_dask import LocalDaskExecutor

__all__ = ["DaskExecutor", "Executor", "LocalDaskExecutor", "LocalExecutor"]

# Imported when first asked for: pools and clusters are no part of what every flow needs.
_LAZY = {
    "DaskExecutor": "headrace.executors.dask",
    "LocalDaskExecutor": "headrace.executors.local_dask",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

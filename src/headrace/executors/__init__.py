"""Executors: where the tasks of a flow run execute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.core.lazy import lazy_names
from headrace.executors.base import Executor
from headrace.executors.local import LocalExecutor

if TYPE_CHECKING:
    from headrace.executors.dask import DaskExecutor
    from headrace.executors.local_dask import LocalDaskExecutor
else:
    # Imported when first asked for: pools and clusters are no part of what every flow needs.
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "headrace.executors.dask": ["DaskExecutor"],
            "headrace.executors.local_dask": ["LocalDaskExecutor"],
        },
    )

__all__ = ["DaskExecutor", "Executor", "LocalDaskExecutor", "LocalExecutor"]

"""`DaskExecutor`: tasks on the workers of a Dask cluster."""

from headrace.executors.dask.executor import DaskExecutor

__all__ = ["DaskExecutor"]

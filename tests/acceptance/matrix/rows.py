"""Which agent, storage and executor are tried together: each of them with several partners."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One mix, which the same two flows run in."""

    agent: str
    storage: str
    executor: str

    @property
    def name(self) -> str:
        """What its flows are called after."""
        return f"{self.agent}-{self.storage}-{self.executor}".lower()


#: How a flow's file makes each executor; `{address}` is that of a cluster which is there already.
EXECUTORS = {
    "Local": "LocalExecutor()",
    "LocalDask-threads": 'LocalDaskExecutor(scheduler="threads", num_workers=2)',
    "LocalDask-processes": 'LocalDaskExecutor(scheduler="processes", num_workers=2)',
    "Dask-temporary": (
        'DaskExecutor(cluster_kwargs={{"n_workers": 1, "threads_per_worker": 2, '
        '"dashboard_address": None}})'
    ),
    "Dask-existing": 'DaskExecutor("{address}")',
}

ROWS = [
    Row("local", "Git", "Dask-existing"),
    Row("local", "Local", "LocalDask-processes"),
    Row("local", "Module", "Local"),
    Row("local", "GitHub", "LocalDask-threads"),
    Row("local", "GitLab", "LocalDask-threads"),
    Row("local", "CodeCommit", "Dask-existing"),
    Row("docker", "GitHub", "Dask-temporary"),
    Row("docker", "Docker", "LocalDask-threads"),
    Row("docker", "Azure", "Local"),
    Row("docker", "Git", "LocalDask-processes"),
    Row("docker", "Bitbucket", "Local"),
    Row("kubernetes", "S3", "LocalDask-threads"),
    Row("kubernetes", "GitLab", "Dask-existing"),
    Row("kubernetes", "Webhook", "Dask-temporary"),
    Row("kubernetes", "Azure", "LocalDask-processes"),
    Row("kubernetes", "GCS", "Local"),
    Row("kubernetes", "Local", "Dask-existing"),
    Row("ecs", "Docker", "Local"),
    Row("ecs", "Bitbucket", "LocalDask-processes"),
    Row("ecs", "S3", "Dask-existing"),
    Row("vertex", "GCS", "Dask-temporary"),
    Row("vertex", "CodeCommit", "LocalDask-threads"),
    Row("vertex", "Webhook", "Local"),
    Row("vertex", "Module", "LocalDask-processes"),
]

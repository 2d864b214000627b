"""Which labels a run has: what an agent needs to have to get it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def labels_of(described: Mapping[str, Any] | None) -> set[str]:
    """Return the labels of a run config or a storage, as its `serialize` describes it."""
    labels = (described or {}).get("labels")
    return (
        {label for label in labels if isinstance(label, str)} if isinstance(labels, list) else set()
    )


def run_labels(
    flow_labels: Iterable[str],
    *,
    flow_run_config: Mapping[str, Any] | None,
    storage: Mapping[str, Any] | None,
    labels: Iterable[str] | None,
    run_config: Mapping[str, Any] | None,
) -> list[str]:
    """Return a run's labels, sorted.

    Labels that are given take the place of the flow's. A run config that takes the place of the
    flow's brings its labels with it: those of the one it replaces go, those of the storage stay.

    Args:
        flow_labels: The flow's labels.
        flow_run_config: The flow's run config.
        storage: The flow's storage.
        labels: Labels instead of the flow's; None for the flow's.
        run_config: A run config instead of the flow's; None for the flow's.
    """
    if labels is not None:
        return sorted(set(labels))
    found = set(flow_labels)
    if run_config is not None:
        found = (found - labels_of(flow_run_config)) | labels_of(storage) | labels_of(run_config)
    return sorted(found)

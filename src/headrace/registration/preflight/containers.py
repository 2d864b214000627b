"""Where a flow's runs are deployed to, as far as its run config says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.flow import Flow


def container_of(flow: Flow) -> str | None:
    """Return the name of the run config that puts a flow's runs into containers; None if none does."""
    from headrace.run_configs import DockerRun, ECSRun, KubernetesRun, VertexRun

    kinds = (DockerRun, ECSRun, KubernetesRun, VertexRun)
    return type(flow.run_config).__name__ if isinstance(flow.run_config, kinds) else None

"""Which kind of agent deploys a run: its run config says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What a run config's type asks for.
KINDS = {
    "LocalRun": "local",
    "DockerRun": "docker",
    "KubernetesRun": "kubernetes",
    "ECSRun": "ecs",
    "VertexRun": "vertex",
    "UniversalRun": "any",
}
#: What any agent can deploy.
ANY = "any"


def kind_of(run_config: Mapping[str, Any] | None) -> str | None:
    """Return the kind of agent that a run config asks for, or `any`; None if it is none.

    Args:
        run_config: The run config, as its `serialize` describes it; None suits any agent.
    """
    if run_config is None:
        return ANY
    named = run_config.get("type")
    return KINDS.get(named) if isinstance(named, str) else None

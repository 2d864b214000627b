"""Whether a flow's run config says what is nobody else's business."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.core.secret_names import looks_secret
from headrace.registration.finding import Finding

if TYPE_CHECKING:
    from headrace.flow import Flow


def check_run_config(flow: Flow) -> Iterator[Finding]:
    """Yield what should not stand in a flow's run config, which the server keeps and shows."""
    variables = (flow.run_config.env if flow.run_config is not None else None) or {}
    names = sorted(name for name in variables if looks_secret(name))
    if names:
        yield Finding(
            level="warning",
            subject="run config",
            message=f"Its env has {', '.join(names)}: the server keeps the values, and whoever may "
            "read the flow sees them.",
            remedy="Give secrets to the agent, by its --env or as variables of the machine, and leave "
            "them out here.",
        )

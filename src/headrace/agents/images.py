"""Which image a flow run's container, pod or task is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.wire.claims import ClaimedRun


def image_of(run: ClaimedRun, default: str) -> str:
    """Choose the image of a flow run.

    Args:
        run: The run.
        default: The agent's own; `config.agents.default_image` unless it was told another.

    Returns:
        The image of its run config, else that of the storage whose flows are in an image, else the
        default.
    """
    asked = (run.run_config or {}).get("image")
    if not asked and (run.storage or {}).get("type") == "Docker":
        asked = (run.storage or {}).get("image")
    return str(asked) if asked else default

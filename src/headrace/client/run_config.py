"""Run configs, as they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.run_configs.base import RunConfig


def described(run_config: RunConfig | dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a run config as its `serialize` describes it."""
    if run_config is None or isinstance(run_config, dict):
        return run_config
    return run_config.serialize()

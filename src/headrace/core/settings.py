"""The settings that authoring reads: what a task or a flow gets where its author says nothing.

`core` does not read configuration. The layer that does installs a source here, which is asked
each time a default is needed, so that a setting changed later counts for tasks made later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable


class AuthoringSettings(NamedTuple):
    """Defaults of tasks and flows.

    Attributes:
        max_retries: How often a task is run again after a failure.
        retry_delay: The wait before each retry; needed if `max_retries` is above 0.
        timeout: Seconds that a task may run, or None for no limit.
        eager_edge_validation: Whether a flow is checked for cycles with each new edge.
    """

    max_retries: int = 0
    retry_delay: datetime.timedelta | None = None
    timeout: float | None = None
    eager_edge_validation: bool = False


_built_in = AuthoringSettings()


def _built_in_settings() -> AuthoringSettings:
    return _built_in


_source: Callable[[], AuthoringSettings] = _built_in_settings


def authoring_settings() -> AuthoringSettings:
    """Return the settings that hold now."""
    return _source()


def set_authoring_settings_source(source: Callable[[], AuthoringSettings] | None) -> None:
    """Say where the settings come from.

    Args:
        source: Called each time the settings are needed, so it must be quick; None goes back to
            the built-in values.
    """
    global _source
    _source = source or _built_in_settings

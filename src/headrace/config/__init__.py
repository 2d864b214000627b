"""Typed settings, the set-up of logging, and local secrets.

`headrace.config` is the object `config` of this package: all layers read settings from it, when
they need them (`config.flows.checkpointing`), and keep no copy. Importing reads nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.config.container import Config
from headrace.config.settings import Section, Settings, config
from headrace.config.temporary import set_temporary_config
from headrace.core.context import provide, provide_rest
from headrace.core.settings import AuthoringSettings, set_authoring_settings_source

if TYPE_CHECKING:
    from logging import Logger

    from headrace.config.loading import load_configuration

__all__ = [
    "Config",
    "Section",
    "Settings",
    "config",
    "load_configuration",
    "set_temporary_config",
]


def __getattr__(name: str) -> Any:
    # Few programs read files of their own, so what does it is not imported with Headrace.
    if name == "load_configuration":
        from headrace.config.loading import load_configuration

        return load_configuration
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _logger() -> Logger:
    from headrace.config.logging import get_logger

    return get_logger()


def _secrets() -> Any:
    return config.context.secrets


_authoring: AuthoringSettings | None = None


def _authoring_settings() -> AuthoringSettings:
    # Asked for with each new task, so it is put together only after a change.
    global _authoring
    if _authoring is None:
        defaults = config.tasks.defaults
        _authoring = AuthoringSettings(
            max_retries=defaults.max_retries,
            retry_delay=defaults.retry_delay,
            timeout=defaults.timeout,
            eager_edge_validation=config.flows.eager_edge_validation,
        )
    return _authoring


def _forget_authoring_settings(_name: str) -> None:
    global _authoring
    _authoring = None


config.subscribe(_forget_authoring_settings)
set_authoring_settings_source(_authoring_settings)
provide("config", lambda: config)
provide("secrets", _secrets)
provide("logger", _logger)
# What users keep under [context] in their file stands in the context from the start.
provide_rest(lambda: config.context)

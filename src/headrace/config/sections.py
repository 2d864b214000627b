"""The types of Headrace's own settings, for type checkers and editors; not imported at run time.

A test holds these to the table in `headrace.config.keys`.
"""

from __future__ import annotations

from datetime import timedelta

from headrace.config.settings import Section


class CloudSection(Section):
    """`cloud`: what tracked runs send to the server."""

    api_key: str
    logging_heartbeat: float
    send_flow_run_logs: bool
    use_local_secrets: bool


class ContextSection(Section):
    """`context`: what stands in `headrace.context` from the start."""

    secrets: Section


class StorageSection(Section):
    """`flows.defaults.storage`: the storage of a flow that names none."""

    add_default_labels: bool
    default_class: str


class FlowDefaultsSection(Section):
    """`flows.defaults`: what flows have that do not say otherwise."""

    storage: StorageSection


class FlowsSection(Section):
    """`flows`: how flows are built and run."""

    checkpointing: bool
    run_on_schedule: bool
    eager_edge_validation: bool
    park_after: float
    defaults: FlowDefaultsSection


class LoggingSection(Section):
    """`logging`: which log lines are shown, and how."""

    level: str | int
    format: str
    datefmt: str
    log_attributes: list[str]
    extra_loggers: list[str]


class RunsSection(Section):
    """`runs`: how patient the process of a tracked run is, and how much it keeps."""

    activation_timeout: float
    cancel_grace: float
    term_grace: float
    flush_timeout: float
    output_limit: int
    memory_limit: int


class AgentsSection(Section):
    """`agents`: what agents deploy runs with that do not say otherwise."""

    default_image: str


class TaskDefaultsSection(Section):
    """`tasks.defaults`: what tasks have that do not say otherwise."""

    max_retries: int
    retry_delay: timedelta | None
    timeout: float | None


class TasksSection(Section):
    """`tasks`: how tasks are made."""

    defaults: TaskDefaultsSection

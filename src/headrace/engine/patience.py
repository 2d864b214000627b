"""How long the process of a tracked run waits for what, and how much it keeps."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.config import config


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a supervisor waits for what, in seconds, and how many bytes it keeps.

    Attributes:
        activation: For an answer of the server, to begin.
        cancel_grace: For the runner, to clean up.
        term_grace: For the runner, after SIGTERM.
        flush: For a server that is away at the end.
        output: Bytes of what the run prints.
        memory: Bytes of events that are kept in memory.
        delivers_logs: Whether the server gets to know what the run prints.
    """

    activation: float
    cancel_grace: float
    term_grace: float
    flush: float
    output: int
    memory: int
    delivers_logs: bool = True

    @classmethod
    def from_config(cls) -> Patience:
        """Read it from the settings."""
        runs = config.runs
        return cls(
            activation=runs.activation_timeout,
            cancel_grace=runs.cancel_grace,
            term_grace=runs.term_grace,
            flush=runs.flush_timeout,
            output=runs.output_limit,
            memory=runs.memory_limit,
            delivers_logs=config.cloud.send_flow_run_logs,
        )

"""The run config of a process on the agent's own machine."""

from __future__ import annotations

import os
from dataclasses import dataclass

from headrace.run_configs.base import RunConfig


@dataclass(frozen=True, kw_only=True)
class LocalRun(RunConfig):
    """A process on the agent's own machine.

    Args:
        env: Environment variables for the process.
        working_dir: The folder that it starts in, made absolute here and now; by default the
            agent's.
        labels: Labels that an agent must have to take the flow run.

    Raises:
        RunConfigError: If an argument has a wrong type.
    """

    working_dir: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.working_dir, str | os.PathLike):
            self._set("working_dir", os.path.abspath(os.fspath(self.working_dir)))
        self._check_text("working_dir")

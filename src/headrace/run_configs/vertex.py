"""The run config of a custom job on Google's Vertex AI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.run_configs.base import RunConfig


@dataclass(frozen=True, kw_only=True)
class VertexRun(RunConfig):
    """A custom job on Google's Vertex AI.

    Args:
        env: Environment variables for the container.
        labels: Labels that an agent must have to take the flow run.
        image: The image; by default that of the flow's storage, or else the agent's.
        machine_type: The machine that the flow runs on.
        scheduling: The job's scheduling, such as its timeout, as Vertex AI's `CustomJobSpec` has it.
        service_account: The account that the job runs as.
        network: The full name of the network that the job is peered with.
        worker_pool_specs: The job's worker pools, in place of one of `machine_type`. The flow runs
            in the container of the first.

    Raises:
        RunConfigError: If an argument has a wrong type.
    """

    image: str | None = None
    machine_type: str = "e2-standard-4"
    scheduling: Mapping[str, Any] | None = None
    service_account: str | None = None
    network: str | None = None
    worker_pool_specs: Sequence[Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_text("image", "machine_type", "service_account", "network")
        self._check_dicts("scheduling")
        specs: object = self.worker_pool_specs
        if specs is None:
            return
        if isinstance(specs, str) or not isinstance(specs, Sequence):
            raise self._error(
                f"its worker_pool_specs must be a list of dicts, not a {type(specs).__name__}"
            )
        for spec in specs:
            if not isinstance(spec, Mapping):
                raise self._error(
                    f"its worker_pool_specs must be dicts, and one is a {type(spec).__name__}"
                )
        self._set("worker_pool_specs", list(specs))

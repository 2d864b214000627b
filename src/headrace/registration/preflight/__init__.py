"""What would fail in deployment, found before it is deployed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from headrace.registration.finding import LEVELS, Finding
from headrace.registration.preflight.agents import check_agents
from headrace.registration.preflight.loading import check_loading
from headrace.registration.preflight.pickling import check_pickling
from headrace.registration.preflight.results import check_results
from headrace.registration.preflight.run_configs import check_run_config
from headrace.registration.preflight.schedules import check_parameters, check_schedule
from headrace.registration.preflight.storages import check_storage

if TYPE_CHECKING:
    from headrace.client import Client
    from headrace.flow import Flow

__all__ = ["check_loading", "preflight"]


def preflight(
    flow: Flow,
    *,
    labels: Iterable[str] | None = None,
    client: Client | None = None,
    load: bool = True,
) -> list[Finding]:
    """Look for what would fail, or surprise, when a flow is deployed. Nothing of it is run.

    Args:
        flow: The flow, with its storage.
        labels: Labels that it is to be registered with besides its own.
        client: What speaks to the server, which is asked for its agents; None asks no server.
        load: Whether the flow is loaded back from its storage in a fresh process, which runs its
            file and takes as long as that does.

    Returns:
        What was found, the worst first. A flow of which nothing is found may still fail, where it
        runs in an environment that this machine knows nothing of.
    """
    found = [
        *check_storage(flow),
        *check_run_config(flow),
        *check_schedule(flow),
        *check_parameters(flow),
        *check_pickling(flow),
        *check_results(flow),
    ]
    if client is not None:
        found += check_agents(flow, labels, client)
    if load:
        found += check_loading(flow)
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))

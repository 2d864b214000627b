"""What Prometheus is told."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """Counters and gauges of one server process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "headrace_requests",
            "Requests that were answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "headrace_request_seconds",
            "How long requests took; long polls include their wait.",
            ["route"],
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30),
            registry=self.registry,
        )
        #: Rows of events, by `kind`: `task`, `flow`, `log`.
        self.ingested = Counter(
            "headrace_ingested",
            "Events of flow runs that were stored.",
            ["kind"],
            registry=self.registry,
        )
        self.claimed = Counter(
            "headrace_claimed", "Flow runs that were handed to agents.", registry=self.registry
        )
        self.writer_queue = Gauge(
            "headrace_writer_queue", "Writes that wait for their turn.", registry=self.registry
        )
        self.flow_runs = Gauge(
            "headrace_flow_runs", "Flow runs, by state.", ["state"], registry=self.registry
        )
        self.waiting_agents = Gauge(
            "headrace_waiting_agents",
            "Agents that wait for a flow run at this server process.",
            registry=self.registry,
        )

    def count(self, method: str, route: str, status: int, began: float | None) -> None:
        """Count an answer.

        Args:
            method: The request's method.
            route: The route's path, with its parameters' names.
            status: The answer's status.
            began: When the request came, as `time.perf_counter` counts; None if it met no route.
        """
        self.requests.labels(method, route, status).inc()
        if began is not None:
            self.request_seconds.labels(route).observe(time.perf_counter() - began)

    def render(self) -> bytes:
        """Return all of them as Prometheus reads them."""
        return generate_latest(self.registry)

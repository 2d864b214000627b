"""What is known of all deployments of an agent."""

from __future__ import annotations

import time
import tracemalloc

import msgspec

from headrace.agents.kubernetes.deployments import Deployments
from headrace.agents.kubernetes.objects import Pod
from headrace.agents.kubernetes.records import Bounds
from headrace.agents.launcher import Deployment, Waits

UNSCHEDULABLE = {
    "phase": "Pending",
    "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}],
}


def deployed(known: Deployments, number: int) -> Deployment:
    """Take in a run whose pod waits for a node."""
    labels = {"headrace.io/flow-run-id": f"run{number}", "headrace.io/attempt": "1"}
    name = f"headrace-run{number}-1"
    found = Deployment(flow_run_id=f"run{number}", attempt=1, handle=name)
    known.begin(found, "flow")
    metadata = {"name": f"{name}-abcde", "uid": str(number), "labels": labels}
    pod = {"metadata": metadata, "spec": {}, "status": UNSCHEDULABLE}
    known.see_pod(msgspec.convert(pod, Pod), False)
    return found


def test_what_is_over_takes_no_memory() -> None:
    known = Deployments(Bounds())
    lives = deployed(known, 0)
    tracemalloc.start()
    for number in range(1, 5001):
        over = deployed(known, number)
        known.wait(time.monotonic())
        known.forget(over.handle)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 200_000
    assert known.live() == [lives]


def test_what_was_left_out_is_still_looked_at() -> None:
    known = Deployments(Bounds(pending=0.3))
    waits = [deployed(known, number) for number in range(300)]
    for each in waits[1:]:
        known.forget(each.handle)
    until = time.monotonic() + 5
    news = []
    while time.monotonic() < until:
        news += [each for each in known.wait(until) if not isinstance(each, Waits)]
        if news:
            break
    assert [each.deployment for each in news] == [waits[0]]

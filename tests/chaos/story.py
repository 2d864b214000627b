"""What must hold of a run when it is over, whatever happened on the way."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec

from tests.chaos.quick import QuickPlace

FINISHED = {"Success", "Failed", "Cancelled"}


def check(place: QuickPlace, run: str, state: str = "Success") -> Any:
    """See that a run of the flow `held` ended once, and that its record is whole; return it."""
    shown = place.show(run)
    with place.client() as client:
        history = msgspec.to_builtins(client.flow_run_states(run))
        task_runs = list(client.task_runs(run))
        lines = list(client.logs(run))
    story = json.dumps(history, indent=1)
    assert shown["state"] == state, story
    current = [entry for entry in history if not entry.get("is_stale")]
    assert [entry["state"] for entry in current if entry["state"] in FINISHED] == [state], story
    assert current[-1]["state"] == state, story
    attempts = [entry["attempt"] for entry in current]
    assert attempts == sorted(attempts), story
    assert all(entry["message"] or entry["state"] in FINISHED for entry in history), story
    rows = Counter((each.slug, each.map_index) for each in task_runs)
    assert not [row for row, count in rows.items() if count > 1], rows
    if state == "Success":
        assert {each.state for each in task_runs} <= {"Success", "Mapped"}, task_runs
        assert {each.map_index for each in task_runs if each.slug == "double-1"} >= {0, 1, 2}
    written = Counter((line.attempt, line.message, line.at) for line in lines)
    assert not [line for line, count in written.items() if count > 1], "a line is there twice"
    return shown

"""What a batch means for who owns the run."""

import datetime

import pytest

from headrace.server.rules.batches import ENDINGS, ends_attempt, outline
from headrace.server.rules.ownership import Batch
from headrace.wire.events import EventBatch, FlowState, LogLine


def _batch(*events) -> EventBatch:
    return EventBatch(attempt=1, nonce="n1", first=7, events=list(events))


@pytest.mark.parametrize(
    ("state", "ending"),
    [
        ("Success", "Success"),
        ("Skipped", "Success"),
        ("Cached", "Success"),
        ("Failed", "Failed"),
        ("TriggerFailed", "Failed"),
        ("TimedOut", "Failed"),
        ("Cancelled", "Cancelled"),
    ],
)
def test_a_final_state_ends_the_run_in_one_of_three_ways(state: str, ending: str):
    event = FlowState(at=1.0, type=state, message="because")
    assert ends_attempt(event)
    assert outline(_batch(event)) == Batch(first=7, count=1, ending=ending, message="because")


def test_what_is_not_final_ends_nothing():
    assert set(ENDINGS.values()) == {"Success", "Failed", "Cancelled"}
    assert "Looped" not in ENDINGS
    line = LogLine(at=1.0, message="x")
    assert outline(_batch(line, FlowState(at=1.0, type="Running"))) == Batch(first=7, count=2)
    assert outline(_batch()) == Batch(first=7, count=0)


def test_a_run_is_parked_until_a_time_or_a_person():
    due = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
    timed = FlowState(at=1.0, type="Scheduled", due=due.timestamp())
    assert outline(_batch(timed)) == Batch(first=7, count=1, parked=True, parked_until=due)
    paused = FlowState(at=1.0, type="Paused", message="Look.")
    assert outline(_batch(paused)) == Batch(first=7, count=1, parked=True, message="Look.")

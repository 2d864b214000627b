"""Bodies that are batches of events, and those that are refused, with what is wrong named."""

import msgspec
import pytest

from headrace.server.problems import Refusal
from headrace.server.rules.texts import LONGEST
from headrace.server.services.ingest import MOST_EVENTS, decode
from headrace.wire.events import Event, EventBatch, FlowState, LogLine, Renamed, TaskState


def _body(*events: Event, **fields) -> bytes:
    batch = EventBatch(**{"attempt": 1, "nonce": "n1", "events": list(events)} | fields)
    return msgspec.json.encode(batch)


def test_a_batch_is_what_was_sent():
    events = [
        TaskState(at=1.5, slug="a", type="Success", map_index=3),
        LogLine(at=1.5, message="x"),
        Renamed(at=2, name="new"),
        FlowState(at=2.5, type="Success"),
    ]
    assert decode(_body(*events)) == EventBatch(attempt=1, nonce="n1", events=events)
    assert decode(_body()) == EventBatch(attempt=1, nonce="n1")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "truncated"),
        (b"[]", "Expected `object`"),
        (b'{"attempt":1}', "nonce"),
        (b'{"attempt":1,"nonce":"\xff"}', "utf-8"),
        (b'{"attempt":1,"nonce":"n","typo":1}', "typo"),
        (b'{"attempt":1,"nonce":"n","events":[{"event":"dance","at":1}]}', r"events\[0\].*event"),
        (_body(attempt=0), "`attempt` is 0"),
        (_body(attempt=2**40), "`attempt` is"),
        (_body(first=0), "`first` is 0"),
        (_body(first=2**63), "`first` is"),
        (_body(LogLine(at=-1.0, message="x")), r"`events\[0\]`: `at` is -1.0"),
        (_body(LogLine(at=1e300, message="x")), "`at` is 1e\\+?300"),
        (_body(TaskState(at=1, slug="", type="Success")), "a slug has 1 to"),
        (_body(TaskState(at=1, slug="x" * 1001, type="Success")), "and this one 1001"),
        (_body(TaskState(at=1, slug="a", type="Sucess")), "no state 'Sucess'"),
        (_body(TaskState(at=1, slug="a", type="Success", map_index=-2)), "`map_index` is -2"),
        (_body(TaskState(at=1, slug="a", type="Success", map_index=2**31)), "`map_index` is"),
        (_body(TaskState(at=1, slug="a", type="Success", run_count=-1)), "`run_count` is -1"),
        (_body(TaskState(at=1, slug="a", type="Mapped", children=2**40)), "`children` is"),
        (_body(TaskState(at=1, slug="a", type="Retrying", due=1e20)), "`due` is"),
        (_body(TaskState(at=1, slug="a", type="Success", started=-5.0)), "`started` is"),
        (_body(LogLine(at=1, message="x", level=2**40)), "`level` is"),
        (_body(LogLine(at=1, message="x", map_index=-7)), "`map_index` is -7"),
        (_body(LogLine(at=1, message="x", slug="x" * 1001)), "a slug has"),
        (_body(FlowState(at=1, type="Looped")), "no state 'Looped'; it has .*Success"),
        (_body(FlowState(at=1, type="Scheduled", due=-1.0)), "`due` is -1.0"),
        (_body(Renamed(at=1, name="")), "a name has 1 to"),
        (
            _body(FlowState(at=1, type="Success"), LogLine(at=1, message="x")),
            r"events\[0\].*events follow the flow run's state 'Success'",
        ),
        (
            _body(FlowState(at=1, type="Paused"), LogLine(at=1, message="x")),
            "events follow the flow run's state 'Paused'",
        ),
    ],
)
def test_a_batch_that_cannot_be_stored_is_refused_as_a_whole(body: bytes, told: str):
    with pytest.raises(Refusal, match=told) as raised:
        decode(body)
    assert (raised.value.status, raised.value.code) == (400, "invalid")
    assert "refused as a whole" in raised.value.message


def test_too_many_events_are_refused():
    events = [Renamed(at=1, name="x")] * (MOST_EVENTS + 1)
    with pytest.raises(Refusal, match="holds 10001 events") as raised:
        decode(_body(*events))
    assert raised.value.status == 413
    assert len(decode(_body(*events[1:])).events) == MOST_EVENTS


def test_states_that_only_say_how_the_run_fares_may_be_followed():
    decode(_body(FlowState(at=1, type="Running"), LogLine(at=1, message="x")))


def test_long_texts_are_cut_with_a_note_of_how_much():
    long = "x" * (LONGEST + 5)
    state = TaskState(at=1, slug="a", type="Failed", message=long, location=long, name="n")
    batch = decode(_body(LogLine(at=1, message=long), state))
    cut = "x" * LONGEST + " […: 5 characters omitted]"
    assert [event.message for event in batch.events] == [cut, cut]
    whole = "y" * LONGEST
    assert decode(_body(LogLine(at=1, message=whole))).events[0].message == whole


def test_what_no_database_keeps_is_replaced():
    texts = {"message": "a\0b", "place": "h\0:1", "location": "\0", "name": "n\0"}
    batch = decode(
        _body(
            TaskState(at=1, slug="s\0", type="Success", **texts),
            LogLine(at=1, message="\0", logger="l\0", slug="\0"),
            Renamed(at=1, name="r\0"),
            FlowState(at=1, type="Failed", message="f\0"),
            nonce="n\0",
        )
    )
    assert "\0" not in repr(msgspec.structs.asdict(batch)).replace("\\x00", "\0")
    assert batch.nonce == "n\N{REPLACEMENT CHARACTER}"

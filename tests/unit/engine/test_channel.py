"""The frames between a runner and its supervisor."""

from __future__ import annotations

import socket

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import ChannelError
from headrace.engine.channel import (
    EVENTS,
    ORDERS,
    FrameReader,
    Orders,
    events_frame,
    final_state,
    frame,
    orders_frame,
    read_frames,
    read_orders,
    receive_run,
    split_events,
)
from headrace.engine.reporting import Reporting
from headrace.wire.events import Event, FlowState, LogLine, TaskState


@given(st.lists(st.tuples(st.sampled_from([b"R", b"O", b"E"]), st.binary())), st.data())
def test_frames_are_whole_however_their_bytes_arrive(
    frames: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(frame(*each) for each in frames)
    reader = FrameReader()
    read = []
    while stream:
        count = data.draw(st.integers(1, len(stream)))
        read += list(reader.feed(stream[:count]))
        stream = stream[count:]
    assert read == frames


@pytest.mark.parametrize("head", [b"\x00\x00\x00\x00E", b"\xff\xff\xff\xffE", b"HTTP/1.1"])
def test_what_is_no_frame_is_named(head: bytes) -> None:
    with pytest.raises(ChannelError, match="do not understand"):
        list(FrameReader().feed(head))


def test_orders_arrive_as_they_were_given() -> None:
    orders = Orders(cancel="by Ada", lease_until=12.5)
    ((kind, payload),) = FrameReader().feed(orders_frame(orders))
    assert kind == ORDERS
    assert read_orders(payload) == orders


def test_a_channel_begins_with_what_to_run() -> None:
    with pytest.raises(ChannelError, match="does not begin"):
        receive_run(iter([(ORDERS, b"{}")]))
    with pytest.raises(ChannelError, match="does not begin"):
        receive_run(iter([]))


def test_the_state_that_ends_a_run_is_found_without_reading_the_rest() -> None:
    end = FlowState(at=3.0, type="Success", message='said "yes"')
    trap = LogLine(at=1.0, message='{"event":"flow","at":1.0,"type":"Failed"}')
    assert final_state(_array([trap, TaskState(at=2.0, slug="a", type="Success"), end])) == end
    assert final_state(_array([trap])) is None
    assert final_state(_array([end, trap])) is None
    assert final_state(_array([FlowState(at=3.0, type="Running")])) is None


def _array(events: list[Event]) -> bytes:
    ((kind, payload),) = FrameReader().feed(events_frame(events))
    assert kind == EVENTS
    count, raw = split_events(payload)
    assert count == len(events)
    return raw


# -- the runner's end -------------------------------------------------------------------------


def _received(sock: socket.socket) -> list[LogLine]:
    lines: list[LogLine] = []
    for _, payload in read_frames(sock):
        lines += msgspec.json.decode(split_events(payload)[1], type=list[LogLine])
    return lines


def test_events_arrive_in_order_and_none_is_missing() -> None:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    reporting = Reporting(theirs)
    for number in range(3000):
        reporting.emit(LogLine(at=0.0, message=str(number)))
    reporting.close()
    assert [line.message for line in _received(ours)] == [str(number) for number in range(3000)]
    ours.close()


def test_what_must_be_durable_is_so_before_an_event_is_sent() -> None:
    ours, theirs = socket.socketpair()
    done: list[str] = []
    waiting: list[str] = []
    reporting = Reporting(theirs, lambda: done.extend(waiting))
    waiting.append("checkpoint")
    reporting.emit(LogLine(at=0.0, message="it succeeded"))
    ours.recv(100)
    assert done[:1] == ["checkpoint"]
    reporting.close()
    ours.close()


def test_text_that_is_no_unicode_is_sent_as_well_as_it_can_be() -> None:
    ours, theirs = socket.socketpair()
    reporting = Reporting(theirs)
    reporting.emit(LogLine(at=0.0, message="a \ud800 b"))
    reporting.close()
    assert [line.message for line in _received(ours)] == ["a ? b"]
    ours.close()


def test_a_runner_without_a_supervisor_is_not_held_up() -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    reporting = Reporting(theirs)
    for _ in range(10):
        reporting.emit(LogLine(at=0.0, message="nobody hears it"))
    reporting.close()
    assert reporting.is_lost

"""Events on their way: none lost, none twice, in order, whatever the server confirms and the disk takes."""

import errno
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.engine.backlog import MOST_BYTES, MOST_EVENTS, Backlog
from headrace.engine.spool import Spool
from headrace.wire.events import FlowState, LogLine, TaskState


def _events(*numbers, size=0):
    lines = [LogLine(at=1.0, message=str(number) + "x" * size) for number in numbers]
    return msgspec.json.encode(lines), len(lines)


def _raw(*events):
    return [msgspec.Raw(msgspec.json.encode(event)) for event in events]


def _numbers(array):
    return [int(event["message"].rstrip("x")) for event in json.loads(array)]


class FullSpool(Spool):
    """A disk that has room only sometimes."""

    full = False

    def append(self, first, count, text):
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().append(first, count, text)


_steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 40)),
        st.tuples(st.just("confirm"), st.integers(0, 60)),
        st.tuples(st.sampled_from(["away", "full", "room", "crash"]), st.just(0)),
    ),
    max_size=30,
)


@given(steps=_steps)
def test_a_server_gets_everything_once_and_in_order(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("backlog") / "spool"
    spool = FullSpool(path)
    backlog = Backlog(spool, memory=10_000)
    put, stored = 0, []
    for step, amount in steps:
        if step == "put":
            backlog.put(*_events(*range(put + 1, put + amount + 1)))
            put += amount
        elif step == "confirm":
            first, count, array = backlog.batch()
            assert first <= len(stored) + 1
            taken = _numbers(array)[len(stored) + 1 - first :][:amount]
            stored += taken
            assert count == len(_numbers(array))
            backlog.stored(len(stored))
        elif step == "away":
            backlog.write_down()
        elif step in ("full", "room"):
            spool.full = step == "full"
            backlog._disk_from = 0.0
        elif not spool.full:
            backlog.close()
            spool = FullSpool(path)
            first = backlog.first
            backlog = Backlog(spool, memory=10_000)
            if not len(backlog):
                backlog.number_from(first)
    while len(backlog):
        first, _, array = backlog.batch()
        stored += _numbers(array)[len(stored) + 1 - first :]
        backlog.stored(len(stored))
    assert stored == list(range(1, put + 1))


def test_batches_are_bounded(tmp_path):
    backlog = Backlog(Spool(tmp_path / "spool"))
    backlog.put(*_events(*range(1, 1201)))
    backlog.put(*_events(*range(1201, 1204), size=MOST_BYTES // 2))
    seen = []
    while len(backlog):
        first, count, array = backlog.batch()
        assert count <= MOST_EVENTS
        assert len(array) <= MOST_BYTES + 1000
        seen += _numbers(array)
        backlog.stored(first + count - 1)
    assert seen == list(range(1, 1204))


def test_without_room_log_lines_are_left_out_and_counted_and_states_are_kept(tmp_path):
    spool = FullSpool(tmp_path / "spool")
    spool.full = True
    backlog = Backlog(spool, memory=2_000)
    for number in range(100):
        backlog.put_event(LogLine(at=1.0, message="x" * 100))
        backlog.put_event(TaskState(at=1.0, slug=f"t-{number}", type="Success"))
    found = []
    while len(backlog):
        first, count, array = backlog.batch()
        found += json.loads(array)
        backlog.stored(first + count - 1)
    slugs = [event["slug"] for event in found if event["event"] == "task"]
    assert slugs == [f"t-{number}" for number in range(100)]
    lines = [event["message"] for event in found if event["event"] == "log"]
    omitted = sum(int(line.split()[0]) for line in lines if "omitted" in line)
    assert omitted == 100 - lines.count("x" * 100)
    assert omitted > 50


def test_what_was_left_out_is_said_before_the_end_after_which_nothing_may_come(tmp_path):
    spool = FullSpool(tmp_path / "spool")
    spool.full = True
    backlog = Backlog(spool, memory=2_000)
    for _ in range(50):
        backlog.put(*_events(1, size=100))
    last = [*_raw(LogLine(at=1.0, message="y" * 100)), *_raw(FlowState(at=1.0, type="Success"))]
    backlog.put(msgspec.json.encode(last), 2, ends=True)
    found = []
    while len(backlog):
        first, count, array = backlog.batch()
        found += json.loads(array)
        backlog.stored(first + count - 1)
    assert [event["event"] for event in found[-2:]] == ["log", "flow"]
    kept = sum("omitted" not in event["message"] for event in found[:-2])
    assert found[-2]["message"].startswith(f"{51 - kept} log lines omitted")


def test_an_event_can_be_sent_alone_and_replaced(tmp_path):
    backlog = Backlog(Spool(tmp_path / "spool"))
    backlog.put(*_events(1, 2, 3))
    backlog.put(*_events(4))
    backlog.isolate_first()
    first, count, array = backlog.batch()
    assert (first, count, _numbers(array)) == (1, 1, [1])
    backlog.stored(1)
    backlog.replace_first(msgspec.json.encode(LogLine(at=1.0, message="20")))
    assert _numbers(backlog.batch()[2]) == [20]
    backlog.stored(2)
    backlog.stored(3)
    backlog.put(*_events(5))
    assert backlog.batch()[:2] == (4, 2)


def test_what_the_server_has_lost_is_not_asked_for_again(tmp_path):
    backlog = Backlog(Spool(tmp_path / "spool"))
    backlog.put(*_events(1, 2))
    backlog.stored(2)
    backlog.put(*_events(3))
    backlog.number_from(2)
    assert backlog.batch()[:2] == (2, 1)
    backlog.stored(2)
    assert len(backlog) == 0
    backlog.put(*_events(4))
    assert backlog.first == 3


def test_nothing_is_nothing(tmp_path):
    backlog = Backlog(Spool(tmp_path / "spool"))
    backlog.put(b"[]", 0)
    assert len(backlog) == 0
    assert backlog.batch() == (1, 0, b"[]")
    backlog.close()
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize("array", [b"[1,2", b"{}"])
def test_a_large_array_that_is_none_is_an_error(tmp_path, array):
    backlog = Backlog(Spool(tmp_path / "spool"))
    with pytest.raises(msgspec.DecodeError):
        backlog.put(array, MOST_EVENTS + 1)

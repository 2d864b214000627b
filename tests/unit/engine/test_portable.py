"""What travels between processes: outcomes, exceptions and log lines as bytes."""

import copyreg
import logging
import pickle
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import signals
from headrace.core.context import FlowRunContext
from headrace.core.errors import SerializationError
from headrace.engine.chunk import Chunk
from headrace.engine.outcome import Outcome
from headrace.engine.portable import LogLines, RemoteError, pack, unpack
from headrace.engine.step import Step
from headrace.states import Cached, Failed, Looped, Mapped, Paused, Retrying, Skipped, Success

CHUNK = Chunk("key", FlowRunContext("flow", "run", "run", {}), [], [Step(0, "slug-1", 4, {})])

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def travelled(state, **kwargs):
    return unpack(pack(Outcome(0, state, **kwargs), CHUNK))


@given(
    values,
    st.sampled_from([Success, Skipped, Cached, Retrying, Paused, Looped]),
    st.integers(0, 9),
)
def test_states_arrive_as_they_were_sent(value, kind, length):
    state = kind("message", result=value, context={"a": 1})
    outcome = travelled(state, length=length, seconds=0.5, kept=True)
    arrived = outcome.state
    assert type(arrived) is kind
    assert (arrived.message, arrived.result, arrived.context) == ("message", value, {"a": 1})
    assert arrived == state
    assert (outcome.position, outcome.length, outcome.seconds, outcome.kept) == (
        0,
        length,
        0.5,
        True,
    )


def test_a_mapped_state_brings_its_children():
    state = Mapped(map_states=[Success(result=1), None, Failed("no")], n_map_states=3)
    assert travelled(state).state == state


class Particular(Exception):
    """Pickles, but cannot be made again: its constructor wants more than `args` has."""

    def __init__(self, code, reason):
        super().__init__(f"{code}: {reason}")


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError(1), signals.FAIL("no"), OSError(2, "gone")]
)
def test_exceptions_arrive_as_they_were_sent(error):
    arrived = travelled(Failed("failed", result=error)).state
    assert type(arrived.result) is type(error)
    assert arrived.result.args == error.args


def test_an_exception_that_cannot_be_made_again_arrives_as_text(monkeypatch):
    # Once Dask was imported, its tblib makes most exceptions again after all.
    monkeypatch.delitem(copyreg.dispatch_table, Particular, raising=False)
    arrived = travelled(Failed("failed", result=Particular(7, "because"))).state
    assert arrived.message == "failed"
    assert isinstance(arrived.result, RemoteError)
    assert "7: because" in str(arrived.result)


def test_a_value_that_cannot_be_pickled_fails_its_task_run_and_names_it():
    arrived = travelled(Success(result=threading.Lock())).state
    assert type(arrived) is Failed
    assert isinstance(arrived.result, SerializationError)
    assert "slug-1[4]" in arrived.message
    assert "lock" in arrived.message


def test_what_only_cloudpickle_can_pickle_arrives():
    assert travelled(Success(result=lambda x: x + 1)).state.result(1) == 2


def test_log_lines_are_handed_to_the_loggers_that_they_were_written_for():
    seen = []
    handler = logging.Handler()
    handler.emit = seen.append
    logger = logging.getLogger("headrace.elsewhere")
    logger.addHandler(handler)
    try:
        fields = {"name": logger.name, "msg": "hello", "args": None, "levelno": logging.ERROR}
        lines = LogLines([fields])
        unpack(pickle.dumps(lines)).replay()
    finally:
        logger.removeHandler(handler)
    assert [(record.name, record.getMessage()) for record in seen] == [(logger.name, "hello")]


def test_what_is_no_bytes_is_taken_as_it_is():
    outcome = Outcome(0, Success())
    assert unpack(outcome) is outcome

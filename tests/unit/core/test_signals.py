"""Signals become states, are not swallowed, and travel."""

import datetime
import pickle

import pytest

from headrace import signals, states

KINDS = {
    signals.FAIL: states.Failed,
    signals.TRIGGERFAIL: states.TriggerFailed,
    signals.VALIDATIONFAIL: states.ValidationFailed,
    signals.SUCCESS: states.Success,
    signals.SKIP: states.Skipped,
    signals.RETRY: states.Retrying,
    signals.PAUSE: states.Paused,
    signals.LOOP: states.Looped,
}


@pytest.mark.parametrize(("signal", "state"), KINDS.items())
def test_each_becomes_its_state(signal, state):
    raised = signal("why")
    assert type(raised.state) is state
    assert (raised.state.message, str(raised)) == ("why", "why")
    assert raised.state.result is (None if signal is signals.LOOP else raised)


@pytest.mark.parametrize("signal", KINDS)
def test_a_result_may_be_given(signal):
    assert signal("why", result=5).state.result == 5
    assert signal(result=None).state.result is None


@pytest.mark.parametrize("signal", KINDS)
def test_an_except_of_exceptions_does_not_swallow_it(signal):
    with pytest.raises(signal):
        try:
            raise signal("out")
        except Exception:
            pytest.fail("swallowed")


@pytest.mark.parametrize("signal", KINDS)
@pytest.mark.parametrize("kwargs", [{}, {"result": [1, 2]}])
def test_it_travels(signal, kwargs):
    sent = signal("why", **kwargs)
    arrived = pickle.loads(pickle.dumps(sent))
    assert type(arrived) is signal
    assert type(arrived.state) is type(sent.state)
    assert arrived.state.message == "why"
    if kwargs or signal is signals.LOOP:
        assert arrived.state.result == sent.state.result
    else:
        assert arrived.state.result is arrived


def test_what_is_its_own_travels_too():
    when = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    retry = pickle.loads(pickle.dumps(signals.RETRY("later", start_time=when, run_count=4)))
    assert (retry.state.start_time, retry.state.run_count) == (when, 4)
    loop = pickle.loads(pickle.dumps(signals.LOOP("on", result=1, loop_count=6)))
    assert (loop.state.loop_count, loop.state.result) == (6, 1)


@pytest.mark.parametrize(("signal", "state"), KINDS.items())
def test_the_signal_of_a_state(signal, state):
    assert signals.signal_from_state(state()) is signal


def test_not_every_state_has_a_signal():
    with pytest.raises(ValueError, match="Running"):
        signals.signal_from_state(states.Running())

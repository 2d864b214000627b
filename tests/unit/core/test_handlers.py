import pickle

from headrace.core.handlers import callback_factory, on_failure_handler
from headrace.core.states import Failed, Running, Success, TriggerFailed


def test_the_callback_hears_of_states_that_pass_the_check():
    seen = []
    handler = callback_factory(lambda obj, state: seen.append((obj, state)), State_is_finished)
    done = Success()
    assert handler("task", Running(), done) is done
    handler("task", done, Running())
    assert seen == [("task", done)]


def State_is_finished(state):
    return state.is_finished()


def test_what_the_callback_returns_is_ignored():
    handler = on_failure_handler(lambda obj, state: Success())
    failed = TriggerFailed()
    assert handler("task", Running(), failed) is failed


def test_handlers_travel():
    handler = pickle.loads(pickle.dumps(callback_factory(print, State_is_finished)))
    assert handler.fn is print
    assert isinstance(on_failure_handler(print)("t", Running(), Failed()), Failed)

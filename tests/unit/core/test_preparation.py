"""What travels in front of tasks: the calls that a process makes before it unpickles them."""

import pickle

import pytest

from headrace.core import preparation

made = []


def note():
    made.append("prepared")


class Witness:
    """Notes when it is unpickled."""

    def __reduce__(self):
        return _unpickle, ()


def _unpickle():
    made.append("unpickled")
    return Witness()


@pytest.fixture(autouse=True)
def no_calls(monkeypatch):
    made.clear()
    monkeypatch.setattr(preparation, "_calls", {})


def sent():
    preparation.prepare_with("note", note)
    data = pickle.dumps((preparation.preparation(), Witness()))
    preparation._calls.clear()  # as it is in the process that it is sent to
    return data


def test_the_calls_are_made_before_what_follows_is_unpickled():
    pickle.loads(sent())
    assert made == ["prepared", "unpickled"]


def test_a_process_makes_a_call_once():
    data = sent()
    pickle.loads(data)
    pickle.loads(data)
    assert made == ["prepared", "unpickled", "unpickled"]


def test_a_process_that_was_prepared_prepares_those_that_it_sends_tasks_to():
    data = sent()
    pickle.loads(data)
    further = pickle.dumps(preparation.preparation())
    preparation._calls.clear()
    pickle.loads(further)
    assert made == ["prepared", "unpickled", "prepared"]


def test_where_nothing_is_to_be_done_nothing_travels():
    assert preparation.preparation() is None

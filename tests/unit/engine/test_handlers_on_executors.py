"""State handlers on every executor, and what `flow.run()` keeps away from there."""

import datetime
import socket

import pytest

from headrace import Flow, task
from headrace.debug import raise_on_exception
from headrace.executors import LocalDaskExecutor, LocalExecutor
from headrace.signals import FAIL, PAUSE, RETRY, SUCCESS
from headrace.states import Failed, Paused, Skipped, Success, TriggerFailed
from tests.support.executors import OtherPool


class Broken:
    """Raises at any touch but being held."""

    def __getattribute__(self, name):
        raise AssertionError(f"somebody asked for {name!r}")

    def __bool__(self):
        raise AssertionError("somebody asked whether it is true")

    def __eq__(self, other):
        raise AssertionError("somebody compared it")

    __hash__ = object.__hash__


@pytest.fixture(params=["local", "threads", "synchronous", "other"])
def executor(request):
    if request.param == "local":
        return LocalExecutor()
    return OtherPool() if request.param == "other" else LocalDaskExecutor(request.param)


@task
def numbers():
    return [1, 2, 3]


@task
def double(x):
    return 2 * x


@task
def fails(x=None):
    raise ValueError(x)


def test_storage_and_run_config_may_be_broken(executor):
    with Flow("broken", storage=Broken(), run_config=Broken(), executor=executor) as flow:
        doubled = double.map(numbers())
    assert flow.run().result[doubled].result == [2, 4, 6]


def test_no_socket_is_opened_with_the_local_executor(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a socket was made")

    with Flow("alone") as flow:
        doubled = double.map(numbers())
        fails(doubled)
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert flow.run().result[doubled].result == [2, 4, 6]


def test_what_hangs_on_a_failure_is_decided_and_its_function_never_called(executor):
    called = []

    @task
    def note(x):
        called.append(x)

    with Flow("decided", executor=executor) as flow:
        bad = fails(1)
        plain = note(bad)
        mapped = note.map(fails.map([1, 2]))
        after = note(plain)
    state = flow.run()
    assert called == []
    assert type(state.result[plain]) is TriggerFailed
    assert type(state.result[after]) is TriggerFailed
    assert [type(child) for child in state.result[mapped].map_states] == [TriggerFailed] * 2


def test_an_exception_can_be_let_out(executor):
    with Flow("out", executor=executor) as flow:
        fails("here")
    assert flow.run().is_failed()
    with raise_on_exception(), pytest.raises(ValueError, match="here"):
        flow.run()


# -- state handlers ---------------------------------------------------------------------------


def test_handlers_hear_of_each_change_in_order(executor):
    heard = []

    def first(task, old, new):
        heard.append(("first", type(old).__name__, type(new).__name__))

    def second(task, old, new):
        heard.append(("second", type(old).__name__, type(new).__name__))

    @task(state_handlers=[first, second], max_retries=1, retry_delay=datetime.timedelta(0))
    def fails_always():
        raise ValueError

    with Flow("handlers", executor=executor) as flow:
        fails_always()
    flow.run()
    changes = [
        ("Pending", "Running"),
        ("Running", "Failed"),
        ("Failed", "Retrying"),
        ("Retrying", "Running"),
        ("Running", "Failed"),
    ]
    assert heard == [(who, *change) for change in changes for who in ("first", "second")]


def test_a_state_that_a_handler_returns_takes_the_place(executor):
    seen = []

    def mend(task, old, new):
        return Success("mended", result=7) if new.is_failed() else None

    def look(task, old, new):
        seen.append(type(new))

    with Flow("mended", executor=executor) as flow:
        mended = fails(task_args={"state_handlers": [mend, look]})
        doubled = double(mended)
    state = flow.run()
    assert state.result[mended].message == "mended"
    assert state.result[doubled].result == 14
    assert Failed not in seen
    assert state.is_successful()


def test_a_handler_may_skip_before_the_function_is_called(executor):
    called = []

    def skip(task, old, new):
        return Skipped("not today") if new.is_running() else new

    @task(state_handlers=[skip])
    def note():
        called.append(1)

    with Flow("skipped", executor=executor) as flow:
        skipped = note()
    assert type(flow.run().result[skipped]) is Skipped
    assert called == []


def test_a_handler_that_raises_fails_its_task_run_alone(executor):
    def raises(task, old, new):
        raise RuntimeError("in the handler")

    with Flow("raises", executor=executor) as flow:
        bad = double(1, task_args={"state_handlers": [raises]})
        good = double(2)
    state = flow.run()
    assert type(state.result[bad]) is Failed
    assert str(state.result[bad].result) == "in the handler"
    assert state.result[good].result == 4


@pytest.mark.parametrize(
    ("signal", "kind"), [(FAIL("no"), Failed), (SUCCESS("yes", result=3), Success)]
)
def test_a_signal_in_a_handler_is_the_state(executor, signal, kind):
    def raises(task, old, new):
        if not new.is_running():
            raise signal

    with Flow("signal", executor=executor) as flow:
        signalled = double(1, task_args={"state_handlers": [raises]})
    assert type(flow.run().result[signalled]) is kind


def test_a_flows_handlers_hear_of_it_and_may_replace_its_state():
    heard = []

    def hear(flow, old, new):
        heard.append((type(old).__name__, type(new).__name__))

    def forgive(flow, old, new):
        return Success("forgiven", result=new.result) if new.is_failed() else new

    with Flow("forgiven", state_handlers=[forgive, hear]) as flow:
        bad = fails()
    state = flow.run()
    assert state.message == "forgiven"
    assert state.result[bad].is_failed()
    assert heard == [("Scheduled", "Running"), ("Running", "Success")]


def test_a_pause_with_a_time_is_waited_for_and_retries_by_signal_are_counted(executor):
    from headrace import context

    @task
    def again():
        if context.task_run_count < 3:
            raise RETRY(start_time=datetime.datetime.now(datetime.UTC))
        return context.task_run_count

    @task
    def rests():
        if not context.get("resume"):
            soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=0.02)
            raise PAUSE(start_time=soon)
        return "rested"

    @task
    def waits_for_a_person():
        raise PAUSE("ask me")

    with Flow("waits", executor=executor) as flow:
        counted, rested = again(), rests()
    state = flow.run()
    assert state.result[counted].result == 3
    assert state.result[rested].result == "rested"
    with Flow("paused", executor=executor) as paused:
        asked = waits_for_a_person()
    state = paused.run()
    assert not state.is_finished()
    assert type(state.result[asked]) is Paused

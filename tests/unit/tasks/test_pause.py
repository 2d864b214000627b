import datetime

import pytest

from headrace import Flow, pause_task, task
from headrace.core.errors import TaskTypeError
from headrace.core.now import now
from headrace.engine.flow_runner import FlowRunner
from headrace.signals import PAUSE
from headrace.states import Mapped, Paused, Pending, Resume, Running, Success


@task
def same(x):
    return x


@task
def ask(x):
    pause_task(f"Take {x}?")
    return x + 1


@pytest.fixture
def paused():
    """A flow, its tasks by role, and the state of a run that paused."""
    with Flow("f") as flow:
        before = same(1)
        asks = ask(before)
        after = same(asks)
    return flow, (before, asks, after), flow.run()


def test_the_task_and_the_run_wait(paused):
    _, (before, asks, after), state = paused
    assert isinstance(state, Running)
    assert "Task 'ask' is paused" in state.message
    assert isinstance(state.result[before], Success)
    assert isinstance(state.result[asks], Paused)
    assert state.result[asks].message == "Take 1?"
    assert state.result[asks].start_time is None
    assert isinstance(state.result[after], Pending)


def test_resumed_with_the_states_of_the_run_nothing_runs_twice(paused):
    flow, (before, asks, after), state = paused
    state.result[before].result = 41
    state = flow.run(task_states={**state.result, asks: Resume()})
    assert isinstance(state, Success)
    assert state.result[after].result == 42


def test_resumed_with_nothing_else_all_runs_again(paused):
    flow, (_, asks, after), _ = paused
    state = flow.run(task_states={asks: Resume()})
    assert state.result[after].result == 2


def test_not_resumed_it_pauses_again(paused):
    flow, (_, asks, _), state = paused
    state = flow.run(task_states=state.result)
    assert isinstance(state.result[asks], Paused)


def test_after_its_duration_it_goes_on_by_itself():
    @task
    def wait():
        pause_task(duration=datetime.timedelta(milliseconds=30))
        return now()

    with Flow("f") as flow:
        waits = wait()
    begun = now()
    state = flow.run()
    assert state.result[waits].result - begun >= datetime.timedelta(milliseconds=30)


def test_a_long_pause_is_not_waited_for_by_a_runner_without_patience():
    @task
    def wait():
        pause_task("later", duration=datetime.timedelta(hours=1))

    with Flow("f") as flow:
        waits = wait()
    state = FlowRunner(flow).run(return_tasks=[waits])
    assert isinstance(state, Running)
    remaining = state.result[waits].start_time - now()
    assert datetime.timedelta(minutes=59) < remaining <= datetime.timedelta(hours=1)


def test_mapped_each_child_pauses_and_is_resumed_by_itself():
    with Flow("f") as flow:
        asks = ask.map([1, 2])
        after = same.map(asks)
    state = flow.run()
    assert [type(child) for child in state.result[asks].map_states] == [Paused, Paused]
    given = Mapped(map_states=[Resume(), state.result[asks].map_states[1]])
    state = flow.run(task_states={asks: given})
    assert [type(child) for child in state.result[after].map_states] == [Success, Pending]


def test_resuming_a_mapped_task_resumes_all_its_children():
    with Flow("f") as flow:
        asks = ask.map([1, 2])
    assert flow.run(task_states={asks: Resume()}).result[asks].result == [2, 3]


def test_outside_of_a_run_the_signal_says_what_it_is():
    with pytest.raises(PAUSE, match="resume it to let it go on"):
        pause_task()


@pytest.mark.parametrize("duration", [5, "1 h"])
def test_a_duration_that_is_none_is_refused(duration):
    with pytest.raises(TaskTypeError, match="give a timedelta"):
        pause_task(duration=duration)

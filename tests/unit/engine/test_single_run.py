"""`TaskRunner(task).run(...)`: one task by itself, with upstream states given by hand."""

import datetime

import pytest

from headrace import Edge, Task, context, task, triggers
from headrace.core.now import now
from headrace.engine.task_runner import TaskRunner
from headrace.signals import LOOP
from headrace.states import (
    Failed,
    Mapped,
    Paused,
    Pending,
    Resume,
    Retrying,
    Running,
    Skipped,
    Success,
    TriggerFailed,
)

HOUR = datetime.timedelta(hours=1)


@task
def one():
    return 1


@task
def double(x):
    return 2 * x


@task
def count():
    return context.task_run_count


def edge(downstream, key="x", mapped=False):
    return Edge(Task(), downstream, key=key, mapped=mapped)


def test_a_task_without_upstream():
    assert TaskRunner(one).run().result == 1


def test_inputs_come_from_the_upstream_states():
    state = TaskRunner(double).run(upstream_states={edge(double): Success(result=4)})
    assert state.result == 8


@pytest.mark.parametrize("state", [Success(), Failed(), Skipped(), Running()])
def test_what_is_over_or_under_way_stays(state):
    assert TaskRunner(one).run(state) is state


@pytest.mark.parametrize("kind", [Retrying, Paused, Resume])
def test_what_is_to_go_on_later_stays(kind):
    later = kind(start_time=now() + HOUR)
    assert TaskRunner(one).run(later) is later


def test_a_pause_without_a_time_stays():
    paused = Paused()
    assert TaskRunner(one).run(paused) is paused


def test_a_retry_counts():
    assert TaskRunner(count).run(Retrying(start_time=now() - HOUR, run_count=2)).result == 3


def test_it_waits_for_what_is_upstream():
    begin = Pending()
    above = {edge(double): Running()}
    assert TaskRunner(double).run(begin, upstream_states=above) is begin


@pytest.mark.parametrize(
    ("above", "kind"),
    [(Failed(), TriggerFailed), (Skipped(), Skipped), (TriggerFailed(), TriggerFailed)],
)
def test_upstream_states_decide(above, kind):
    assert type(TaskRunner(double).run(upstream_states={edge(double): above})) is kind


def test_a_reduce_looks_at_the_children():
    above = Mapped(map_states=[Success(result=1), Failed()], n_map_states=2)
    assert type(TaskRunner(double).run(upstream_states={edge(double): above})) is TriggerFailed
    good = Mapped(map_states=[Success(result=1), Success(result=2)], n_map_states=2)
    state = TaskRunner(double).run(upstream_states={edge(double): good})
    assert state.result == [1, 2, 1, 2]


def test_whether_a_task_can_be_mapped():
    over = edge(double, mapped=True)

    def ask(state):
        return TaskRunner(double).run(upstream_states={over: state}, is_mapped_parent=True)

    assert ask(Success(result=[1, 2])).n_map_states == 2
    assert ask(Mapped(n_map_states=5)).n_map_states == 5
    assert type(ask(Success(result=3))) is Failed
    assert type(ask(Failed())) is Failed
    assert type(ask(Skipped())) is Skipped


def test_context_keys_go_along_and_end_with_the_run():
    @task
    def read():
        return context.mine, context.map_index, context.task_full_name

    state = TaskRunner(read).run(context={"mine": 5, "map_index": 3})
    assert state.result == (5, 3, "read[3]")
    assert "mine" not in context


def test_handlers_are_told():
    heard = []

    def hear(runner, old, new):
        heard.append((runner.task.name, type(old).__name__, type(new).__name__))

    TaskRunner(one, state_handlers=[hear]).run()
    assert heard == [("one", "Pending", "Running"), ("one", "Running", "Success")]


def test_a_loop_runs_to_its_end():
    @task
    def loop():
        turn = context.get("task_loop_count", 1)
        if turn < 3:
            raise LOOP(result=turn)
        return turn

    assert TaskRunner(loop).run().result == 3


def test_a_person_lets_a_manual_task_go_on():
    manual = one.copy(trigger=triggers.manual_only)
    assert type(TaskRunner(manual).run()) is Paused
    assert TaskRunner(manual).run(Resume()).result == 1

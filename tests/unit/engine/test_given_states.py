"""Runs that begin with states that somebody gives: what is scheduled waits for its time."""

import datetime

import pytest

from headrace import Flow, flatten, task, unmapped
from headrace.core.now import now
from headrace.engine.flow_runner import FlowRunner
from headrace.executors import LocalDaskExecutor, LocalExecutor
from headrace.states import Mapped, Paused, Resume, Retrying, Scheduled, Success

HOUR = datetime.timedelta(hours=1)


@task
def one():
    return 1


@task
def inc(x):
    return x + 1


with Flow("given") as flow:
    a = one()
    b = inc(a)
    mapped = inc.map([10, 20, 30])
    total = inc.map(mapped)


@pytest.fixture(params=["local", "threads"])
def executor(request):
    return LocalExecutor() if request.param == "local" else LocalDaskExecutor(num_workers=2)


def run(states, executor, **kwargs):
    return FlowRunner(flow).run(
        task_states=states, return_tasks=flow.tasks, executor=executor, **kwargs
    )


@pytest.mark.parametrize("kind", [Retrying, Scheduled, Paused, Resume])
def test_a_task_waits_for_the_time_of_its_state(kind, executor):
    state = run({a: kind(start_time=now() + HOUR)}, executor)
    assert state.is_running()
    assert type(state.result[a]) is kind
    assert state.result[b].is_pending()
    assert state.result[total].is_mapped()


def test_a_task_whose_time_has_come_runs(executor):
    state = run({a: Retrying(start_time=now() - HOUR, run_count=4)}, executor)
    assert state.result[b].result == 2


def test_a_time_soon_enough_is_waited_for(executor):
    soon = now() + datetime.timedelta(seconds=0.05)
    state = run({a: Scheduled(start_time=soon)}, executor, patience=5)
    assert state.result[b].result == 2
    assert now() >= soon


def test_a_paused_task_stays_paused_until_a_person_lets_it_go_on(executor):
    paused = run({a: Paused()}, executor)
    assert type(paused.result[a]) is Paused
    assert paused.result[b].is_pending()
    resumed = run({**paused.result, a: Resume()}, executor)
    assert resumed.is_successful()
    assert resumed.result[b].result == 2


def test_a_mapped_child_waits_alone(executor):
    waiting = Retrying(start_time=now() + HOUR)
    given = Mapped(map_states=[Success(result=0), waiting, None], n_map_states=3)
    state = run({mapped: given}, executor)
    assert state.is_running()
    assert [type(child).__name__ for child in state.result[mapped].map_states] == [
        "Success",
        "Retrying",
        "Success",
    ]
    first, second, third = state.result[total].map_states
    assert first.result == 1
    assert second.is_pending()
    assert third.result == 32


def test_a_flow_run_by_hand_begins_as_scheduled():
    seen = []

    def watch(flow, old_state, new_state):
        seen.append((type(old_state), type(new_state)))

    with Flow("watched", state_handlers=[watch]) as watched:
        one()
    watched.run()
    assert [old.__name__ for old, _ in seen] == ["Scheduled", "Running"]


def test_what_is_given_can_be_mapped_over_and_flattened(executor):
    @task
    def fail_once(xs):
        raise ValueError(xs)

    @task
    def many(x):
        return [x] * x

    with Flow("flat") as nested:
        numbers = many(3)
        lists = many.map(numbers)
        broken = fail_once(lists)
        from_value = inc.map(numbers, upstream_tasks=[unmapped(broken)])
        from_children = inc.map(flatten(lists), upstream_tasks=[unmapped(broken)])

    def attempt(states):
        return FlowRunner(nested).run(
            task_states=states, return_tasks=nested.tasks, executor=executor
        )

    first = attempt({})
    assert all(child.is_failed() for child in first.result[from_value].map_states)
    given = {numbers: first.result[numbers], lists: first.result[lists], broken: Success()}
    again = attempt(given)
    assert again.result[from_value].result == [4, 4, 4]
    assert again.result[from_children].result == [4] * 9

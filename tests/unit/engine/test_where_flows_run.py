"""Flows run from anywhere: in a task, in a thread, in an event loop; and however deep they are."""

import asyncio
import threading

import pytest

from headrace import Flow, context, task
from headrace.executors import LocalDaskExecutor, LocalExecutor


@pytest.fixture(params=["local", "threads"])
def executor(request):
    return LocalExecutor() if request.param == "local" else LocalDaskExecutor("threads", 2)


@task
def plus_one(x):
    return x + 1


@task
def fails():
    raise ValueError


def chain(length, name="chain"):
    with Flow(name) as flow:
        last = 0
        for _ in range(length):
            last = plus_one(last)
    return flow, last


def test_a_chain_of_ten_thousand(executor):
    flow, last = chain(10_000)
    assert flow.run(executor=executor).result[last].result == 10_000


def test_a_chain_of_ten_thousand_that_fails_at_once(executor):
    with Flow("fails") as flow:
        last = fails()
        for _ in range(10_000):
            last = plus_one(last)
    state = flow.run(executor=executor)
    assert type(state.result[last]).__name__ == "TriggerFailed"


def test_a_deep_pipeline_of_maps(executor):
    with Flow("maps") as flow:
        last = plus_one.map([0, 10])
        for _ in range(1_000):
            last = plus_one.map(last)
    assert flow.run(executor=executor).result[last].result == [1_001, 1_011]


def test_a_flow_that_is_run_by_a_task_has_a_context_of_its_own(executor):
    @task
    def who():
        return context.flow_name, context.task_name, context.parameters.get("x")

    with Flow("inner") as inner:
        inner_who = who()

    @task
    def runs_another():
        before = context.flow_name, context.task_name
        state = inner.run(executor=LocalExecutor())
        assert (context.flow_name, context.task_name) == before
        return state.result[inner_who].result

    with Flow("outer") as outer:
        ran = runs_another()
        after = who(upstream_tasks=[ran])
    state = outer.run(executor=executor)
    assert state.result[ran].result == ("inner", "who", None)
    assert state.result[after].result == ("outer", "who", None)


def test_a_flow_run_in_a_thread(executor):
    flow, last = chain(5)
    states = []
    thread = threading.Thread(target=lambda: states.append(flow.run(executor=executor)))
    thread.start()
    thread.join(30)
    assert states[0].result[last].result == 5


def test_flows_that_run_side_by_side_keep_apart():
    @task
    def name(n):
        return context.flow_name

    def run(number):
        with Flow(f"flow {number}") as flow:
            names = name.map([1] * 20)
        states[number] = flow.run(executor=LocalDaskExecutor("threads", 2)).result[names].result

    states = {}
    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert states == {number: [f"flow {number}"] * 20 for number in range(4)}


def test_a_flow_run_inside_an_event_loop(executor):
    flow, last = chain(3)

    @task
    def loops_by_itself():
        async def three():
            await asyncio.sleep(0)
            return 3

        return asyncio.run(three())

    with Flow("loops") as loops:
        three = loops_by_itself()

    async def main():
        state = flow.run(executor=executor)
        in_a_thread = await asyncio.to_thread(loops.run)
        return state.result[last].result, in_a_thread.result[three].result

    assert asyncio.run(main()) == (3, 3)


def test_the_context_is_as_before_when_a_run_is_over(executor):
    flow, _ = chain(2)
    with context(mine=1):
        flow.run(executor=executor)
        assert context.mine == 1
        assert "flow_name" not in context
        assert "task_name" not in context

"""The runners, used without `flow.run()`: states given, single tasks, paused runs resumed."""

import pendulum
from prefect import Flow, Parameter, task
from prefect.core import Edge
from prefect.engine import FlowRunner, TaskRunner
from prefect.engine.flow_runner import FlowRunner as SameFlowRunner
from prefect.engine.state import Failed, Finished, Pending, Resume, Retrying, Scheduled, Success
from prefect.executors import LocalExecutor
from prefect.triggers import manual_only
from prefect.utilities.tasks import pause_task

record = []


@task
def one():
    record.append("one ran")
    return 1


@task
def inc(x):
    return x + 1


@task(trigger=manual_only)
def approve(x):
    return f"approved {x}"


@task
def ask():
    pause_task("is this all right?")
    return "resumed"


with Flow("by hand") as flow:
    n = Parameter("n", default=5)
    a = one()
    b = inc(a)
    c = inc(n)

with Flow("asks") as asking:
    start = one()
    approved = approve(start)
    asked = ask()
    after = inc(start, upstream_tasks=[approved])

with Flow("watched") as watched:
    inc(1)


def watch(runner, old_state, new_state):
    record.append([type(old_state).__name__, type(new_state).__name__])
    return new_state


def names(states):
    return sorted((t.name, type(s).__name__) for t, s in states.items())


if __name__ == "__main__":
    plain = FlowRunner(flow).run()
    record.append([type(plain).__name__, plain.result])
    some = FlowRunner(flow=flow).run(return_tasks=[b, c], parameters={"n": 7})
    record.append(names(some.result))
    every = FlowRunner(flow).run(return_tasks=flow.tasks, executor=LocalExecutor())
    record.append(names(every.result))

    given = FlowRunner(flow).run(return_tasks=[a, b], task_states={a: Success(result=100)})
    record.append([given.result[a].result, given.result[b].result])
    failed = FlowRunner(flow).run(return_tasks=[a, b], task_states={a: Failed("earlier")})
    record.append([type(failed).__name__, *names(failed.result)])
    waiting = FlowRunner(flow).run(
        return_tasks=[a, b],
        task_states={a: Retrying(start_time=pendulum.now("utc").add(hours=1), run_count=1)},
    )
    record.append([type(waiting).__name__, *names(waiting.result)])
    too_early = FlowRunner(flow).run(
        state=Scheduled(start_time=pendulum.now("utc").add(hours=1)), return_tasks=[a]
    )
    record.append(type(too_early).__name__)
    finished = FlowRunner(flow).run(state=Finished("over"), return_tasks=[a])
    record.append(type(finished).__name__)

    paused = FlowRunner(asking).run(return_tasks=asking.tasks)
    record.append([type(paused).__name__, *names(paused.result)])
    states = {t: Resume() if type(s).__name__ == "Paused" else s for t, s in paused.result.items()}
    resumed = FlowRunner(asking).run(return_tasks=asking.tasks, task_states=states)
    record.append([type(resumed).__name__, *names(resumed.result)])

    handled = FlowRunner(watched, state_handlers=[watch]).run(task_runner_state_handlers=[watch])
    record.append(type(handled).__name__)

    edge = Edge(one, inc, key="x")
    single = TaskRunner(task=inc).run(upstream_states={edge: Success(result=41)})
    record.append([type(single).__name__, single.result])
    blocked = TaskRunner(inc).run(upstream_states={edge: Failed()})
    record.append(type(blocked).__name__)
    pending = TaskRunner(inc).run(upstream_states={edge: Pending()})
    record.append(type(pending).__name__)
    record.append(SameFlowRunner is FlowRunner)

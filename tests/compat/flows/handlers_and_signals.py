"""Signals from state handlers and triggers, handlers with retries, loops, caches, maps, skips."""

from datetime import timedelta

import prefect
from prefect import Flow, Task, task
from prefect.engine.signals import FAIL, LOOP, SKIP
from prefect.engine.state import Failed, Retrying, Running, Success

record = []


def watch(obj, old_state, new_state):
    name = prefect.context.get("task_full_name", obj.name)
    record.append([name, type(old_state).__name__, type(new_state).__name__])


def fail_on_success(obj, old_state, new_state):
    if type(new_state) is Success:
        raise FAIL("the handler says no", result="no")


def skip_on_start(obj, old_state, new_state):
    if isinstance(new_state, Running):
        raise SKIP("not today")


def no_retries(obj, old_state, new_state):
    if isinstance(new_state, Retrying):
        return Failed("no more tries")
    return None


def double(obj, old_state, new_state):
    if type(new_state) is Success:
        new_state.result = new_state.result * 2
    return new_state


def with_context(obj, old_state, new_state):
    if new_state.is_finished():
        record.append(
            [obj.name, prefect.context.flow_name, sorted(prefect.context.get("parameters", {}))]
        )


@task(state_handlers=[watch, fail_on_success])
def rejected():
    return 1


@task(state_handlers=[watch, skip_on_start])
def skipped():
    return 1


@task(max_retries=3, retry_delay=timedelta(seconds=0), state_handlers=[watch, no_retries])
def tried_once():
    raise ValueError("once")


@task(state_handlers=[double, double, watch])
def quadrupled():
    return 1


@task(state_handlers=[watch])
def loops():
    if prefect.context.get("task_loop_count", 1) < 3:
        raise LOOP(result=prefect.context.get("task_loop_count", 1))
    return prefect.context.task_loop_result


@task(state_handlers=[watch])
def skips():
    raise SKIP("of itself")


@task(state_handlers=[watch])
def follows(x):
    return x


@task(state_handlers=[watch, with_context])
def child(x):
    if x == 2:
        raise ValueError(x)
    return x


@task(cache_for=timedelta(hours=1), state_handlers=[watch])
def cached():
    return "c"


class OnFailure(Task):
    def run(self):
        raise RuntimeError("of a class")


with Flow("handlers and signals", state_handlers=[with_context]) as flow:
    r = rejected()
    after_r = follows(r)
    s = skipped()
    t = tried_once()
    q = quadrupled()
    used = follows(q, task_args={"name": "uses quadrupled"})
    looped = loops()
    sk = skips()
    after_sk = follows(sk, task_args={"name": "after skips"})
    children = child.map([1, 2, 3])
    c = cached()
    failing = OnFailure(
        on_failure=lambda t, s: record.append([t.name, "on_failure", str(s.result)])
    )()

if __name__ == "__main__":
    state = flow.run()
    second = flow.run()
    record.sort(key=lambda entry: str(entry[0]))
    record.append([state.result[r].message, state.result[s].message, state.result[t].message])

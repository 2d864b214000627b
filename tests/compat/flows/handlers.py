"""State handlers of tasks and flows: they watch, they replace, they fail."""

from datetime import timedelta

import prefect
from prefect import Flow, Task, task
from prefect.engine.state import Failed, Retrying, Running, Skipped, Success
from prefect.utilities.notifications import callback_factory

record = []


def watch(obj, old_state, new_state):
    record.append([obj.name, type(old_state).__name__, type(new_state).__name__])


def forgive(obj, old_state, new_state):
    if isinstance(new_state, Failed):
        return Success("forgiven", result=-1)
    return new_state


def veto(obj, old_state, new_state):
    if isinstance(new_state, Running):
        return Skipped("vetoed")
    return None


def broken(obj, old_state, new_state):
    if new_state.is_successful():
        raise RuntimeError("a fault in the handler")


def failed(obj, state):
    record.append(["on_failure", obj.name, type(state).__name__])


only_retries = callback_factory(
    lambda obj, state: record.append(["retrying", obj.name]),
    check=lambda state: isinstance(state, Retrying),
)


@task(state_handlers=[watch])
def good():
    return 1


@task(state_handlers=[watch, forgive], on_failure=failed)
def bad_but_forgiven():
    raise ValueError("oh")


@task(state_handlers=[veto])
def vetoed():
    return "never"


@task(state_handlers=[broken])
def unlucky():
    return 2


@task(on_failure=failed)
def bad():
    raise ValueError("bad")


@task(max_retries=1, retry_delay=timedelta(seconds=0), state_handlers=[watch, only_retries])
def second_try():
    if prefect.context.task_run_count == 1:
        raise ValueError("first")
    return "second"


@task(state_handlers=[watch])
def double(x):
    return 2 * x


class Watched(Task):
    def run(self, x):
        return x


def end(flow, state, reference_task_states):
    record.append(["terminal", type(state).__name__, len(reference_task_states)])
    if state.is_failed():
        return Success("good enough", result=state.result)
    return None


with Flow("handled", state_handlers=[watch], on_failure=failed) as flow:
    g = good()
    forgiven = bad_but_forgiven()
    v = vetoed()
    u = unlucky()
    retried = second_try()
    mapped = double.map([1, 2])
    w = Watched(state_handlers=[watch])(g)

with Flow("failed", state_handlers=[watch], on_failure=failed) as failing:
    bad()

with Flow("saved at the end", terminal_state_handler=end) as saved:
    bad()
    good()

with Flow("handler of the flow fails", state_handlers=[broken]) as unlucky_flow:
    good()

if __name__ == "__main__":
    state = flow.run()
    failing_state = failing.run()
    saved_state = saved.run()
    record.append(["unlucky", type(unlucky_flow.run()).__name__])
    # Tasks that do not depend on each other run in any order.
    record.sort(key=lambda entry: entry[1] if entry[0] in ("on_failure", "retrying") else entry[0])

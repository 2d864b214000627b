"""Flows, and files of flows, for tests of storages."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from headrace import Flow, task

CODE = """
from headrace import Flow, task

@task
def give():
    return {gives!r}

with Flow({name!r}) as flow:
    give()
"""


def flow_that_gives(value, name="nightly"):
    """Return a flow whose one task returns a value."""

    @task
    def give():
        return value

    with Flow(name) as flow:
        give()
    return flow


def given_by(flow):
    """Run such a flow and return the value."""
    state = flow.run()
    assert state.is_successful(), state
    return state.result[next(iter(flow.tasks))].result


def script(path, gives, name="nightly"):
    """Write such a file and return its path."""
    path.write_text(CODE.format(gives=gives, name=name))
    return path


def registered_at_once(make, value):
    """Put one flow into eight storages at once, as eight machines may; return the descriptions."""

    def register():
        storage = make()
        storage.add_flow(flow_that_gives(value))
        return storage.build().serialize()

    # Secrets may be in the context of this thread.
    contexts = [copy_context() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda each: each.run(register), contexts))

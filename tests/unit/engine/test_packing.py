"""Which task runs travel together."""

from headrace import Flow, flatten, task
from headrace.executors import LocalDaskExecutor
from headrace.states import TriggerFailed
from tests.support.dispatching import dispatchers


@task
def fails():
    raise ValueError


@task
def pair(x, y):
    return x, y


def test_a_child_is_not_fused_behind_one_success_when_another_upstream_failed():
    with Flow("fused") as flow:
        broken = fails()
        parent = pair.map(broken, broken)
        good = pair.map(x=[1, 2], y=[3, 4])
        both = pair.map(good, parent)
    state = flow.run(executor=LocalDaskExecutor("threads", num_workers=1))
    assert state.result[parent].is_failed()
    assert [type(child) for child in state.result[both].map_states] == [TriggerFailed] * 2


def test_a_task_that_is_fused_gets_a_flattened_input_flattened():
    with Flow("flat") as flow:
        nested = task(lambda: [[1], [2, 3]], name="nested")()
        flat = task(lambda x: x, name="flat")(flatten(nested))
    with dispatchers() as seen:
        state = flow.run(executor=LocalDaskExecutor("threads", num_workers=1))
    assert seen.fused == 1
    assert state.result[flat].result == [1, 2, 3]

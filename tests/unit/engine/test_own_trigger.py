"""Triggers of a user's own."""

import pytest

from headrace import Flow, task
from headrace.executors import LocalDaskExecutor, LocalExecutor
from headrace.signals import TRIGGERFAIL
from headrace.states import TriggerFailed


@task
def one():
    return 1


@pytest.mark.parametrize("executor", [LocalExecutor(), LocalDaskExecutor(num_workers=1)])
def test_a_trigger_that_says_no_gives_the_signal_as_the_result(executor):
    with Flow("refused") as flow:
        refused = one(task_args={"trigger": lambda upstream_states: False})
    state = flow.run(executor=executor)
    assert type(state.result[refused]) is TriggerFailed
    assert isinstance(state.result[refused].result, TRIGGERFAIL)

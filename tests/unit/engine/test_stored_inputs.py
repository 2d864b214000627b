"""What a run is given is not stored once more, wherever the flow stores results."""

import os

from headrace import Flow, Parameter, task
from headrace.results import LocalResult


@task
def inc(x):
    return x + 1


def test_parameters_and_constants_are_not_stored(tmp_path):
    with Flow("stores", result=LocalResult(dir=str(tmp_path))) as flow:
        inc(Parameter("x", default=1))
        inc.map([1, 2])
    state = flow.run(context={"checkpointing": True})
    assert state.is_successful()
    files = [name for _, _, names in os.walk(tmp_path) for name in names]
    assert len(files) == 3

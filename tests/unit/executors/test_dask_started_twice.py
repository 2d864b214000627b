"""A `DaskExecutor` that is asked to start while it is starting."""

import pytest

from headrace.core.errors import ExecutorError
from headrace.executors import DaskExecutor


def test_an_executor_that_is_still_starting_cannot_be_started_again():
    complaints = []

    def make_cluster(**kwargs):
        with pytest.raises(ExecutorError) as caught, executor.start():
            pass
        complaints.append(str(caught.value))
        raise RuntimeError("no cluster")

    executor = DaskExecutor(cluster_class=make_cluster)
    for _ in range(2):  # a start that fails leaves it free for the next
        with pytest.raises(Exception, match="no cluster"), executor.start():
            pass
    assert len(complaints) == 2
    assert all("is started already; give each flow run its own." in text for text in complaints)

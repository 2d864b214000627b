import pytest

from benchmarks.limits import graphlib_loop, thread_pool
from benchmarks.workloads import WORKLOADS, durations


@pytest.mark.parametrize("limit", [graphlib_loop, thread_pool])
@pytest.mark.parametrize("name", WORKLOADS)
def test_the_bare_graph_gives_the_expected_result_by_the_expected_number_of_calls(name, limit):
    workload = WORKLOADS[name]
    size = min(workload.quick_size, 5)
    nodes = workload.graph(size)
    assert len(nodes) == workload.tasks(size)
    assert limit(nodes, None)[1] == workload.expected(size)


def test_durations_are_the_same_each_time_and_within_their_bounds():
    assert durations(200) == durations(200)
    assert min(durations(200)) >= 0.001
    assert max(durations(200)) <= 0.5

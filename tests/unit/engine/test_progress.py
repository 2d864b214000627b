import pytest

from headrace import Flow, task, unmapped
from headrace.core import signals, triggers
from headrace.engine.flow_runner import FlowRunner
from headrace.engine.progress import Counts, OpenMap
from headrace.executors import LocalDaskExecutor


@task
def numbers(n):
    return list(range(n))


@task
def odd_fails(x):
    if x % 2:
        raise ValueError(x)
    return x


@task
def skip_four(x):
    if x == 4:
        raise signals.SKIP
    return x


@task(trigger=triggers.all_finished, skip_on_upstream_skip=False)
def end(xs):
    return len(xs)


def run(flow, **kwargs):
    """Run a flow; return its state and what watched it."""
    seen = []
    state = FlowRunner(flow, observer=seen.append).run(patience=None, **kwargs)
    assert len(seen) == 1
    return state, seen[0]


def mapped_flow(n, last=end):
    with Flow("mapped") as flow:
        odd = odd_fails.map(numbers(n))
        four = skip_four.map(odd)
        last(four)
    return flow


def test_counts_at_the_end_are_exact():
    _, progress = run(mapped_flow(6))
    # numbers and end; of six: 0 and 2 succeed twice, 4 once and is then skipped, odd ones fail.
    assert progress.count() == Counts(total=14, successful=7, skipped=1, failed=6)
    assert progress.count().done == 14
    assert progress.open_maps == []


def test_counts_before_the_first_task():
    counts = []
    FlowRunner(mapped_flow(3), observer=lambda progress: counts.append(progress.count())).run()
    assert counts == [Counts(total=4)]


def test_an_empty_map_is_one_success():
    _, progress = run(mapped_flow(0))
    assert progress.count() == Counts(total=4, successful=4)


@pytest.mark.parametrize("executor", [None, LocalDaskExecutor("threads", num_workers=2)])
def test_counts_while_it_runs_only_grow(executor):
    seen = []
    done = []
    maps = []

    @task
    def look(x):
        counts = seen[0].count()
        done.append(counts.done)
        maps.extend(seen[0].open_maps)
        assert counts.done <= counts.total
        assert seen[0].count_running() >= 1
        return x

    with Flow("watched") as flow:
        look.map(numbers(20))
    FlowRunner(flow, observer=seen.append).run(executor=executor)
    assert done == sorted(done)
    assert done[0] == 1
    assert {open_map.total for open_map in maps} == {20}
    assert seen[0].count() == Counts(total=21, successful=21)


def test_a_map_under_way():
    seen = []
    maps = []

    @task
    def look(x, progress):
        progress[0].count()
        maps.append(progress[0].open_maps)

    with Flow("watched") as flow:
        look.map(numbers(3), unmapped(seen))
    FlowRunner(flow, observer=seen.append).run()
    assert maps == [[OpenMap("look", n, 3)] for n in range(3)]


def test_a_run_that_waits_for_its_retry():
    import datetime

    @task(max_retries=1, retry_delay=datetime.timedelta(hours=1))
    def fails():
        raise ValueError

    with Flow("waits") as flow:
        fails()
    seen = []
    FlowRunner(flow, observer=seen.append).run(patience=0)
    assert seen[0].count() == Counts(total=1, waiting=1)


def test_cancelled_runs():
    @task
    def interrupt(x):
        if x == 2:
            raise KeyboardInterrupt
        return x

    with Flow("cancelled") as flow:
        end(interrupt.map(numbers(5)))
    state, progress = run(flow)
    assert type(state).__name__ == "Cancelled"
    assert progress.count() == Counts(total=7, successful=3, cancelled=4)

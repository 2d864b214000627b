"""Tasks that run in the runner's process, beside any executor."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from headrace import Flow, Task, context, task, unmapped
from headrace.engine import home
from headrace.executors import DaskExecutor, Executor, LocalDaskExecutor, LocalExecutor
from headrace.signals import LOOP
from headrace.states import Cancelled, Failed, Success, TimedOut, TriggerFailed
from headrace.tasks import (
    CancelFlowRun,
    RenameFlowRun,
    StartFlowRun,
    create_flow_run,
    get_task_run_result,
    wait_for_flow_run,
)
from headrace.triggers import any_failed
from tests.support.clusters import dask_cluster
from tests.support.dispatching import dispatchers
from tests.support.executors import KeptOpen

HERE = os.getpid()

#: Which tasks have met in this process, by name.
MET: dict[str, threading.Barrier] = {}


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    executor = LocalDaskExecutor("processes", num_workers=1)
    with executor.start():
        yield executor


@pytest.fixture(scope="module")
def dask() -> Iterator[Executor]:
    with dask_cluster(workers=1, threads=1) as cluster:
        executor = DaskExecutor(address=cluster.address)
        with executor.start():
            yield executor


@pytest.fixture(params=["threads", "processes", "dask"])
def executor(request: pytest.FixtureRequest) -> Any:
    if request.param == "threads":
        return LocalDaskExecutor("threads", num_workers=1)
    return KeptOpen(request.getfixturevalue(request.param))


class AtHome(Task[Any]):
    """Has the runner's process do something, and says where it was done."""

    runs_at_home = True

    def run(self, value: Any = None) -> Any:
        return os.getpid(), threading.current_thread() is threading.main_thread(), value


@task
def process_of(value: Any = None) -> Any:
    return os.getpid(), value


def at_home(fn: Any, **kwargs: Any) -> Any:
    made = task(fn, **kwargs)
    made.runs_at_home = True
    return made


def test_it_runs_in_the_runners_process_between_tasks_elsewhere(executor: Any) -> None:
    with Flow("there and back") as flow:
        before = process_of(b"x" * 100_000)
        here = AtHome()(before)
        after = process_of(here)
    with dispatchers() as seen:
        state = flow.run(executor=executor)
    (pid, is_main, (worker, value)) = state.result[here].result
    assert (pid, is_main, len(value)) == (HERE, False, 100_000)
    elsewhere, given = state.result[after].result
    assert given[0] == HERE
    assert worker == elsewhere
    assert executor.leaves_process == (worker != HERE)
    assert (seen.submissions, seen.together) == (2, 0)  # it was no call of the executor's


def test_nothing_changes_where_everything_runs_in_this_thread() -> None:
    with Flow("here") as flow:
        here = AtHome()(1)
    assert flow.run(executor=LocalExecutor()).result[here].result == (HERE, True, 1)


def test_only_library_tasks_say_so() -> None:
    tasks: list[Task[Any]] = [create_flow_run, wait_for_flow_run, get_task_run_result]
    tasks += [StartFlowRun(), RenameFlowRun(), CancelFlowRun()]
    assert all(each.runs_at_home for each in tasks)
    assert not process_of.runs_at_home
    with Flow("copies"):
        assert wait_for_flow_run("x").runs_at_home
        assert process_of(task_args={"runs_at_home": True}).runs_at_home


def meets(name: str) -> str:
    MET[name].wait(90)
    return name


def test_waits_overlap_and_hold_up_no_slot(executor: Any) -> None:
    MET["two"], MET["third"] = threading.Barrier(2), threading.Barrier(2)
    wait = at_home(meets)
    with Flow("overlap") as flow:
        both = [wait("two"), wait("two")]
        first = wait("third")
        # The only slot is free meanwhile, for what lets the third one go on.
        let = wait("third", upstream_tasks=[process_of(1, upstream_tasks=[process_of(2)])])
    state = flow.run(executor=executor)
    assert [state.result[each].result for each in (*both, first, let)] == [
        "two",
        "two",
        "third",
        "third",
    ]


def test_it_does_not_wait_for_a_slot(tmp_path: Path) -> None:
    busy, free = tmp_path / "busy", tmp_path / "free"

    def waits_for(path: Path) -> bool:
        until = time.monotonic() + 90
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.01)
        return path.exists()

    @task
    def keeps_busy(_: Any, busy: Path, free: Path) -> bool:
        busy.touch()
        return waits_for(free)

    with Flow("busy") as flow:
        many = keeps_busy.map(list(range(8)), unmapped(busy), unmapped(free))
        seen = at_home(waits_for)(busy)
        at_home(lambda path: path.touch(), name="touches")(free, upstream_tasks=[seen])
    state = flow.run(executor=LocalDaskExecutor("threads", num_workers=1))
    assert state.result[many].result == [True] * 8


def test_mapped_ones_have_a_bounded_number_of_threads(
    executor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "MOST_THREADS", 4)
    now, most = [0], [0]
    lock = threading.Lock()

    def counts(x: Any) -> Any:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1
        return x

    with Flow("many") as flow:
        numbers = task(lambda: list(range(40)), name="numbers")()
        mapped = at_home(counts).map(numbers)
        after = process_of.map(mapped)
        total = task(lambda xs: sum(x for x in xs), name="total")(mapped)
    state = flow.run(executor=executor)
    assert state.is_successful()
    assert state.result[mapped].result == list(range(40))
    assert [value for _, value in state.result[after].result] == list(range(40))
    assert state.result[total].result == 780
    assert most[0] == 4


def test_it_is_retried_and_loops_and_ends_in_time(executor: Any) -> None:
    tries: list[int] = []

    def tried(_: Any) -> int:
        tries.append(context.task_run_count)
        if len(tries) < 3:
            raise ValueError("not yet")
        return os.getpid()

    def loops(_: Any) -> Any:
        count = context.get("task_loop_count", 1)
        if count < 3:
            raise LOOP(result=count)
        return count, context.task_loop_result

    with Flow("ways") as flow:
        before = process_of(1)
        retried = at_home(tried, max_retries=2, retry_delay=timedelta(0))(before)
        looped = at_home(loops)(before)
        late = at_home(lambda _: time.sleep(30), name="late", timeout=0.2)(before)
    begun = time.monotonic()
    result = flow.run(executor=executor).result
    assert (result[retried].result, tries) == (HERE, [1, 2, 3])
    assert result[looped].result == (3, 2)
    assert isinstance(result[late], TimedOut)
    assert time.monotonic() - begun < 20


def test_a_failure_is_seen_and_triggers_hold(
    executor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    def fails(_: Any) -> None:
        context.logger.info("from home")
        raise ValueError("bad")

    def note(_: Any, old: Any, new: Any) -> None:
        seen.append(type(new).__name__)

    with Flow("failing") as flow:
        failing = at_home(fails, state_handlers=[note])(process_of(1))
        never = AtHome()(failing)
        always = AtHome(trigger=any_failed)(failing)
        custom = AtHome(trigger=lambda states: all(s.is_failed() for s in states.values()))
        own = custom(upstream_tasks=[failing])
    with caplog.at_level(logging.INFO, "headrace"):
        result = flow.run(executor=executor).result
    assert isinstance(result[failing], Failed)
    assert isinstance(result[failing].result, ValueError)
    assert isinstance(result[never], TriggerFailed)
    assert isinstance(result[always].result[2], ValueError)
    assert isinstance(result[own], Success)
    assert seen == ["Running", "Failed"]
    assert sum(record.message == "from home" for record in caplog.records) == 1


def test_one_that_interrupts_itself_cancels_the_run(executor: Any) -> None:
    def interrupts() -> None:
        raise KeyboardInterrupt

    with Flow("interrupted") as flow:
        first = at_home(interrupts)()
        after = process_of(first)
    state = flow.run(executor=LocalDaskExecutor("threads", num_workers=1))
    assert isinstance(state, Cancelled)
    assert isinstance(state.result[first], Cancelled)
    assert isinstance(state.result[after], Cancelled)


def test_an_error_that_is_to_be_raised_ends_the_run() -> None:
    from headrace.debug import raise_on_exception

    with Flow("raised") as flow:
        at_home(lambda: 1 / 0, name="raises")()
    with raise_on_exception(), pytest.raises(ZeroDivisionError):
        flow.run(executor=LocalDaskExecutor("threads", num_workers=1))


class Stays:
    """Can be pickled, and not unpickled."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


def test_an_input_that_cannot_come_here_fails_the_task(dask: Executor) -> None:
    with Flow("stuck") as flow:
        here = AtHome()(task(lambda: [Stays(), b"x" * 100_000], name="stays")())
    state = flow.run(executor=KeptOpen(dask)).result[here]
    assert type(state) is Failed
    assert "cannot be brought to the runner's process" in str(state.message)


SCRIPT = """
import os, sys, time
from headrace import Flow, task
from headrace.engine import dispatcher
from headrace.executors import LocalDaskExecutor

dispatcher.GRACE_SECONDS = float(sys.argv[4])

@task
def elsewhere(x):
    return x

@task
def waits(x, how):
    open(f"{sys.argv[1]}/begun-{x}", "w").close()
    if how == "deaf":
        time.sleep(200)
    until = time.monotonic() + 200
    while time.monotonic() < until:
        time.sleep(0.01)

@task
def never(x):
    open(f"{sys.argv[1]}/never", "w").close()

with Flow("waiting") as flow:
    waits.runs_at_home = True
    waited = [waits(elsewhere(x), sys.argv[3]) for x in range(2)]
    last = never(waited)

if __name__ == "__main__":
    state = flow.run(executor=LocalDaskExecutor(sys.argv[2], num_workers=1))
    kinds = [type(state.result[each]).__name__ for each in (*waited, last)]
    print(type(state).__name__, *kinds)
"""


@pytest.mark.parametrize(("how", "grace"), [("heeds", 90), ("deaf", 5)])
@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_a_cancelled_run_does_not_wait_for_it(
    kind: str, how: str, grace: float, tmp_path: Path
) -> None:
    script = tmp_path / "flow_file.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path), kind, how, str(grace)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        until = time.monotonic() + 90
        while len(list(tmp_path.glob("begun-*"))) < 2:
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.02)
        time.sleep(0.1)
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=150)
    finally:
        process.kill()
        process.wait()
    assert output.splitlines()[-1].split() == ["Cancelled"] * 4
    assert not (tmp_path / "never").exists()
    assert time.monotonic() - asked < 60

"""Tracked runs in processes of their own, as their supervisor sees them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.wire.events import FlowState, TaskState
from tests.support.tracked import Process, called, details, write_flow

EXECUTORS = {
    "local": "LocalExecutor()",
    "threads": "LocalDaskExecutor('threads', num_workers=2)",
    "processes": "LocalDaskExecutor('processes', num_workers=2)",
    "dask": "DaskExecutor(cluster_kwargs={'n_workers': 1, 'threads_per_worker': 2})",
}

HEAD = """
import datetime, os, time
from pathlib import Path
import headrace
from headrace import Flow, Parameter, task, context
from headrace.executors import DaskExecutor, LocalDaskExecutor, LocalExecutor
FOLDER = Path(__file__).parent

def note(text):
    with open(FOLDER / "calls", "a") as file:
        file.write(f"{text} ")
"""


@pytest.fixture(params=list(EXECUTORS))
def executor(request: pytest.FixtureRequest) -> str:
    return EXECUTORS[request.param]


# -- an ordinary run ----------------------------------------------------------------------------


def test_a_run_is_told_from_its_first_task_to_its_end(tmp_path: Path, executor: str) -> None:
    file = write_flow(
        tmp_path,
        HEAD
        + f"""
@task
def numbers(n): return list(range(n))

@task(log_stdout=True, task_run_name="times-{{x}}")
def double(x):
    context.logger.info("doubling %d", x)
    print("said", x)
    return 2 * x

@task
def total(xs):
    return sum(xs)

with Flow("sums") as flow:
    n = Parameter("n", default=2)
    total(double.map(numbers(n)))
flow.executor = {executor}
""",
    )
    run = details(file, "sums", parameters={"n": 3})
    with Process(run, tmp_path / "home") as process:
        end = process.finish()
        assert end is not None
        assert end.type == "Success", process.text()
        assert process.process.returncode == 0
        assert process.types() == {
            "n": "Success",
            "numbers-1": "Success",
            "double-1": "Mapped",
            "double-1[0]": "Success",
            "double-1[1]": "Success",
            "double-1[2]": "Success",
            "total-1": "Success",
        }
        last = process.last()
        assert last["double-1", -1].children == 3
        assert last["double-1", 2].name == "times-2"
        place = last["double-1", 2].place
        assert place is not None
        assert place.rpartition(":")[2].isdecimal()
        started = last["double-1", 2].started
        assert started is not None
        assert abs(started - last["double-1", 2].at) < 60.0
        said = {(each.slug, each.map_index, each.message) for each in process.lines()}
        assert ("double-1", 1, "doubling 1") in said
        assert ("double-1", 1, "said 1") in said
        assert isinstance(process.events[-1], FlowState)
    # How long its checkpoints are kept counts from its end.
    assert len(list((tmp_path / "home").glob("checkpoints/*/ended-Success"))) == 1


def test_a_long_task_is_shown_while_it_runs(tmp_path: Path, executor: str) -> None:
    file = write_flow(
        tmp_path,
        HEAD
        + f"""
@task
def long():
    while not (FOLDER / "go").exists():
        time.sleep(0.01)

with Flow("waits") as flow:
    long()
flow.executor = {executor}
""",
    )
    with Process(details(file, "waits"), tmp_path / "home") as process:
        shown = process.wait_for(lambda each: isinstance(each, TaskState))
        assert isinstance(shown, TaskState)
        assert shown.type == "Running"
        (tmp_path / "go").touch()
        end = process.finish()
        assert end is not None
        assert end.type == "Success"
        assert [each.type for each in process.tasks()] == ["Running", "Success"]
        assert process.tasks()[1].started is None


# -- killed, and resumed ------------------------------------------------------------------------


def test_a_killed_run_is_taken_up_where_it_was(tmp_path: Path, executor: str) -> None:
    file = write_flow(
        tmp_path,
        HEAD
        + f"""
@task
def first():
    note("first")
    return ["a", "b", "c", "d"]

@task
def each(x):
    note(x)
    if x == "c" and context.attempt == 1:
        time.sleep(0.3)  # the others are known to be over
        (FOLDER / "reached").touch()
        time.sleep(60)
    return x.upper()

@task
def join(xs):
    note("join")
    return "".join(xs)

@task
def check(text):
    note(text)

with Flow("letters") as flow:
    check(join(each.map(first())))
flow.executor = {executor}
""",
    )
    home = tmp_path / "home"
    with Process(details(file, "letters"), home) as process:
        deadline = time.monotonic() + 90
        while not (tmp_path / "reached").exists():
            assert time.monotonic() < deadline, process.text()
            time.sleep(0.02)
        process.kill()
        done = {(each.slug, each.map_index) for each in process.tasks() if each.type == "Success"}
        assert ("first-1", -1) in done
    before = called(tmp_path / "calls")
    with Process(details(file, "letters", attempt=2), home) as process:
        end = process.finish()
        assert end is not None
        assert end.type == "Success", process.text()
        reused = {(each.slug, each.map_index) for each in process.tasks() if each.reused}
        assert done <= reused
    again = called(tmp_path / "calls")[len(before) :]
    assert "first" not in again
    assert "ABCD" in again
    names = {("each-1", place): letter for place, letter in enumerate("abcd")}
    assert not {names[item] for item in done if item in names} & set(again)


@pytest.mark.parametrize("executor", [EXECUTORS["dask"]])
def test_a_value_that_stays_on_a_worker_is_taken_over(tmp_path: Path, executor: str) -> None:
    file = write_flow(
        tmp_path,
        HEAD
        + f"""
@task
def large(x):
    note(f"large-{{x}}")
    return [x] * 100_000

@task
def join(xs):
    if context.attempt == 1:
        (FOLDER / "reached").touch()
        time.sleep(60)
    return note(sum(len(x) for x in xs))

with Flow("large") as flow:
    join(large.map([1, 2, 3]))
flow.executor = {executor}
""",
    )
    home = tmp_path / "home"
    with Process(details(file, "large"), home) as process:
        for child in range(3):
            process.wait_for(
                lambda each, child=child: (  # type: ignore[misc]
                    isinstance(each, TaskState)
                    and (each.map_index, each.type) == (child, "Success")
                )
            )
        process.kill()
    with Process(details(file, "large", attempt=2), home) as process:
        end = process.finish()
        assert end is not None
        assert end.type == "Success", process.text()
    assert sorted(called(tmp_path / "calls")) == ["300000", "large-1", "large-2", "large-3"]


# -- orders ---------------------------------------------------------------------------------------

SLEEPERS = """
@task
def sleep(x):
    note(f"begin-{x}")
    (FOLDER / f"begun-{x}").touch()
    for _ in range(2400):
        if (FOLDER / "go").exists():
            break
        time.sleep(0.05)
    note(f"end-{x}")
    return x

@task
def after(xs):
    note("after")

with Flow("sleeps") as flow:
    after(sleep.map(list(range(1, 31))))
"""


def _started(folder: Path, process: Process, count: int = 1) -> None:
    _until(lambda: len(list(folder.glob("begun-*"))) >= count, process)


def _until(test: Callable[[], bool], process: Process | None = None) -> None:
    deadline = time.monotonic() + 90
    while not test():
        said = "" if process is None else f"{process.text()}\n{process.types()}"
        assert time.monotonic() < deadline, said
        time.sleep(0.02)


def test_a_cancelled_run_ends_as_such_with_its_reason(tmp_path: Path, executor: str) -> None:
    file = write_flow(tmp_path, HEAD + SLEEPERS + f"flow.executor = {executor}")
    with Process(details(file, "sleeps"), tmp_path / "home") as process:
        _started(tmp_path, process)
        process.order(cancel="Ada has had enough")
        end = process.finish()
        assert end is not None
        assert (end.type, end.message) == ("Cancelled", "Ada has had enough")
        assert process.types()["after-1"] == "Cancelled"
        assert process.types()["sleep-1[29]"] == "Cancelled"
        assert process.process.returncode == 0
    assert "end-1" not in called(tmp_path / "calls")


def test_a_cancelled_run_cleans_up_what_it_has_set_up(tmp_path: Path) -> None:
    file = write_flow(
        tmp_path,
        HEAD
        + """
@headrace.resource_manager
class Machine:
    def setup(self):
        note("setup")
        return "machine"
    def cleanup(self, machine):
        note("cleanup")

@task
def work(machine):
    (FOLDER / "begun-1").touch()
    time.sleep(60)

with Flow("rents") as flow:
    with Machine() as machine:
        work(machine)
""",
    )
    with Process(details(file, "rents"), tmp_path / "home") as process:
        _started(tmp_path, process)
        process.order(cancel="enough")
        end = process.finish()
        assert end is not None
        assert end.type == "Cancelled", process.text()
    assert called(tmp_path / "calls") == ["setup", "cleanup"]


def test_a_paused_run_lets_what_runs_end_and_parks(tmp_path: Path, executor: str) -> None:
    file = write_flow(tmp_path, HEAD + SLEEPERS + f"flow.executor = {executor}")
    home = tmp_path / "home"
    with Process(details(file, "sleeps"), home) as process:
        # As many as the executor has slots.
        _started(tmp_path, process, 1 if executor == EXECUTORS["local"] else 2)
        begun = list(tmp_path.glob("begun-*"))
        process.order(pause="Ada is having lunch")
        time.sleep(3.0)  # the order takes some milliseconds, and is told to nobody
        (tmp_path / "go").touch()
        end = process.finish()
        assert end is not None
        assert (end.type, end.message, end.due) == ("Paused", "Ada is having lunch", None)
        assert end.ordered
    before = called(tmp_path / "calls")
    assert "after" not in before
    # What the executor held, and had not begun, was taken back.
    assert len([each for each in before if each.startswith("end")]) == len(begun) <= 2
    with Process(details(file, "sleeps", attempt=2), home) as process:
        end = process.finish()
        assert end is not None
        assert end.type == "Success", process.text()
    calls = called(tmp_path / "calls")
    assert sorted(calls) == sorted(
        [f"{what}-{x}" for what in ("begin", "end") for x in range(1, 31)] + ["after"]
    )


def test_a_superseded_runner_starts_nothing_and_says_nothing(tmp_path: Path, executor: str) -> None:
    file = write_flow(tmp_path, HEAD + SLEEPERS + f"flow.executor = {executor}")
    with Process(details(file, "sleeps"), tmp_path / "home") as process:
        _started(tmp_path, process)
        begun = time.monotonic()
        process.order(superseded="attempt 2 has begun")
        assert process.finish() is None
        assert process.process.returncode == 71
        assert time.monotonic() - begun < 60  # what it holds goes on for two minutes
        assert not [each for each in process.tasks() if each.type == "Cancelled"]
    calls = called(tmp_path / "calls")
    assert "after" not in calls
    assert len(calls) < 30


def test_a_run_that_must_not_be_twice_holds_still_once_its_lease_has_passed(
    tmp_path: Path, executor: str
) -> None:
    file = write_flow(
        tmp_path,
        HEAD
        + f"""
@task
def first():
    (FOLDER / "begun-1").touch()
    while not (FOLDER / "go").exists():
        time.sleep(0.02)
    note("first")

@task
def second(x):
    note("second")

with Flow("holds") as flow:
    second(first())
flow.executor = {executor}
""",
    )
    run = details(file, "holds", on_disconnect="hold")
    with Process(run, tmp_path / "home") as process:
        _until(lambda: "lease" in process.text(), process)
        assert not (tmp_path / "begun-1").exists()
        deadline = time.monotonic() + 90
        while not (tmp_path / "begun-1").exists():
            assert time.monotonic() < deadline, process.text()
            lease_until = time.monotonic() + 2  # of which it leaves a second out
            process.order(lease_until=lease_until)
            time.sleep(0.1)
        time.sleep(max(0.0, lease_until - time.monotonic()))
        (tmp_path / "go").touch()
        _until(lambda: process.text().count("nobody could renew") >= 2, process)
        _until(lambda: bool(called(tmp_path / "calls")), process)
        time.sleep(0.3)
        assert called(tmp_path / "calls") == ["first"]
        process.order(lease_until=time.monotonic() + 300)
        end = process.finish()
        assert end is not None
        assert end.type == "Success", process.text()
    assert called(tmp_path / "calls") == ["first", "second"]


def test_a_runner_that_is_asked_to_end_has_not_cancelled_its_run(tmp_path: Path) -> None:
    file = write_flow(tmp_path, HEAD + SLEEPERS)
    with Process(details(file, "sleeps"), tmp_path / "home") as process:
        _started(tmp_path, process)
        process.process.terminate()
        assert process.finish() is None
        assert process.process.returncode == 143


def test_the_workers_of_a_killed_runner_end_with_it(tmp_path: Path) -> None:
    file = write_flow(
        tmp_path,
        HEAD
        + f"""
@task
def long():
    note(os.getpid())
    (FOLDER / "begun-1").touch()
    time.sleep(60)

with Flow("long") as flow:
    long()
flow.executor = {EXECUTORS["processes"]}
""",
    )
    with Process(details(file, "long"), tmp_path / "home") as process:
        _started(tmp_path, process)
        process.kill()
    (worker,) = called(tmp_path / "calls")

    def is_gone() -> bool:
        try:
            os.kill(int(worker), 0)
        except ProcessLookupError:
            return True
        return False

    _until(is_gone)


def test_a_runner_ends_with_its_supervisor(tmp_path: Path) -> None:
    file = write_flow(tmp_path, HEAD + SLEEPERS)
    with Process(details(file, "sleeps"), tmp_path / "home") as process:
        _started(tmp_path, process)
        process.desert()
        assert process.process.wait(60) == 72
